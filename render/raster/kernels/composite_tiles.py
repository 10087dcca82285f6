"""Compose the tiles of the pages of a batch: the CPU twin of composite_tiles.cu.

Arguments, see :mod:`render.gpu.signatures`; the rule is that of :mod:`render.raster.kernels.compose_page`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.gpu.signatures import TILE_HEIGHT, TILE_WIDTH, Page

U1 = NDArray[np.uint8]
U4 = NDArray[np.uint32]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

_WIDTH, _HEIGHT, _PITCH = int(Page.WIDTH), int(Page.HEIGHT), int(Page.PITCH)
_GROUND_OFF, _PAGE_OFF, _FIRST_TILE = int(Page.GROUND_OFF), int(Page.PAGE_OFF), int(Page.FIRST_TILE)


@jitable
def copy_ground(page: I8, grounds: U1, pages: U1) -> None:
    """Copy a page's ground, and make what is beyond its width 0."""
    for y in range(page[_HEIGHT]):
        source, target = page[_GROUND_OFF] + y * page[_PITCH], page[_PAGE_OFF] + y * page[_PITCH]
        for x in range(page[_PITCH]):
            pages[target + x] = grounds[source + x] if x < page[_WIDTH] else np.uint8(0)


def composite_tiles(
    page_table: I8,
    grounds: U1,
    cells: U1,
    cell_start: I8,
    cell_pitch: I4,
    cell_rows: I4,
    left: I4,
    top: I4,
    rect_px: I4,
    rect_index: U1,
    n_stamps: int,
    tile_off: U4,
    tile_items: I4,
    pages: U1,
) -> None:
    """Compose every tile out of its ground and the items of its list."""
    for number in range(page_table.shape[0]):
        page = page_table[number]
        copy_ground(page, grounds, pages)
        width, height, pitch = page[_WIDTH], page[_HEIGHT], page[_PITCH]
        columns = (width + TILE_WIDTH - 1) // TILE_WIDTH
        for tile in range(columns * ((height + TILE_HEIGHT - 1) // TILE_HEIGHT)):
            tile_x, tile_y = tile % columns * TILE_WIDTH, tile // columns * TILE_HEIGHT
            tile_right, tile_bottom = min(width, tile_x + TILE_WIDTH), min(height, tile_y + TILE_HEIGHT)
            listed = page[_FIRST_TILE] + tile
            for place in range(tile_off[listed], tile_off[listed + 1]):
                item = tile_items[place]
                rect = item - n_stamps
                if rect < 0:
                    x0, y0 = np.int64(left[item]), np.int64(top[item])
                    x1, y1 = x0 + cell_pitch[item], y0 + cell_rows[item]
                else:
                    x0, y0 = np.int64(rect_px[rect, 0]), np.int64(rect_px[rect, 1])
                    x1, y1 = np.int64(rect_px[rect, 2]), np.int64(rect_px[rect, 3])
                for y in range(max(tile_y, y0), min(tile_bottom, y1)):
                    target = page[_PAGE_OFF] + y * pitch
                    for x in range(max(tile_x, x0), min(tile_right, x1)):
                        if rect < 0:
                            index = cells[cell_start[item] + (y - y0) * cell_pitch[item] + x - x0]
                        else:
                            index = rect_index[rect]
                        pages[target + x] = max(pages[target + x], index)
