"""Puts kept outlines one behind the other, in the forms that font tables have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled

U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]


def gather_scalar(glyph_ids: I8, start: I8, length: I8, data: U1, out: U1, ends: I8) -> int:
    """Copy the data of these glyphs into ``out`` and return how many bytes that were.

    Args:
        glyph_ids: int64[n].
        start: int64[glyphs of the face], where the data of each begins.
        length: int64[glyphs of the face], how long it is.
        data: uint8, of all glyphs that are kept.
        out: uint8, large enough.
        ends: int64[n + 1], receives where each begins, and the end.
    """
    at = 0
    for place in range(glyph_ids.size):
        ends[place] = at
        begin, count = start[glyph_ids[place]], length[glyph_ids[place]]
        out[at : at + count] = data[begin : begin + count]
        at += count
    ends[glyph_ids.size] = at
    return at


def checksum_scalar(table: U1) -> int:
    """Return the sum of a table's big-endian 32-bit words, which wraps (OpenType, "Calculating checksums").

    Args:
        table: uint8[n], n a multiple of 4.
    """
    total = 0
    for at in range(0, table.size, 4):
        high = (int(table[at]) << 24) + (int(table[at + 1]) << 16)
        total += high + (int(table[at + 2]) << 8) + int(table[at + 3])
    return total & 0xFFFFFFFF


_BYTES = "Array(uint8, 1, 'C', readonly=True)"
_NUMBERS = "Array(int64, 1, 'C', readonly=True)"

gather = compiled(gather_scalar, f"int64({_NUMBERS}, {_NUMBERS}, {_NUMBERS}, {_BYTES}, uint8[::1], int64[::1])")
checksum = compiled(checksum_scalar, f"int64({_BYTES})")
