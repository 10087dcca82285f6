"""Unified social credit codes (统一社会信用代码), GB/T 32100-2015: 18 characters, the last checks the others."""

from __future__ import annotations

import re
from operator import mul
from typing import Final

from render.model.text import quote

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 permitted characters: no I, O, S, V, Z (GB/T 32100-2015, 4)."""

LENGTH: Final = 18
_BODY_LENGTH = LENGTH - 1
_VALUES = bytes.maketrans(ALPHABET.encode(), bytes(range(len(ALPHABET))))
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
SHAPE: Final = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_BODY = re.compile(f"[{ALPHABET}]{{{_BODY_LENGTH}}}")


def check_digit(first17: str) -> str:
    """Return the 18th character for the first 17.

    Source: GB/T 32100-2015, annex A: 31 less the weighted sum modulo 31.

    Raises:
        ValueError: not 17 characters of the alphabet.
    """
    if not _BODY.fullmatch(first17):
        raise ValueError(f"a code begins with {_BODY_LENGTH} characters of GB/T 32100, not {quote(first17)}")
    return ALPHABET[-sum(map(mul, first17.encode().translate(_VALUES), _WEIGHTS)) % len(ALPHABET)]


def with_check_digit(first17: str) -> str:
    """Return a whole code: the first 17 characters and the one that checks them.

    Raises:
        ValueError: not 17 characters of the alphabet.
    """
    return first17 + check_digit(first17)


def has_shape(code: str) -> bool:
    """Tell whether a text is 18 characters of the alphabet, whatever the last says."""
    return SHAPE.fullmatch(code) is not None


def is_valid(code: str) -> bool:
    """Tell whether a text is a unified social credit code with a right check character."""
    return has_shape(code) and check_digit(code[:_BODY_LENGTH]) == code[_BODY_LENGTH]
