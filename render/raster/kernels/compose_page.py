"""Compose one page: bring the background back, then raise pixels to the index of whatever darker thing lies on them.

All functions take the same arguments in the same order and leave the same bytes in ``page``:

    page: uint8[H, W], C-contiguous; equals the ground but where it is stale.
    ground: uint8[H, W], the background's palette indices.
    cells: uint8[N], coverage cells already turned into palette indices.
    cell_start: int64[S], where the first pixel of each stamp's cell lies in ``cells``.
    cell_pitch: int32[S], pixels in a row of the cell; a multiple of LANES, padded with 0.
    cell_rows: int32[S].
    left, top: int32[S], page pixel of the cell's first pixel; may lie outside the page.
    rect_px: int32[R, 4], left, top, right, bottom, half open; may reach outside the page.
    rect_index: uint8[R].

Those of rows have between ``ground`` and ``cells``:

    stale: uint64[H], on entry a bit for each span of a row that may differ from the ground, on return for each that
        may now; see :func:`render.pixels.touched_span`.

Values touch a seventh of a page's spans, so a buffer that is used again for the same ground needs no more copied.

The palette is sorted from light to dark and 0 is white, so "darker wins" is the larger index: a maximum, which needs
no table, does not depend on the order of stamps, and has 0 as its identity (padding cannot harm).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.pixels import touched_span
from render.raster.kernels.byte_lanes import BLOCK, LANES, copy_block, lowest_bit, raise_lanes, raise_some

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
Whole = int | np.signedinteger[Any]

SIGNATURE = (
    "void(uint8[:,::1], Array(uint8, 2, 'C', readonly=True), uint64[::1], Array(uint8, 1, 'C', readonly=True), "
    "Array(int64, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True), "
    "Array(int32, 1, 'C', readonly=True), Array(int32, 1, 'C', readonly=True), "
    "Array(int32, 2, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True))"
)


_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_MOST_SPANS = 64


@jitable
def spans(first: Whole, end: Whole, shift: int) -> np.uint64:
    """Return a bit for each span of 2 ** shift columns that any of the columns first … end - 1 lies in."""
    return _ONES << np.uint64(first >> shift) & _ONES >> np.uint64(63 - (end - 1 >> shift))


@jitable
def restore_row(pixels: U1, below: U1, row: int, width: int, shift: int, stale: np.uint64) -> None:
    """Copy the stale spans of a row from the ground; what lies beside them is as there already."""
    while stale:
        span = lowest_bit(stale)
        stale &= stale - np.uint64(1)
        first, end = span << shift, min(width, span + 1 << shift)
        if width < BLOCK:
            for x in range(first, end):
                pixels[row + x] = below[row + x]
            continue
        for x in range(first, end, BLOCK):
            at = row + min(x, width - BLOCK)
            copy_block(pixels, at, below, at)


@jitable
def put_stamp(
    page: U1,
    pixels: U1,
    stale: U8,
    shift: int,
    cells: U1,
    start: Whole,
    pitch: Whole,
    rows: Whole,
    x0: Whole,
    y0: Whole,
) -> None:
    """Raise the pixels under a cell, as far as they are on the page."""
    height, width = page.shape
    first_row, last_row = max(0, -y0), min(rows, height - y0)
    first_column, last_column = max(0, -x0), min(pitch, width - x0)
    if first_row >= last_row or first_column >= last_column:
        return
    count = last_column - first_column
    touched = spans(x0 + first_column, x0 + last_column, shift)
    source = start + first_row * pitch + first_column
    target = (y0 + first_row) * width + x0 + first_column
    for y in range(y0 + first_row, y0 + last_row):
        stale[y] |= touched
        if count == pitch:
            for x in range(0, count, LANES):
                raise_lanes(pixels, target + x, cells, source + x)
        else:
            for x in range(count):
                pixels[target + x] = max(cells[source + x], pixels[target + x])
        source += pitch
        target += width


@jitable
def put_rect(page: U1, pixels: U1, stale: U8, shift: int, rect: I4, index: np.uint8) -> None:
    """Raise the pixels under a rectangle, as far as they are on the page."""
    height, width = page.shape
    first, end = max(0, int(rect[0])), min(width, int(rect[2]))
    if first >= end:
        return
    touched = spans(first, end, shift)
    for y in range(max(0, int(rect[1])), min(height, int(rect[3]))):
        stale[y] |= touched
        last = y * width + end
        for x in range(y * width + first, last, LANES):
            if x + LANES <= pixels.size:
                raise_some(pixels, x, index, last - x)
            else:
                for k in range(x, min(last, x + LANES)):
                    pixels[k] = max(index, pixels[k])


def compose_rows_scalar(
    page: U1,
    ground: U1,
    stale: U8,
    cells: U1,
    cell_start: I8,
    cell_pitch: I4,
    cell_rows: I4,
    left: I4,
    top: I4,
    rect_px: I4,
    rect_index: U1,
) -> None:
    """Compose a page by vectors of pixels; meant for a compiler (see the module's text for the arguments)."""
    height, width = page.shape
    shift = 6
    while width - 1 >> shift >= _MOST_SPANS:
        shift += 1
    pixels, below = page.reshape(-1), ground.reshape(-1)
    for y in range(height):
        if stale[y]:
            restore_row(pixels, below, y * width, width, shift, stale[y])
            stale[y] = 0
    for stamp in range(cell_start.size):
        pitch, rows, x0, y0 = int(cell_pitch[stamp]), int(cell_rows[stamp]), int(left[stamp]), int(top[stamp])
        put_stamp(page, pixels, stale, shift, cells, cell_start[stamp], pitch, rows, x0, y0)
    for rect in range(rect_index.size):
        put_rect(page, pixels, stale, shift, rect_px[rect], rect_index[rect])


def compose_rows_numpy(
    page: U1,
    ground: U1,
    stale: U8,
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
    shift = touched_span(width).bit_length() - 1
    rows_to_restore = np.flatnonzero(stale)
    page[rows_to_restore] = ground[rows_to_restore]
    stale[:] = 0
    stamps = np.column_stack([cell_start, cell_pitch, cell_rows, left, top]).tolist()
    for start, pitch, rows, x, y in stamps:
        cell = cells[start : start + pitch * rows].reshape(rows, pitch)
        cell = cell[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
        here = page[max(0, y) : max(0, y + rows), max(0, x) : max(0, x + pitch)]
        np.maximum(here, cell, out=here)
        if here.size:
            stale[max(0, y) : y + rows] |= spans(max(0, x), min(width, x + pitch), shift)
    for (x_start, y_start, x_end, y_end), index in zip(rect_px.tolist(), rect_index.tolist(), strict=True):
        here = page[max(0, y_start) : max(0, y_end), max(0, x_start) : max(0, x_end)]
        np.maximum(here, index, out=here)
        if here.size:
            stale[max(0, y_start) : y_end] |= spans(max(0, x_start), min(width, x_end), shift)


def compose_page_numpy(page: U1, ground: U1, *stamps: NDArray[np.generic]) -> None:
    """Compose a page whose content is arbitrary."""
    compose_rows_numpy(page, ground, np.full(len(page), _ONES), *stamps)  # type: ignore[arg-type]
