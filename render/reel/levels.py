"""Palette entries as levels of one plane: a picture for the eye, and exact colours for whoever has the palette."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.pixels import MAX_PALETTE, PagePixels, luma

U1 = NDArray[np.uint8]


def levels_of(palette: U1) -> U1:
    """Return uint8[n], a level of its own for each palette entry: its luma, or the next above or below that is free.

    A plane of these levels plays as the page in grey, and costs one plane where the colours would cost three.

    Args:
        palette: uint8[n, 3] RGB, n ≤ 256.
    """
    wanted = luma(palette)
    order = np.argsort(wanted, kind="stable")
    # Upwards, each level at least one above its neighbour; then downwards, so that none is beyond 255.
    steps = np.arange(len(order))
    rising = np.maximum.accumulate(wanted[order].astype(np.int64) - steps) + steps
    room = MAX_PALETTE - 1 - steps[::-1]
    levels = np.empty(len(order), np.uint8)
    levels[order] = np.minimum(rising, room)
    return levels


def translate(values: U1, table: U1, out: U1 | None = None) -> U1:
    """Return ``table[values]`` by the compiled tables of page pixels, which keep a grey as it is.

    Args:
        values: uint8[height, width], C-contiguous, each below n.
        table: uint8[n].
        out: uint8[height, width], C-contiguous, to fill and return.

    Raises:
        InputError: a value is outside the table.
    """
    greys = np.repeat(table[:, np.newaxis], 3, axis=1)
    return PagePixels(values, greys, 0).grey(out)


def inverse(levels: U1) -> U1:
    """Return uint8[256], the palette entry of each level; 0 for a level that stands for none."""
    table = np.zeros(MAX_PALETTE, np.uint8)
    table[levels] = np.arange(len(levels), dtype=np.uint8)
    return table


def grey_ramp() -> U1:
    """Return uint8[256, 3], the palette in which an index is its own grey."""
    return np.repeat(np.arange(MAX_PALETTE, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
