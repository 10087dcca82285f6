"""Brings RGB of one page to that of another where they may differ, a few words at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.encode.kernels.byte_masks import lowest_bit

U8 = NDArray[np.uint64]

WORD = 8
"""Pixels of a word of indices, of which three words of RGB come."""

_BYTE = np.uint64(255)


@jitable
def expand(word: np.uint64, table: U8, out: U8, place: np.uintp) -> None:
    """Write eight pixels as three words from a place on."""
    a, b = table[word & _BYTE], table[word >> np.uint64(8) & _BYTE]
    c, d = table[word >> np.uint64(16) & _BYTE], table[word >> np.uint64(24) & _BYTE]
    e, f = table[word >> np.uint64(32) & _BYTE], table[word >> np.uint64(40) & _BYTE]
    g, h = table[word >> np.uint64(48) & _BYTE], table[word >> np.uint64(56)]
    out[place] = a | b << np.uint64(24) | c << np.uint64(48)
    out[place + np.uintp(1)] = c >> np.uint64(16) | d << np.uint64(8) | e << np.uint64(32) | f << np.uint64(56)
    out[place + np.uintp(2)] = f >> np.uint64(8) | g << np.uint64(16) | h << np.uint64(40)


def mend_rgb(words: U8, width: int, span: int, differs: U8, table: U8, out: U8) -> None:
    """Write the pixels of all spans that may differ, on a little-endian machine.

    Args:
        words: uint64[n], eight palette indices each, rows one after another; what is left over is not written.
        width: pixels in a row.
        span: columns that a bit of ``differs`` stands for.
        differs: uint64[height].
        table: uint64[256], R | G << 8 | B << 16 of each palette entry.
        out: uint64[3 n].
    """
    paper = table[0]
    first_of_paper = paper | paper << np.uint64(24) | paper << np.uint64(48)
    second = paper >> np.uint64(16) | paper << np.uint64(8) | paper << np.uint64(32) | paper << np.uint64(56)
    third = paper >> np.uint64(8) | paper << np.uint64(16) | paper << np.uint64(40)
    for y in range(differs.size):
        left = differs[y]
        while left:
            column = lowest_bit(left) * span
            left &= left - np.uint64(1)
            # Rounded outwards to whole words: what lies there is written as it is.
            first = (y * width + min(column, width)) // WORD
            end = min(words.size, (y * width + min(column + span, width) + WORD - 1) // WORD)
            place = np.uintp(3 * first)
            for k in range(np.uintp(first), np.uintp(max(first, end))):
                word = words[k]
                if word:
                    expand(word, table, out, place)
                else:
                    out[place] = first_of_paper
                    out[place + np.uintp(1)] = second
                    out[place + np.uintp(2)] = third
                place += np.uintp(3)


_READ = "Array(uint64, 1, 'C', readonly=True)"
SIGNATURE = f"void({_READ}, int64, int64, {_READ}, {_READ}, uint64[::1])"
