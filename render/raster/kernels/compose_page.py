"""Compose one page: bring the background back, then raise pixels to the index of whatever darker thing lies on them.

All functions take the same arguments in the same order and leave the same bytes in ``page``:

    page: uint8[H, W], C-contiguous; equals the ground but in the rows that are stale.
    ground: uint8[H, W], the background's palette indices.
    cells: uint8[N], coverage cells already turned into palette indices.
    cell_start: int64[S], where the first pixel of each stamp's cell lies in ``cells``.
    cell_pitch: int32[S], pixels in a row of the cell; a multiple of CELL_ALIGN, padded with 0.
    cell_rows: int32[S].
    left, top: int32[S], page pixel of the cell's first pixel; may lie outside the page.
    rect_px: int32[R, 4], left, top, right, bottom, half open; may reach outside the page.
    rect_index: uint8[R].

Those of rows have between ``ground`` and ``cells``:

    stale: uint8[H], on entry 1 for each row that may differ from the ground, on return 1 for each that may now.

Values touch a third of a page's rows, so a buffer that is used again for the same ground needs no more copied.

The palette is sorted from light to dark and 0 is white, so "darker wins" is the larger index: a maximum, which needs
no table, does not depend on the order of stamps, and has 0 as its identity (padding cannot harm).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELL_ALIGN = 16

U1 = NDArray[np.uint8]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

SIGNATURE = (
    "void(uint8[:,::1], Array(uint8, 2, 'C', readonly=True), uint8[::1], Array(uint8, 1, 'C', readonly=True), "
    "Array(int64, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True), "
    "Array(int32, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True), "
    "Array(int32, 2, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True))"
)


def compose_rows_scalar(
    page: U1,
    ground: U1,
    stale: U1,
    cells: U1,
    cell_start: I8,
    cell_pitch: I4,
    cell_rows: I4,
    left: I4,
    top: I4,
    rect_px: I4,
    rect_index: U1,
) -> None:
    """Compose a page pixel by pixel; meant for a compiler (see the module's text for the arguments)."""
    height, width = page.shape
    pixels, below = page.reshape(-1), ground.reshape(-1)
    for y in range(height):
        if stale[y]:
            stale[y] = 0
            start = np.uintp(y * width)
            for x in range(np.uintp(width)):
                pixels[start + x] = below[start + x]
    for stamp in range(cell_start.size):
        x0, y0 = left[stamp], top[stamp]
        pitch, rows = cell_pitch[stamp], cell_rows[stamp]
        first_row, last_row = max(0, -y0), min(rows, height - y0)
        first_column, last_column = max(0, -x0), min(pitch, width - x0)
        if first_row >= last_row or first_column >= last_column:
            continue
        # Unsigned positions spare the compiler Python's meaning of negative indices, so the loop over x vectorises.
        count = np.uintp(last_column - first_column)
        source = np.uintp(cell_start[stamp] + first_row * pitch + first_column)
        target = np.uintp((y0 + first_row) * width + x0 + first_column)
        for y in range(y0 + first_row, y0 + last_row):
            stale[y] = 1
            for x in range(count):
                pixels[target + x] = max(cells[source + x], pixels[target + x])
            source += np.uintp(pitch)
            target += np.uintp(width)
    for rect in range(rect_index.size):
        index = rect_index[rect]
        x_start, x_end = max(0, rect_px[rect, 0]), min(width, rect_px[rect, 2])
        if x_start >= x_end:
            continue
        count = np.uintp(x_end - x_start)
        for y in range(max(0, rect_px[rect, 1]), min(height, rect_px[rect, 3])):
            stale[y] = 1
            target = np.uintp(y * width + x_start)
            for x in range(count):
                pixels[target + x] = max(index, pixels[target + x])


def compose_rows_numpy(
    page: U1,
    ground: U1,
    stale: U1,
    cells: U1,
    cell_start: I8,
    cell_pitch: I4,
    cell_rows: I4,
    left: I4,
    top: I4,
    rect_px: I4,
    rect_index: U1,
) -> None:
    """Compose a page stamp by stamp with array operations (see the module's text for the arguments)."""
    height, width = page.shape
    rows_to_restore = np.flatnonzero(stale)
    page[rows_to_restore] = ground[rows_to_restore]
    stale[:] = 0
    stamps = np.column_stack([cell_start, cell_pitch, cell_rows, left, top]).tolist()
    for start, pitch, rows, x, y in stamps:
        cell = cells[start : start + pitch * rows].reshape(rows, pitch)
        cell = cell[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
        here = page[max(0, y) : max(0, y + rows), max(0, x) : max(0, x + pitch)]
        stale[max(0, y) : max(0, y + rows)] = 1
        np.maximum(here, cell, out=here)
    for (x_start, y_start, x_end, y_end), index in zip(rect_px.tolist(), rect_index.tolist(), strict=True):
        here = page[max(0, y_start) : max(0, y_end), max(0, x_start) : max(0, x_end)]
        stale[max(0, y_start) : max(0, y_end)] = 1
        np.maximum(here, index, out=here)


def compose_page_numpy(page: U1, ground: U1, *stamps: NDArray[np.generic]) -> None:
    """Compose a page whose content is arbitrary."""
    compose_rows_numpy(page, ground, np.ones(len(page), np.uint8), *stamps)  # type: ignore[arg-type]
