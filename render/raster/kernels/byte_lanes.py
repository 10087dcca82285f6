"""Operations on 16 or 64 bytes at once that a compiler does not find in loops as short as those of glyphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]

Whole = int | np.signedinteger[Any]

LANES, BLOCK = 16, 64


def raise_lanes(pixels: U1, at: Whole, cells: U1, start: Whole) -> None:
    """Make each of 16 pixels the larger of itself and its byte of ``cells``."""
    here = pixels[at : at + LANES]
    np.maximum(here, cells[start : start + LANES], out=here)


def raise_some(pixels: U1, at: Whole, index: np.uint8, count: Whole) -> None:
    """Make each of the first ``count`` of 16 pixels the larger of itself and an index; all 16 must be there."""
    here = pixels[at : at + min(count, LANES)]
    np.maximum(here, index, out=here)


def copy_block(pixels: U1, at: Whole, ground: U1, start: Whole) -> None:
    """Copy 64 bytes."""
    pixels[at : at + BLOCK] = ground[start : start + BLOCK]


def lowest_bit(word: np.uint64) -> int:
    """Return the place of the lowest bit of a word that is not zero."""
    number = int(word)
    return (number & -number).bit_length() - 1


try:
    from render.raster.kernels.lane_vectors import teach
except ImportError:
    # Without Numba there is nobody to teach.
    pass
else:
    teach(raise_lanes, raise_some, copy_block, lowest_bit)
