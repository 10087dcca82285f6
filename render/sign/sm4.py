"""SM4 block cipher (GB/T 32907) in the modes CBC and CTR (GB/T 17964)."""

from __future__ import annotations

from render.errors import KeyRejected, MalformedInput
from render.sign.api import BytesLike, CryptoBackend
from render.sign.backend import load_backend

KEY_BYTES = 16
BLOCK_BYTES = 16


def sm4_cbc_encrypt(key: bytes, iv: bytes, data: BytesLike, *, backend: CryptoBackend | None = None) -> bytes:
    """Encrypt by SM4-CBC with PKCS#7 padding.

    Args:
        key: 16 bytes.
        iv: 16 bytes, never used twice with a key.
        data: any number of bytes.
        backend: None = the one that ``auto`` chooses.

    Raises:
        KeyRejected: the key has another length.
        MalformedInput: the IV has another length.
    """
    _check_lengths(key, iv)
    return (backend or load_backend()).sm4_cbc(key, iv, data, encrypt=True)


def sm4_cbc_decrypt(key: bytes, iv: bytes, data: BytesLike, *, backend: CryptoBackend | None = None) -> bytes:
    """Decrypt SM4-CBC with PKCS#7 padding. The mode does not protect against change: check the plaintext.

    Raises:
        KeyRejected: the key has another length.
        MalformedInput: the IV has another length, or the ciphertext no right padding.
    """
    _check_lengths(key, iv)
    if len(data) % BLOCK_BYTES or not len(data):
        raise MalformedInput("the SM4 ciphertext is no whole number of blocks.", hint="Check the ciphertext.")
    return (backend or load_backend()).sm4_cbc(key, iv, data, encrypt=False)


def sm4_ctr(key: bytes, counter: bytes, data: BytesLike, *, backend: CryptoBackend | None = None) -> bytes:
    """Encrypt or decrypt by SM4-CTR, which are the same; the length stays.

    Args:
        key: 16 bytes.
        counter: 16 bytes, the first counter block, big-endian; no block may repeat with a key.
        data: any number of bytes.
        backend: None = the one that ``auto`` chooses.

    Raises:
        KeyRejected: the key has another length.
        MalformedInput: the counter has another length.
    """
    _check_lengths(key, counter)
    return (backend or load_backend()).sm4_ctr(key, counter, data)


def _check_lengths(key: bytes, block: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise KeyRejected(f"an SM4 key has {KEY_BYTES} bytes, not {len(key)}.")
    if len(block) != BLOCK_BYTES:
        raise MalformedInput(f"an SM4 IV or counter has {BLOCK_BYTES} bytes, not {len(block)}.")
