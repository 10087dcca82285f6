"""Which stamps and rectangles touch which tile: the CPU twins of bin_items.cu, and how many pairs there are.

Arguments, see :mod:`render.gpu.signatures`. Here a tile's list is in the order of items; on a device in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.gpu.signatures import TILE_HEIGHT, TILE_WIDTH, Page

I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]
Whole = int | np.signedinteger[Any]

_WIDTH, _HEIGHT, _FIRST_TILE = int(Page.WIDTH), int(Page.HEIGHT), int(Page.FIRST_TILE)
_NONE = (0, 0, 0, 0, 0, 0)


def count_pairs(
    cell_pitch: I4, cell_rows: I4, left: I4, top: I4, rect_px: I4, item_page: I4, page_table: I8
) -> tuple[int, int]:
    """Return how many pairs of item and tile there are, and the most tiles that one item touches."""
    x0 = np.concatenate([left, rect_px[:, 0]]).astype(np.int64)
    y0 = np.concatenate([top, rect_px[:, 1]]).astype(np.int64)
    x1 = np.concatenate([left + cell_pitch.astype(np.int64), rect_px[:, 2]])
    y1 = np.concatenate([top + cell_rows.astype(np.int64), rect_px[:, 3]])
    # Items that are left out take the sizes of some page, and are masked below.
    page = page_table[np.maximum(item_page, 0)]
    x0, y0 = np.maximum(x0, 0), np.maximum(y0, 0)
    x1, y1 = np.minimum(x1, page[:, _WIDTH]), np.minimum(y1, page[:, _HEIGHT])
    is_seen = (item_page >= 0) & (x0 < x1) & (y0 < y1)
    columns = (x1 - 1) // TILE_WIDTH - x0 // TILE_WIDTH + 1
    rows = (y1 - 1) // TILE_HEIGHT - y0 // TILE_HEIGHT + 1
    pairs = np.where(is_seen, columns * rows, 0)
    return int(pairs.sum()), int(pairs.max(initial=0))


@jitable
def tiles_touched(
    item: int,
    cell_pitch: I4,
    cell_rows: I4,
    left: I4,
    top: I4,
    rect_px: I4,
    item_page: I4,
    n_stamps: int,
    page_table: I8,
) -> tuple[Whole, Whole, Whole, Whole, Whole, Whole]:
    """Return first tile and columns of the item's page, then left, top, right and bottom tile, half open."""
    if item_page[item] < 0:
        return _NONE
    if item < n_stamps:
        x0, y0 = np.int64(left[item]), np.int64(top[item])
        x1, y1 = x0 + cell_pitch[item], y0 + cell_rows[item]
    else:
        rect = item - n_stamps
        x0, y0 = np.int64(rect_px[rect, 0]), np.int64(rect_px[rect, 1])
        x1, y1 = np.int64(rect_px[rect, 2]), np.int64(rect_px[rect, 3])
    page = page_table[item_page[item]]
    x0, y0 = max(x0, np.int64(0)), max(y0, np.int64(0))
    x1, y1 = min(x1, page[_WIDTH]), min(y1, page[_HEIGHT])
    if x0 >= x1 or y0 >= y1:
        return _NONE
    return (
        page[_FIRST_TILE],
        (page[_WIDTH] + TILE_WIDTH - 1) // TILE_WIDTH,
        x0 // TILE_WIDTH,
        y0 // TILE_HEIGHT,
        (x1 - 1) // TILE_WIDTH + 1,
        (y1 - 1) // TILE_HEIGHT + 1,
    )


def bin_items_count(
    cell_pitch: I4,
    cell_rows: I4,
    left: I4,
    top: I4,
    rect_px: I4,
    item_page: I4,
    n_stamps: int,
    n_rects: int,
    page_table: I8,
    tile_next: U4,
) -> None:
    """Count the items of each tile."""
    for item in range(n_stamps + n_rects):
        first, columns, x0, y0, x1, y1 = tiles_touched(
            item, cell_pitch, cell_rows, left, top, rect_px, item_page, n_stamps, page_table
        )
        for row in range(y0, y1):
            for column in range(x0, x1):
                tile_next[first + row * columns + column] += np.uint32(1)


def bin_items_scan(tile_next: U4, n_tiles: int, tile_off: U4) -> None:
    """Turn counts into the beginnings of lists."""
    start = np.uint32(0)
    for tile in range(n_tiles):
        count = tile_next[tile]
        tile_off[tile] = tile_next[tile] = start
        start += count
    tile_off[n_tiles] = start


def bin_items_fill(
    cell_pitch: I4,
    cell_rows: I4,
    left: I4,
    top: I4,
    rect_px: I4,
    item_page: I4,
    n_stamps: int,
    n_rects: int,
    page_table: I8,
    tile_next: U4,
    capacity: int,
    tile_items: I4,
) -> None:
    """Write every item into the lists of the tiles that it touches."""
    for item in range(n_stamps + n_rects):
        first, columns, x0, y0, x1, y1 = tiles_touched(
            item, cell_pitch, cell_rows, left, top, rect_px, item_page, n_stamps, page_table
        )
        for row in range(y0, y1):
            for column in range(x0, x1):
                tile = first + row * columns + column
                place = tile_next[tile]
                tile_next[tile] += np.uint32(1)
                if place < capacity:
                    tile_items[place] = item
