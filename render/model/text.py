"""Characters that no field may hold: they print nothing, change the order of others, or have no agreed shape."""

from __future__ import annotations

import re
from typing import Final

FORBIDDEN_RANGES: Final = (
    (0x0000, 0x001F, "control character"),
    (0x007F, 0x009F, "control character"),
    (0x00AD, 0x00AD, "invisible format character"),
    (0x0600, 0x0605, "invisible format character"),
    (0x061C, 0x061C, "bidirectional control"),
    (0x06DD, 0x06DD, "invisible format character"),
    (0x070F, 0x070F, "invisible format character"),
    (0x0890, 0x0891, "invisible format character"),
    (0x08E2, 0x08E2, "invisible format character"),
    (0x180E, 0x180E, "invisible format character"),
    (0x200B, 0x200D, "invisible format character"),
    (0x200E, 0x200F, "bidirectional control"),
    (0x2028, 0x2029, "line separator"),
    (0x202A, 0x202E, "bidirectional control"),
    (0x2060, 0x2065, "invisible format character"),
    (0x2066, 0x2069, "bidirectional control"),
    (0x206A, 0x206F, "invisible format character"),
    (0xD800, 0xDFFF, "surrogate"),
    (0xE000, 0xF8FF, "private use character"),
    (0xFDD0, 0xFDEF, "noncharacter"),
    (0xFEFF, 0xFEFF, "invisible format character"),
    (0xFFF9, 0xFFFB, "invisible format character"),
    (0xFFFC, 0xFFFD, "replacement character"),
    (0xFFFE, 0xFFFF, "noncharacter"),
    (0x110BD, 0x110BD, "invisible format character"),
    (0x110CD, 0x110CD, "invisible format character"),
    (0x13430, 0x1343F, "invisible format character"),
    (0x1BCA0, 0x1BCA3, "invisible format character"),
    (0x1D173, 0x1D17A, "invisible format character"),
    *((plane << 16 | 0xFFFE, plane << 16 | 0xFFFF, "noncharacter") for plane in range(1, 15)),
    (0xE0000, 0xE007F, "invisible format character"),
    (0xF0000, 0x10FFFF, "private use character"),
)
"""Inclusive ranges of code points, with what they are called in messages."""

LINE_END: Final = "\n"
"""A control character that a remark (备注), and no other field, may hold between its lines."""

_FORBIDDEN = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last, _ in FORBIDDEN_RANGES) + "]")
_REPLACEMENTS = ("\ufffc", "\ufffd")


def is_forbidden(char: str) -> bool:
    """Tell whether a character may not stand in any text field."""
    return _FORBIDDEN.match(char) is not None


def find_forbidden(text: str) -> int:
    """Return the position of the first forbidden character, or -1."""
    found = _FORBIDDEN.search(text)
    return found.start() if found else -1


def is_clean(text: str) -> bool:
    """Tell quickly whether a text is surely without forbidden characters; False means look closer.

    Every forbidden character but two counts as not printable; some permitted ones (U+3000) do too.
    """
    return text.isprintable() and not any(char in text for char in _REPLACEMENTS)


def describe(char: str) -> str:
    """Return what a forbidden character is, for messages: ``U+202E, a bidirectional control``."""
    code = ord(char)
    kind = next((kind for first, last, kind in FORBIDDEN_RANGES if first <= code <= last), "character")
    return f"U+{code:04X}, {'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def quote(value: str, limit: int = 40) -> str:
    """Return a value for a message: shortened, quoted, with everything invisible escaped."""
    return repr(value if len(value) <= limit else value[:limit] + "…")
