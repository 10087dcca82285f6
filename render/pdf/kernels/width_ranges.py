"""How wide the codes of a font are, as the ranges of a /W entry (ISO 32000-1, 9.7.4.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable

U1 = NDArray[np.uint8]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

BYTES_A_CODE = 18
"""At most, of widths below a million."""

_GLYPH_MASK = 0xFFFF
_SPACE = ord(" ")


@jitable
def put_decimal(out: U1, at: int, value: int) -> int:
    """Write a number that is not negative."""
    digits, rest = 1, value
    while rest >= 10:
        rest //= 10
        digits += 1
    for k in range(digits):
        out[at + digits - 1 - k] = 48 + value % 10
        value //= 10
    return at + digits


def width_ranges_scalar(pairs: I8, widths: I4, default: int, out: U1) -> int:
    """Write "first last width " for codes of one width that follow each other, but for those of the default width.

    Args:
        pairs: int64[n], the glyph in the lowest sixteen bits, of code i + 1.
        widths: int32[glyphs of the face], none negative.
        default: the width that need not be said.
        out: uint8[BYTES_A_CODE * n] to fill.

    Returns:
        How many bytes that were.
    """
    at, first = 0, 0
    while first < pairs.size:
        width = widths[pairs[first] & _GLYPH_MASK]
        end = first + 1
        while end < pairs.size and widths[pairs[end] & _GLYPH_MASK] == width:
            end += 1
        if width != default:
            at = put_decimal(out, at, first + 1)
            out[at] = _SPACE
            at = put_decimal(out, at + 1, end)
            out[at] = _SPACE
            at = put_decimal(out, at + 1, width)
            out[at] = _SPACE
            at += 1
        first = end
    return at


width_ranges = compiled(
    width_ranges_scalar,
    "int64(Array(int64, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True), int64, uint8[::1])",
)
