"""Content stream operators as bytes: the numbers of a display list, formatted without a Python object for each.

Every function writes into ``out`` (uint8, large enough by the bounds given here) and returns where it ended.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
I4 = NDArray[np.int32]
U4 = NDArray[np.uint32]
I8 = NDArray[np.int64]
B1 = NDArray[np.bool_]
F8 = NDArray[np.float64]
Integer = int | np.integer[Any]

UNITS = 1000
"""Glyph space of a PDF font: this many units in an em."""

RECTANGLE_BYTES = 48
"""At most so many bytes a rectangle, and as many more for a whole set."""

RUN_BYTES = 192
GLYPH_BYTES = 32
"""At most so many bytes a run, and a glyph of it."""

_SPACE, _MINUS, _POINT, _ZERO, _NINE, _HEX_LETTERS = 32, 45, 46, 48, 57, 87
_NEWLINE, _RETURN, _OPEN, _CLOSE, _SLASH, _BACKSLASH, _LETTER_R = 10, 13, 40, 41, 47, 92, 114
_TEN = np.uint64(10)
_PER_MILLE = 1000
_SPACING_PARTS = 100
# Display lists round each position to a micrometre, so the two ends of a run may be off by this without meaning.
_ROUNDING_UM = 1.5
# Adjustments are made in steps of at least this much: a fortieth of a pixel at 300 dpi.
_STEP_UM = 2.0
# A grid finer than this saves nothing.
_SMALLEST_GRID_UM = 8


@jitable
def put_integer(out: U1, at: int, value: Integer) -> int:
    """Write a whole number."""
    if value < 0:
        out[at] = _MINUS
        at += 1
        value = -value
    digits = 1
    # Without sign, divisions by ten are quicker.
    left = np.uint64(value)
    rest = left // _TEN
    while rest:
        digits += 1
        rest //= _TEN
    for place in range(at + digits - 1, at - 1, -1):
        out[place] = _ZERO + int(left % _TEN)
        left //= _TEN
    return at + digits


@jitable
def _put_parts(out: U1, at: int, value: Integer, parts: int) -> int:
    """Write ``value / parts``, parts being 10 or 100, without zeros at the end."""
    if value < 0:
        out[at] = _MINUS
        at += 1
        value = -value
    at = put_integer(out, at, value // parts)
    rest = value % parts
    if rest:
        out[at] = _POINT
        at += 1
        while rest:
            parts //= 10
            out[at] = _ZERO + rest // parts
            at += 1
            rest %= parts
    return at


@jitable
def put_word(out: U1, at: int, word: bytes) -> int:
    """Write these bytes."""
    for place in range(len(word)):
        out[at + place] = word[place]
    return at + len(word)


@jitable
def hex_digit(value: Integer) -> int:
    """Return the digit of the lowest four bits."""
    digit = int(value) & 15
    return _ZERO + digit if digit < 10 else _HEX_LETTERS + digit


@jitable
def _put_byte(out: U1, at: int, byte: int) -> int:
    """Write a byte of a literal string (ISO 32000-1, 7.3.4.2)."""
    if byte in (_OPEN, _CLOSE, _BACKSLASH, _RETURN):
        out[at] = _BACKSLASH
        at += 1
        # A bare carriage return would be read as a line feed.
        byte = _LETTER_R if byte == _RETURN else byte
    out[at] = byte
    return at + 1


@jitable
def _divisor(a: int, b: int) -> int:
    if b == 0 or (a and b % a == 0):
        # Almost always, once the divisor is found: a single division, which is what takes long here.
        return a
    a, b = abs(a), abs(b)
    while b:
        a, b = b, a % b
    return a


def put_rectangles_scalar(rects: I4, page_height_um: int, out: U1) -> int:
    """Write the operators that fill a set of rectangles.

    Rectangles that lie on a grid, as the modules of a QR code do, are written in steps of it: most numbers then have
    one digit or two. One that goes on where the one before ended becomes part of it.

    Args:
        rects: int32[n, 4], left, top, right, bottom, µm; n ≥ 1.
        page_height_um: PDF counts from the bottom of the page.
        out: uint8[RECTANGLE_BYTES × (n + 1)].
    """
    count = rects.shape[0]
    origin_x, origin_y = int(rects[0, 0]), int(rects[0, 3])
    grid = 0
    for index in range(count):
        grid = _divisor(grid, int(rects[index, 0]) - origin_x)
        grid = _divisor(grid, int(rects[index, 2]) - origin_x)
        if index == 0 or rects[index, 1] != rects[index - 1, 1] or rects[index, 3] != rects[index - 1, 3]:
            grid = _divisor(grid, int(rects[index, 1]) - origin_y)
            grid = _divisor(grid, int(rects[index, 3]) - origin_y)
    at = 0
    is_grid = count > 1 and grid >= _SMALLEST_GRID_UM
    if is_grid:
        at = put_word(out, at, b"q ")
        at = put_integer(out, at, grid)
        at = put_word(out, at, b" 0 0 ")
        at = put_integer(out, at, grid)
        out[at] = _SPACE
        at = put_integer(out, at + 1, origin_x)
        out[at] = _SPACE
        at = put_integer(out, at + 1, page_height_um - origin_y)
        at = put_word(out, at, b" cm ")
    else:
        grid, origin_x, origin_y = 1, 0, page_height_um
    index = 0
    while index < count:
        left, top = int(rects[index, 0]), int(rects[index, 1])
        right, bottom = int(rects[index, 2]), int(rects[index, 3])
        index += 1
        while index < count and rects[index, 0] == right and rects[index, 1] == top and rects[index, 3] == bottom:
            right = int(rects[index, 2])
            index += 1
        at = put_integer(out, at, (left - origin_x) // grid)
        out[at] = _SPACE
        at = put_integer(out, at + 1, (origin_y - bottom) // grid)
        out[at] = _SPACE
        at = put_integer(out, at + 1, (right - left) // grid)
        out[at] = _SPACE
        at = put_integer(out, at + 1, (bottom - top) // grid)
        at = put_word(out, at, b" re ")
    return put_word(out, at, b"f Q" if is_grid else b"f")


@jitable
def _place_glyphs(x_um: I4, advance: I4, glyph_id: U2, em_um: float, xscale: int, gap: F8, adjust: I8) -> int:
    """Find the adjustment before each glyph of a run and return the character spacing (Tc), 1/100 of a text unit.

    Adjustments (TJ) are in 1/UNITS em; ``gap`` is room for as many numbers as there are glyphs.
    """
    count = x_um.size
    unit_um = em_um / UNITS
    # How much further right than the stated widths would put it each glyph stands.
    pen = 0.0
    for glyph in range(count):
        gap[glyph] = x_um[glyph] - pen
        pen += advance[glyph_id[glyph]] * unit_um
    start = gap[0]
    total = gap[count - 1] - start
    mean = total / (count - 1) if count > 1 and abs(total) > _ROUNDING_UM else 0.0
    spacing = int(np.rint(mean * (_PER_MILLE * _SPACING_PARTS) / xscale))
    per_glyph = spacing * xscale / (_PER_MILLE * _SPACING_PARTS)
    step = max(np.ceil(_STEP_UM * UNITS / em_um), 1.0)
    before = 0
    for glyph in range(count):
        shift = int(np.rint((gap[glyph] - start - glyph * per_glyph) / (unit_um * step)) * step)
        adjust[glyph] = before - shift
        before = shift
    return spacing


def put_texts_scalar(
    runs: I8,
    page: I8,
    page_height_um: I8,
    run_font: U2,
    run_size_um: I4,
    run_xscale: U2,
    run_origin_um: I4,
    run_glyph_off: U4,
    glyph_id: U2,
    glyph_x_um: I4,
    widths: I4,
    codes: U2,
    mark_begins: I8,
    mark_ends: B1,
    prefix: int,
    gap: F8,
    adjust: I8,
    out: U1,
    ends: I8,
) -> int:
    """Write the text object of each run and a line feed after it, within marked content where that is asked for.

    Font, scale and spacing are set only where they differ from the run before on the same page. User space is
    micrometres with y up: positions, sizes and spacing are the integers of the display list, so nothing is rounded but
    the adjustments of glyphs, and those never add up.

    Args:
        runs: int64[R], runs of the display list in paint order.
        page: int64[R], the page of each, ascending.
        page_height_um: int64[P].
        run_font: uint16, as in the display list, like the six that follow.
        run_size_um: int32.
        run_xscale: uint16.
        run_origin_um: int32[..., 2].
        run_glyph_off: uint32.
        glyph_id: uint16.
        glyph_x_um: int32.
        widths: int32[n_faces, max_glyphs], the widths that fonts state, in 1/UNITS em.
        codes: uint16[G], the code of each glyph of ``runs``, one run after another.
        mark_begins: int64[R], the number of the marked content that begins with the run; below 0 = none.
        mark_ends: bool[R], whether marked content ends with the run.
        prefix: the first character of the resource names of fonts.
        gap: float64[longest run], overwritten.
        adjust: int64[longest run], overwritten.
        out: uint8[RUN_BYTES × R + GLYPH_BYTES × G].
        ends: int64[R + 1], receives where each run begins in ``out``, and the end.
    """
    at = code = 0
    last_page = last_face = last_size = last_scale = last_spacing = -1
    for place in range(runs.size):
        ends[place] = at
        run = runs[place]
        face, size, xscale = int(run_font[run]), int(run_size_um[run]), int(run_xscale[run])
        first, last = int(run_glyph_off[run]), int(run_glyph_off[run + 1])
        em_um = size * xscale / _PER_MILLE
        spacing = 0
        if last > first:
            spacing = _place_glyphs(
                glyph_x_um[first:last], widths[face], glyph_id[first:last], em_um, xscale, gap, adjust
            )
        is_new_page = page[place] != last_page
        last_page = int(page[place])
        if mark_begins[place] >= 0:
            at = put_word(out, at, b"/P<</MCID ")
            at = put_integer(out, at, mark_begins[place])
            at = put_word(out, at, b">>BDC\n")
        at = put_word(out, at, b"BT")
        if is_new_page or face != last_face or size != last_size:
            last_face, last_size = face, size
            out[at] = _SLASH
            out[at + 1] = prefix
            at = put_integer(out, at + 2, face)
            out[at] = _SPACE
            at = put_integer(out, at + 1, size)
            at = put_word(out, at, b" Tf")
        if is_new_page or xscale != last_scale:
            last_scale = xscale
            out[at] = _SPACE
            at = _put_parts(out, at + 1, xscale, _PER_MILLE // 100)
            at = put_word(out, at, b" Tz")
        if is_new_page or spacing != last_spacing:
            last_spacing = spacing
            out[at] = _SPACE
            at = _put_parts(out, at + 1, spacing, _SPACING_PARTS)
            at = put_word(out, at, b" Tc")
        out[at] = _SPACE
        at = put_integer(out, at + 1, int(run_origin_um[run, 0]))
        out[at] = _SPACE
        at = put_integer(out, at + 1, page_height_um[last_page] - run_origin_um[run, 1])
        at = put_word(out, at, b" Td")
        is_adjusted = False
        for glyph in range(last - first):
            is_adjusted |= adjust[glyph] != 0
        at = put_word(out, at, b"[(" if is_adjusted else b"(")
        for glyph in range(last - first):
            if adjust[glyph]:
                out[at] = _CLOSE
                at = put_integer(out, at + 1, adjust[glyph])
                out[at] = _OPEN
                at += 1
            at = _put_byte(out, at, int(codes[code]) >> 8)
            at = _put_byte(out, at, int(codes[code]) & 255)
            code += 1
        at = put_word(out, at, b")]TJ ET" if is_adjusted else b")Tj ET")
        out[at] = _NEWLINE
        at += 1
        if mark_ends[place]:
            at = put_word(out, at, b"EMC\n")
    ends[runs.size] = at
    return at


_RECTANGLES_SIGNATURE = "int64(Array(int32, 2, 'C', readonly=True), int64, uint8[::1])"
_COLUMNS = ", ".join(
    f"Array({kind}, {dimensions}, 'C', readonly=True)"
    for kind, dimensions in (
        ("int64", 1),
        ("int64", 1),
        ("int64", 1),
        ("uint16", 1),
        ("int32", 1),
        ("uint16", 1),
        ("int32", 2),
        ("uint32", 1),
        ("uint16", 1),
        ("int32", 1),
        ("int32", 2),
        ("uint16", 1),
        ("int64", 1),
        ("bool", 1),
    )
)
_TEXTS_SIGNATURE = f"int64({_COLUMNS}, int64, float64[::1], int64[::1], uint8[::1], int64[::1])"

put_rectangles = compiled(put_rectangles_scalar, _RECTANGLES_SIGNATURE)
put_texts = compiled(put_texts_scalar, _TEXTS_SIGNATURE)
