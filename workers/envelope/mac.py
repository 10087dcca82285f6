"""HMAC-SM3: HMAC (RFC 2104, GB/T 15852.2 算法2) over SM3 (GB/T 32905)."""

from __future__ import annotations

import hashlib
import hmac
from typing import NoReturn, final

from render.errors import ConfigError, SigningError
from render.sign.sm3 import sm3, sm3_hex

MAC_BYTES = 32
BLOCK_BYTES = 64
LEAST_SECRET_BYTES = 16
MOST_SECRET_BYTES = 64
_HAS_SM3 = "sm3" in hashlib.algorithms_available
_INNER = bytes(0x36 ^ value for value in range(256))
_OUTER = bytes(0x5C ^ value for value in range(256))


@final
class MacSecret:
    """Secret bytes that seal envelopes; printing, formatting and logging them give ``***``.

    Args:
        value: 16 to 64 bytes.

    Raises:
        ConfigError: too short or too long.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if not LEAST_SECRET_BYTES <= len(value) <= MOST_SECRET_BYTES:
            raise ConfigError(
                f"a key of envelopes has {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes, not {len(value)}.",
                hint="Make keys with `kaipiao envelope add`.",
            )
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Return the secret bytes, for computing codes and for its file, and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MacSecret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise SigningError("a key of envelopes is never pickled.", hint="Read it in the process that seals.")


def digest_of(payload: bytes) -> str:
    """Return a payload's digest as envelopes have it: ``sm3:`` and 64 hexadecimal digits."""
    # Python's own OpenSSL takes half as long for so short a text.
    return f"sm3:{hashlib.new('sm3', payload).hexdigest() if _HAS_SM3 else sm3_hex(payload)}"


def hmac_sm3(secret: MacSecret, text: bytes) -> bytes:
    """Return the code of authentication of a text, 32 bytes."""
    if _HAS_SM3:
        return hmac.digest(secret.reveal(), text, "sm3")
    return hmac_from_sm3(secret, text)


def hmac_from_sm3(secret: MacSecret, text: bytes) -> bytes:
    """Return the same code where Python's own OpenSSL lacks SM3: two digests, as RFC 2104 clause 2 composes them."""
    block = secret.reveal().ljust(BLOCK_BYTES, b"\0")
    return sm3(block.translate(_OUTER), sm3(block.translate(_INNER), text))


def fits(secret: MacSecret, text: bytes, code: bytes) -> bool:
    """Tell in constant time whether a code is that of a text."""
    return hmac.compare_digest(hmac_sm3(secret, text), code)
