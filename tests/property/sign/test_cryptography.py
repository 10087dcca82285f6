"""Laws of SM2, SM3 and SM4 that hold for all inputs and between two independent libraries."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from render.errors import MalformedInput
from render.sign import curve, der, sm2
from render.sign.backend import load_backend
from render.sign.cms_reader import read_signed_data
from render.sign.keys import Passphrase
from render.sign.pkcs8 import decrypt_private_key, encrypt_private_key
from render.sign.sm3 import sm3
from render.sign.sm4 import sm4_cbc_decrypt, sm4_cbc_encrypt, sm4_ctr

OPENSSL, GMSSL = load_backend("openssl"), load_backend("gmssl")
private_keys = st.integers(1, curve.N - 2).map(lambda number: number.to_bytes(32, "big"))
libraries = st.sampled_from([OPENSSL, GMSSL])
blocks = st.binary(min_size=16, max_size=16)
few = settings(max_examples=25, deadline=None)


@few
@given(private_keys, st.binary(max_size=300), libraries, libraries)
def test_what_one_library_signs_the_other_verifies(private, message, signs, verifies):
    key = sm2.PrivateKey(private, backend=signs)
    signature = key.sign(message)
    assert curve.encode_signature(*curve.decode_signature(signature)) == signature
    assert sm2.verify(key.public, message, signature, backend=verifies)


@few
@given(private_keys)
def test_both_libraries_derive_one_public_key(private):
    assert OPENSSL.sm2_public_key(private) == GMSSL.sm2_public_key(private)


@few
@given(private_keys, st.binary(min_size=1, max_size=100), st.data(), libraries)
def test_a_changed_message_or_signature_is_never_accepted(private, message, data, verifies):
    key = sm2.PrivateKey(private)
    signature = key.sign(message)
    which = data.draw(st.sampled_from(["message", "signature", "key"]))
    if which == "key":
        other = sm2.PrivateKey((int.from_bytes(private, "big") % (curve.N - 3) + 1).to_bytes(32, "big"))
        assert not sm2.verify(other.public, message, signature, backend=verifies)
        return
    subject = bytearray(message if which == "message" else signature)
    # Signatures differ in length from run to run, so the place is drawn without knowing it.
    subject[data.draw(st.integers(0, 10_000)) % len(subject)] ^= 1 << data.draw(st.integers(0, 7))
    pair = (bytes(subject), signature) if which == "message" else (message, bytes(subject))
    assert not sm2.verify(key.public, *pair, backend=verifies)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100) | st.tuples(st.integers(), st.integers()).map(lambda rs: curve.encode_signature(*rs)))
def test_noise_is_no_signature_and_raises_nothing(noise):
    public = OPENSSL.sm2_public_key(bytes(31) + b"\x07")
    assert sm2.verify(public, b"message", noise) is False
    assert OPENSSL.sm2_verify(public, b"message", noise) is False


@few
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_sm3_does_not_depend_on_library_or_slicing(data, cuts):
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    view = memoryview(data)
    parts = [view[start:end] for start, end in pairwise(edges)]
    assert sm3(*parts, backend=OPENSSL) == sm3(data, backend=OPENSSL) == sm3(*parts, backend=GMSSL)


@few
@given(blocks, blocks, st.binary(max_size=100))
def test_sm4_opens_what_it_closed_in_either_library(key, iv, data):
    closed = sm4_cbc_encrypt(key, iv, data, backend=OPENSSL)
    assert closed == sm4_cbc_encrypt(key, iv, data, backend=GMSSL)
    assert sm4_cbc_decrypt(key, iv, closed, backend=OPENSSL) == data
    assert sm4_cbc_decrypt(key, iv, closed, backend=GMSSL) == data
    streamed = sm4_ctr(key, iv, data, backend=OPENSSL)
    assert streamed == sm4_ctr(key, iv, data, backend=GMSSL)
    assert sm4_ctr(key, iv, streamed, backend=GMSSL) == data


@few
@given(private_keys, st.text(min_size=1, max_size=60))
def test_a_key_opens_with_its_passphrase(private, words):
    stored = encrypt_private_key(sm2.PrivateKey(private), Passphrase(words), iterations=2)
    assert decrypt_private_key(stored, Passphrase(words)).reveal() == private


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_no_cms_and_what_is_canonical_has_one_spelling(noise):
    try:
        read_signed_data(noise)
    except MalformedInput:
        pass
    else:
        raise AssertionError("noise was read as a signature")
    try:
        der.check_canonical(noise)
    except MalformedInput:
        return
    element = der.read(noise)
    assert der.tlv(element.tag, element.content) == noise
