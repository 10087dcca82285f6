"""From the columns of a display list to the compositor's arguments in one pass, where it holds text and boxes alone.

The long way, :mod:`render.raster.placement` and :mod:`render.raster.stamps`, makes the same of any display list by
array operations, each of which costs a page more than what it does.

For keys and tables of them see :mod:`render.raster.keys`.

Both passes take these columns of a display list first, in this order: ``page_item_off``, ``item_kind``,
``item_paint``, ``item_ref``, ``run_font``, ``run_size_um``, ``run_xscale``, ``run_origin_um``, ``run_glyph_off``,
``glyph_id``, ``glyph_x_um``, ``rectset_off``, ``rect_um``. Then :func:`survey_items_scalar` takes

    is_plain: uint8[C], 1 for each paint that "darker wins" expresses.
    n_fonts: as many faces as are known.
    used: uint8[P, C], 0; becomes 1 where a page uses a paint.
    totals: int64[2] to fill: numbers of glyphs and of boxes on all pages.

and :func:`find_stamps_scalar`

    dpi: dots per inch.
    styles: table of keys: face, size and scale to a style.
    keys: table of keys: style, glyph and phase to a row of ``cells``.
    cells: int64[S, 5]: first pixel, pitch, rows, and left and top from the origin.
    kinds: int64[P], which kind each page is of.
    tone_start: int64[K, C], where the cells begin in the tone that a paint has on pages of a kind.
    solid: uint8[K, C], the index of a paint on pages of a kind.
    start: int64[G] to fill: each stamp's first pixel.
    columns: int32[4, G] to fill: pitch, rows, left, top.
    rect_px: int32[Q, 4] to fill.
    rect_index: uint8[Q] to fill.
    off: int64[2, P + 1] to fill: where each page's stamps and boxes begin.
    missing: int64[G] to fill: keys that the tables lack, perhaps some more than once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.display.list import Kind
from render.raster.keys import EMPTY, GLYPH_BITS, PHASE_BITS, PHASES, SCALE_BITS, SIZE_BITS
from render.raster.outline import PX
from render.units import UM_PER_INCH

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
Whole = int | np.signedinteger[Any]

_GLYPHS, _RECTS = int(Kind.GLYPHS), int(Kind.RECTS)
# An em beyond this is left to the long way, whose integers are wide enough for it.
_MAX_SIZE_UM = 1_000_000
_MIX = np.uint64(0x9E3779B97F4A7C15)


@jitable
def row_of_key(table: I8, key: Whole) -> np.uint64:
    """Return the row of a key, or the empty row where it belongs."""
    last = np.uint64(table.shape[0] - 1)
    row = np.uint64(key) * _MIX >> np.uint64(32) & last
    while table[row, 0] != key and table[row, 0] != EMPTY:
        row = (row + np.uint64(1)) & last
    return row


def fill_table_scalar(keys: I8, values: I8, table: I8) -> None:
    """Enter keys, each once, in a table that is empty."""
    for k in range(keys.size):
        row = row_of_key(table, keys[k])
        table[row, 0], table[row, 1] = keys[k], values[k]


@jitable
def scaled(length_um: Whole, dpi: int, parts: int) -> int:
    """Return a length in 1/parts of a pixel, halves up."""
    return int((2 * parts * dpi * np.int64(length_um) + UM_PER_INCH) // (2 * UM_PER_INCH))


def survey_items_scalar(
    page_item_off: U4,
    item_kind: U1,
    item_paint: U2,
    item_ref: U4,
    run_font: U2,
    run_size_um: I4,
    run_xscale: U2,
    run_origin_um: I4,
    run_glyph_off: U4,
    glyph_id: U2,
    glyph_x_um: I4,
    rectset_off: U4,
    rect_um: I4,
    is_plain: U1,
    n_fonts: int,
    used: U1,
    totals: I8,
) -> bool:
    """Tell whether :func:`find_stamps_scalar` can do a list: all is text or boxes, in plain paints, and in range."""
    n_pages, n_paints = used.shape
    n_items = min(item_kind.size, item_paint.size, item_ref.size)
    n_runs = min(run_font.size, run_size_um.size, run_xscale.size, run_origin_um.shape[0], run_glyph_off.size - 1)
    n_glyphs = min(glyph_id.size, glyph_x_um.size)
    totals[:] = 0
    for page in range(n_pages):
        first, last = np.int64(page_item_off[page]), np.int64(page_item_off[page + 1])
        if first > last or last > n_items:
            return False
        for item in range(first, last):
            kind, ref, paint = item_kind[item], np.int64(item_ref[item]), np.int64(item_paint[item])
            if paint >= n_paints or not is_plain[paint]:
                return False
            used[page, paint] = 1
            if kind == _GLYPHS:
                if ref >= n_runs or run_font[ref] >= n_fonts or not 0 <= run_size_um[ref] <= _MAX_SIZE_UM:
                    return False
                start, end, n_there = np.int64(run_glyph_off[ref]), np.int64(run_glyph_off[ref + 1]), n_glyphs
            elif kind == _RECTS and ref < rectset_off.size - 1:
                start, end, n_there = np.int64(rectset_off[ref]), np.int64(rectset_off[ref + 1]), rect_um.shape[0]
            else:
                return False
            if start > end or end > n_there:
                return False
            totals[0 if kind == _GLYPHS else 1] += end - start
    return True


@jitable
def put_rects(rect_um: I4, first: Whole, last: Whole, dpi: int, rect_px: I4, n_rects: Whole) -> None:
    """Append boxes with each edge on the nearest pixel edge, and at least one pixel where there is any area."""
    for rect in range(first, last):
        for axis in range(2):
            low, high = scaled(rect_um[rect, axis], dpi, 1), scaled(rect_um[rect, axis + 2], dpi, 1)
            if high <= low and rect_um[rect, axis + 2] > rect_um[rect, axis]:
                high = low + 1
            rect_px[n_rects, axis], rect_px[n_rects, axis + 2] = low, high
        n_rects += 1


@jitable
def look_of(font: Whole, size_um: Whole, scale: Whole, dpi: int) -> Whole:
    """Return the key of a style."""
    size = np.int64(scaled(size_um, dpi, PX))
    return np.int64(font) << (SIZE_BITS + SCALE_BITS) | size << SCALE_BITS | np.int64(scale)


@jitable
def put_run(
    style: Whole,
    baseline: int,
    glyphs: tuple[U2, I4],
    dpi: int,
    tables: tuple[I8, I8],
    tone_start: Whole,
    out: tuple[I8, I4, I8],
    n_stamps: Whole,
    n_missing: int,
) -> int:
    """Append a run's stamps; return how many keys are missing now.

    Args:
        style: of the run.
        baseline: in pixels.
        glyphs: the run's rows of ``glyph_id`` and ``glyph_x_um``.
        dpi: dots per inch.
        tables: ``keys`` and ``cells``.
        tone_start: where the cells begin in the run's tone.
        out: ``start``, ``columns`` and ``missing``.
        n_stamps: how many there were.
        n_missing: how many were missing.
    """
    glyph_id, glyph_x_um = glyphs
    keys, cells = tables
    start, columns, missing = out
    for glyph in range(glyph_id.size):
        quarters = scaled(glyph_x_um[glyph], dpi, PHASES)
        key = style << (GLYPH_BITS + PHASE_BITS) | np.int64(glyph_id[glyph]) << PHASE_BITS | quarters % PHASES
        row = row_of_key(keys, key)
        if keys[row, 0] == EMPTY:
            missing[n_missing] = key
            n_missing += 1
        else:
            slot = keys[row, 1]
            start[n_stamps] = cells[slot, 0] + tone_start
            columns[0, n_stamps], columns[1, n_stamps] = cells[slot, 1], cells[slot, 2]
            columns[2, n_stamps] = quarters // PHASES + cells[slot, 3]
            columns[3, n_stamps] = baseline + cells[slot, 4]
        n_stamps += 1
    return n_missing


def find_stamps_scalar(
    page_item_off: U4,
    item_kind: U1,
    item_paint: U2,
    item_ref: U4,
    run_font: U2,
    run_size_um: I4,
    run_xscale: U2,
    run_origin_um: I4,
    run_glyph_off: U4,
    glyph_id: U2,
    glyph_x_um: I4,
    rectset_off: U4,
    rect_um: I4,
    dpi: int,
    styles: I8,
    keys: I8,
    cells: I8,
    kinds: I8,
    tone_start: I8,
    solid: U1,
    start: I8,
    columns: I4,
    rect_px: I4,
    rect_index: U1,
    off: I8,
    missing: I8,
) -> int:
    """Fill in the stamps and boxes of a list that was surveyed, page after page.

    Returns:
        0, or how many keys of glyphs are missing, or how many keys of styles, negative. If any is, the rest is void.
    """
    n_stamps: Whole = 0
    n_rects: Whole = 0
    n_missing, n_styles = 0, 0
    off[0, 0] = off[1, 0] = 0
    for page in range(off.shape[1] - 1):
        kind = kinds[page]
        for item in range(page_item_off[page], page_item_off[page + 1]):
            ref, paint = item_ref[item], item_paint[item]
            if item_kind[item] == _RECTS:
                first, last = np.int64(rectset_off[ref]), np.int64(rectset_off[ref + 1])
                put_rects(rect_um, first, last, dpi, rect_px, n_rects)
                rect_index[n_rects : n_rects + last - first] = solid[kind, paint]
                n_rects += last - first
                continue
            first, last = np.int64(run_glyph_off[ref]), np.int64(run_glyph_off[ref + 1])
            if first == last:
                continue
            look = look_of(run_font[ref], run_size_um[ref], run_xscale[ref], dpi)
            row = row_of_key(styles, look)
            if styles[row, 0] == EMPTY:
                missing[n_styles] = look
                n_styles += 1
            elif n_styles == 0:
                baseline, tone = scaled(run_origin_um[ref, 1], dpi, 1), tone_start[kind, paint]
                glyphs, out = (glyph_id[first:last], glyph_x_um[first:last]), (start, columns, missing)
                style = styles[row, 1]
                n_missing = put_run(style, baseline, glyphs, dpi, (keys, cells), tone, out, n_stamps, n_missing)
            n_stamps += last - first
        off[0, page + 1], off[1, page + 1] = n_stamps, n_rects
    return -n_styles if n_styles else n_missing


def _read(kind: str, dimensions: int = 1) -> str:
    return f"Array({kind}, {dimensions}, 'C', readonly=True)"


_LIST = ", ".join(
    (
        *(_read(kind) for kind in ("uint32", "uint8", "uint16", "uint32", "uint16", "int32", "uint16")),
        _read("int32", 2),
        *(_read(kind) for kind in ("uint32", "uint16", "int32", "uint32")),
        _read("int32", 2),
    )
)
FILL_TABLE_SIGNATURE = "void(int64[::1], int64[::1], int64[:,::1])"
SURVEY_ITEMS_SIGNATURE = f"boolean({_LIST}, {_read('uint8')}, int64, uint8[:,::1], int64[::1])"
FIND_STAMPS_SIGNATURE = (
    f"int64({_LIST}, int64, int64[:,::1], int64[:,::1], int64[:,::1], {_read('int64')}, int64[:,::1], "
    f"{_read('uint8', 2)}, int64[::1], int32[:,::1], int32[:,::1], uint8[::1], int64[:,::1], int64[::1])"
)
