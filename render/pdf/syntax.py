"""PDF objects as bytes (ISO 32000-1 clause 7.3): strings, names, numbers, dates, streams."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

_KEPT_NUMBERS = 4096
_KEPT_DATES = 64
_KEPT_NAMES = 64
_KEPT_TEXTS = 64
_REGULAR = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+*@!$&,:;=?^`|~'\"")


@lru_cache(maxsize=_KEPT_TEXTS)
def text_string(text: str) -> str:
    """Return a text string as UTF-16BE with byte order mark, in hexadecimal: no character can end it early."""
    return f"<FEFF{text.encode('utf-16-be').hex().upper()}>"


@lru_cache(maxsize=_KEPT_NAMES)
def name(text: str) -> str:
    """Return a name object; every byte outside a safe set is written as #xx (ISO 32000-1, 7.3.5)."""
    return "/" + "".join(chr(byte) if byte in _REGULAR else f"#{byte:02X}" for byte in text.encode())


@lru_cache(maxsize=_KEPT_NUMBERS)
def number(value: float, decimals: int = 3) -> str:
    """Return a real number without exponent and without trailing zeros."""
    text = f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def date(moment: datetime) -> str:
    """Return a date string with its time zone (ISO 32000-1, 7.9.4)."""
    # One instant is equal in all time zones, so the zone must be a key of its own.
    return _date(moment, moment.utcoffset())


@lru_cache(maxsize=_KEPT_DATES)
def _date(moment: datetime, offset: timedelta | None) -> str:
    if offset is None:
        raise ValueError("a date in a PDF needs a time zone")
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    day = f"{moment.year:04d}{moment.month:02d}{moment.day:02d}"
    return f"(D:{day}{moment.hour:02d}{moment.minute:02d}{moment.second:02d}{sign}{hours:02d}'{rest:02d}')"


def stream(entries: str, data: bytes) -> bytes:
    """Return a stream object with these dictionary entries; the length is added."""
    # Joined, as formatting would copy the data twice.
    return b"".join((f"<<{entries}/Length {len(data)}>>\nstream\n".encode("ascii"), data, b"\nendstream"))
