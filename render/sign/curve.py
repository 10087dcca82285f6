"""The SM2 curve (GB/T 32918.5) and the one accepted form of keys and signatures on it."""

from __future__ import annotations

from render.errors import KeyRejected, MalformedInput
from render.sign import der

P = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_00000000_FFFFFFFF_FFFFFFFF
A = P - 3
B = 0x28E9FA9E_9D9F5E34_4D5A9E4B_CF6509A7_F39789F5_15AB8F92_DDBCBD41_4D940E93
GX = 0x32C4AE2C_1F198119_5F990446_6A39C994_8FE30BBF_F2660BE1_715A4589_334C74C7
GY = 0xBC3736A2_F4F6779C_59BDCEE3_6B692153_D0A9877C_C62A4740_02DF32E5_2139F0A0
N = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_7203DF6B_21C6052B_53BBF409_39D54123

DEFAULT_ID = b"1234567812345678"
"""The identity that GB/T 35276 prescribes where the parties agreed on no other."""

PRIVATE_KEY_BYTES = 32
PUBLIC_KEY_BYTES = 65
MAX_SIGNATURE_BYTES = 72
"""SEQUENCE header, and two INTEGERs of 32 octets each with a leading zero."""

_UNCOMPRESSED = 0x04
_R_AT = 4
"""Where r begins: behind the headers of the SEQUENCE and of its own INTEGER."""


def identity_message(public: bytes) -> bytes:
    """Return what SM3 digests to Z, the value of a signer that stands before each message (GB/T 32918.2, 5.5).

    Args:
        public: 65 bytes, a point of the curve.
    """
    bits = (8 * len(DEFAULT_ID)).to_bytes(2, "big")
    return b"".join((bits, DEFAULT_ID, *(value.to_bytes(32, "big") for value in (A, B, GX, GY)), public[1:]))


def encode_signature(r: int, s: int) -> bytes:
    """Return DER ``SEQUENCE {r, s}`` (GB/T 35276, 7.3)."""
    return der.sequence(der.integer(r), der.integer(s))


def decode_signature(signature: bytes) -> tuple[int, int]:
    """Return r and s.

    Raises:
        MalformedInput: not the one DER form of two integers in 1…n-1.
    """
    if len(signature) > MAX_SIGNATURE_BYTES:
        raise MalformedInput(f"an SM2 signature has at most {MAX_SIGNATURE_BYTES} octets, not {len(signature)}.")
    # Wrong lengths give other numbers, and those another form; so comparing the one right form checks all of it.
    size = signature[3] if len(signature) > _R_AT else 0
    r = int.from_bytes(signature[_R_AT : _R_AT + size], "big")
    s = int.from_bytes(signature[_R_AT + size + 2 :], "big")
    if not (0 < r < N and 0 < s < N):
        raise MalformedInput("an SM2 signature has integers out of range.")
    if encode_signature(r, s) != signature:
        raise MalformedInput("an SM2 signature is the DER of two integers, and this is not.")
    return r, s


def check_public_key(public: bytes) -> bytes:
    """Return a public key unchanged if it is an uncompressed point of the curve.

    Raises:
        KeyRejected: another length or form, or a point elsewhere.
    """
    if len(public) != PUBLIC_KEY_BYTES or public[0] != _UNCOMPRESSED:
        raise KeyRejected("an SM2 public key has 65 octets: 04, x, y.", hint="Use an uncompressed point.")
    x, y = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
    if not (x < P and y < P and (y * y - (x * x * x + A * x + B)) % P == 0):
        raise KeyRejected("the public key is not a point of the SM2 curve.", hint="Use a key made for SM2.")
    return public


def check_private_key(private: bytes) -> bytes:
    """Return a private key unchanged if it lies in 1…n-2 (GB/T 32918.1, 6.1).

    Raises:
        KeyRejected: another length or out of range.
    """
    if len(private) != PRIVATE_KEY_BYTES or not 0 < int.from_bytes(private, "big") < N - 1:
        raise KeyRejected("the private key is not a number in the range of SM2.", hint="Use a key made for SM2.")
    return private
