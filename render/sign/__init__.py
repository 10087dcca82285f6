"""Signing and verifying: SM2, SM3, SM4, certificates, keys at rest, signatures inside PDF files.

A key is reached through one method, ``render.sign.api.RawSigner.sign_raw``; everything else works on bytes.
"""
