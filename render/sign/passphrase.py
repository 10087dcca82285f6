"""A passphrase that does not show itself."""

from __future__ import annotations

import hmac
from typing import NoReturn, final

from render.errors import KeyRejected, SigningError

MAX_PASSPHRASE_BYTES = 1024


@final
class Passphrase:
    """Secret bytes that open a key; printing, formatting and logging it give ``***``.

    Args:
        value: 1 to 1024 bytes, or text that is taken as UTF-8.

    Raises:
        KeyRejected: empty or too long.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        octets = value.encode() if isinstance(value, str) else bytes(value)
        if not 1 <= len(octets) <= MAX_PASSPHRASE_BYTES:
            raise KeyRejected(f"a passphrase has 1 to {MAX_PASSPHRASE_BYTES} bytes, not {len(octets)}.")
        self._value = octets

    def reveal(self) -> bytes:
        """Return the secret bytes, for key derivation and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Passphrase) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise SigningError("a passphrase is never pickled.", hint="Read it in the process that signs.")
