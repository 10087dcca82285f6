"""A CID-keyed CFF font (Adobe Technical Note 5176) around kept charstrings, as it is and compressed.

In the result CID = glyph id = place in the request. What stands before the charstrings is written first, then what
stands behind them; the charstrings themselves go from where they are kept into the result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable
from render.deflating.huffman import MAX_BITS, put
from render.deflating.pieces import ZLIB_HEADER, count_in, put_bytes, put_end, put_run

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]
I8 = NDArray[np.int64]

STATE, START, LENGTH, PRIVATE, RUN, RUN_BITS, SUM, WEIGHTED = range(8)
N_KEPT = 8
"""What is kept of a glyph: CUT, PRESSED, or 0 for nothing at all; where its charstring begins and its bytes; which
Private DICT it refers to; and, if it is PRESSED, from RUN on what
:func:`render.deflating.pieces.press_pieces_scalar` says of it."""

CUT, PRESSED = 1, 2

FRONT, TOP, STRINGS, N_FIXED = range(4)
"""Pieces of every font of a face: before the Top DICT, the beginning of that, and behind it."""

GLYPH_MASK = 0xFFFF

_OP_CHARSET, _OP_CHARSTRINGS, _OP_PRIVATE = 15, 17, 18
_OP_ESCAPE, _OP_CID_COUNT, _OP_FD_ARRAY, _OP_FD_SELECT = 12, 34, 36, 37
_NUMBER = 29
# Every number takes five bytes, so the lengths of the DICTs do not depend on the offsets in them.
_TOP_NUMBERS_BYTES, _TOP_HEAD_BYTES, _FONT_BYTES = 33, 5, 11
_CHARSET_BYTES = 5
_RANGES, _RANGE_BYTES = 3, 3
FRAME_BYTES_A_GLYPH = 1 + 4
"""At most, in FDSelect and among the offsets of the charstrings."""


def frame_bytes(n_privates: int, n_fixed: int, private_bytes: int) -> int:
    """Return the most bytes that stand before and behind the charstrings, but for FRAME_BYTES_A_GLYPH of each glyph.

    Args:
        n_privates: Private DICTs of the face.
        n_fixed: bytes of FRONT, TOP and STRINGS.
        private_bytes: of all Private DICTs.
    """
    return n_fixed + private_bytes + (_FONT_BYTES + 4) * n_privates + 96


@jitable
def put_number(out: U1, at: int, value: int, n_bytes: int) -> int:
    """Write a number, the highest byte first, and return where the next one goes."""
    for k in range(n_bytes):
        out[at + k] = value >> 8 * (n_bytes - 1 - k) & 255
    return at + n_bytes


@jitable
def put_operand(out: U1, at: int, value: int, operator: int) -> int:
    """Write a number of a DICT with its operator, which is escaped where it is above 21."""
    out[at] = _NUMBER
    at = put_number(out, at + 1, value, 4)
    if operator > 21:
        out[at] = _OP_ESCAPE
        at += 1
    out[at] = operator
    return at + 1


@jitable
def offset_bytes(end: int) -> int:
    """Return how many bytes the offsets of an INDEX need that ends there."""
    n_bytes = 1
    while end >> 8 * n_bytes:
        n_bytes += 1
    return n_bytes


@jitable
def copy_piece(pieces: U1, ends: I8, piece: int, out: U1, at: int) -> int:
    """Write one of some pieces that lie one behind the other, and return where the next one goes."""
    first = ends[piece - 1] if piece else 0
    for place in range(first, ends[piece]):
        out[at] = pieces[place]
        at += 1
    return at


@jitable
def count_bytes(pairs: I8, kept: I8, state: int) -> tuple[int, int]:
    """Return the bytes and the bits of all charstrings of a font, or -1, 0 where one is not as far as ``state``."""
    if kept[0, STATE] < state:
        return -1, 0
    n_bytes, n_bits = kept[0, LENGTH], kept[0, RUN_BITS]
    for pair in pairs:
        glyph = pair & GLYPH_MASK
        if kept[glyph, STATE] < state:
            return -1, 0
        n_bytes += kept[glyph, LENGTH]
        n_bits += kept[glyph, RUN_BITS]
    return n_bytes, n_bits


@jitable
def number_privates(pairs: I8, kept: I8, order: I8) -> tuple[I8, int, int]:
    """Number the Private DICTs that a font refers to, in an order that does not depend on when each was first seen.

    Returns:
        int64[P] of each DICT its number or -1, how many there are, and how often two neighbouring glyphs differ.
    """
    number_of = np.full(order.size, -1, np.int64)
    number_of[kept[0, PRIVATE]] = 0
    last, changes = kept[0, PRIVATE], 0
    for pair in pairs:
        private = kept[pair & GLYPH_MASK, PRIVATE]
        number_of[private] = 0
        changes += private != last
        last = private
    count = 0
    for private in order:
        if number_of[private] >= 0:
            number_of[private] = count
            count += 1
    return number_of, count, changes


@jitable
def put_selection(out: U1, at: int, pairs: I8, kept: I8, number_of: I8, changes: int) -> int:
    """Write FDSelect, which names each glyph's Private DICT, in the shorter of its two forms (Technical Note, 19)."""
    n_glyphs = pairs.size + 1
    is_by_range = 5 + _RANGE_BYTES * (changes + 1) < 1 + n_glyphs
    out[at] = _RANGES if is_by_range else 0
    at += 1
    if is_by_range:
        at = put_number(out, at, changes + 1, 2)
    last = -1
    for glyph in range(n_glyphs):
        private = kept[pairs[glyph - 1] & GLYPH_MASK if glyph else 0, PRIVATE]
        if is_by_range and private != last:
            at = put_number(out, at, glyph, 2)
        if not is_by_range or private != last:
            out[at] = number_of[private]
            at += 1
        last = private
    return put_number(out, at, n_glyphs, 2) if is_by_range else at


@jitable
def put_frame(
    pairs: I8, kept: I8, n_bytes: int, order: I8, privates: U1, private_ends: I8, fixed: U1, fixed_ends: I8, out: U1
) -> tuple[int, int]:
    """Write what stands before and behind the charstrings of a font; return where each of the two ends."""
    n_glyphs = pairs.size + 1
    number_of, n_privates, changes = number_privates(pairs, kept, order)
    at = copy_piece(fixed, fixed_ends, FRONT, out, 0)
    at_top = at + _TOP_HEAD_BYTES
    top_end = copy_piece(fixed, fixed_ends, TOP, out, at_top)
    at_charset = copy_piece(fixed, fixed_ends, STRINGS, out, top_end + _TOP_NUMBERS_BYTES)
    at_selection = at_charset + (_CHARSET_BYTES if n_glyphs > 1 else 1)
    out[at_charset] = 0
    if n_glyphs > 1:
        out[at_charset] = 2
        put_number(out, put_number(out, at_charset + 1, 1, 2), n_glyphs - 2, 2)
    at_programs = put_selection(out, at_selection, pairs, kept, number_of, changes)
    width = offset_bytes(n_bytes + 1)
    front_end = put_number(out, at_programs, n_glyphs, 2)
    out[front_end] = width
    end = 1
    front_end = put_number(out, front_end + 1, end, width)
    for glyph in range(n_glyphs):
        end += kept[pairs[glyph - 1] & GLYPH_MASK if glyph else 0, LENGTH]
        front_end = put_number(out, front_end, end, width)
    at_fonts = front_end + n_bytes
    # The Top DICT has an INDEX of its own: one entry, offsets of one byte.
    put_number(out, at, 1, 2)
    out[at + 2], out[at + 3], out[at + 4] = 1, 1, 1 + top_end - at_top + _TOP_NUMBERS_BYTES
    at = put_operand(out, top_end, n_glyphs, _OP_CID_COUNT)
    at = put_operand(out, at, at_charset, _OP_CHARSET)
    at = put_operand(out, at, at_programs, _OP_CHARSTRINGS)
    at = put_operand(out, at, at_fonts, _OP_FD_ARRAY)
    put_operand(out, at, at_selection, _OP_FD_SELECT)
    width = offset_bytes(1 + _FONT_BYTES * n_privates)
    at = put_number(out, front_end, n_privates, 2)
    out[at] = width
    at += 1
    for font in range(n_privates + 1):
        at = put_number(out, at, 1 + _FONT_BYTES * font, width)
    data_at = at + _FONT_BYTES * n_privates
    for private in order:
        if number_of[private] >= 0:
            out[at] = _NUMBER
            end = copy_piece(privates, private_ends, private, out, data_at)
            at = put_number(out, at + 1, end - data_at, 4)
            at = put_operand(out, at, data_at + n_bytes, _OP_PRIVATE)
            data_at = end
    return front_end, data_at


def cff_font_scalar(
    pairs: I8,
    scratch: U1,
    out: U1,
    kept: I8,
    data: U1,
    order: I8,
    privates: U1,
    private_ends: I8,
    fixed: U1,
    fixed_ends: I8,
) -> int:
    """Write a font of .notdef and the glyphs of ``pairs``.

    Args:
        pairs: int64[n], the glyph in the low 16 bits.
        scratch: uint8, as long as :func:`frame_bytes` says.
        out: uint8, to fill.
        kept: int64[glyphs of the face, N_KEPT].
        data: uint8, the charstrings.
        order: int64[P], the Private DICTs in the order in which fonts have them.
        privates: uint8, the Private DICTs.
        private_ends: int64[P], where each ends.
        fixed: uint8, FRONT, TOP and STRINGS.
        fixed_ends: int64[N_FIXED], where each ends.

    Returns:
        The bytes of the font. Where ``out`` is shorter nothing was written; -1 if a glyph is not CUT.
    """
    n_bytes, _ = count_bytes(pairs, kept, CUT)
    if n_bytes < 0:
        return -1
    front_end, end = put_frame(pairs, kept, n_bytes, order, privates, private_ends, fixed, fixed_ends, scratch)
    if out.size < end + n_bytes:
        return int(end + n_bytes)
    out[:front_end] = scratch[:front_end]
    at = front_end
    for place in range(pairs.size + 1):
        glyph = pairs[place - 1] & GLYPH_MASK if place else 0
        start, length = kept[glyph, START], kept[glyph, LENGTH]
        out[at : at + length] = data[start : start + length]
        at += length
    out[at : at + end - front_end] = scratch[front_end:end]
    return int(end + n_bytes)


def pressed_cff_font_scalar(
    pairs: I8,
    scratch: U1,
    out: U8,
    kept: I8,
    words: U8,
    order: I8,
    privates: U1,
    private_ends: I8,
    fixed: U1,
    fixed_ends: I8,
    codes: U8,
    header: U8,
    header_bits: int,
) -> int:
    """Write a font of .notdef and the glyphs of ``pairs`` as a zlib stream.

    Args:
        pairs: int64[n], the glyph in the low 16 bits.
        scratch: uint8, as long as :func:`frame_bytes` says.
        out: uint64, to fill.
        kept: int64[glyphs of the face, N_KEPT].
        words: uint64, the charstrings as bits.
        order: int64[P], the Private DICTs in the order in which fonts have them.
        privates: uint8, the Private DICTs.
        private_ends: int64[P], where each ends.
        fixed: uint8, FRONT, TOP and STRINGS.
        fixed_ends: int64[N_FIXED], where each ends.
        codes: uint64[CODES, 2], those of ``words``.
        header: uint64, their block's header.
        header_bits: how long it is.

    Returns:
        The bytes of the stream. Where ``out`` might be too short nothing was written, and more than it holds is
        returned; -1 if a glyph is not PRESSED.
    """
    n_bytes, n_bits = count_bytes(pairs, kept, PRESSED)
    if n_bytes < 0:
        return -1
    front_end, end = put_frame(pairs, kept, n_bytes, order, privates, private_ends, fixed, fixed_ends, scratch)
    most = 16 + (header_bits + n_bits + MAX_BITS * (end + 1)) // 8
    if out.size * 8 < most:
        return int(most)
    state, adler = np.zeros(3, np.uint64), np.zeros(2, np.int64)
    adler[0] = 1
    put(out, state, np.uint64(ZLIB_HEADER), 16)
    put_run(out, state, header, 0, header_bits)
    put_bytes(out, state, adler, codes, scratch, 0, front_end)
    for place in range(pairs.size + 1):
        glyph = pairs[place - 1] & GLYPH_MASK if place else 0
        put_run(out, state, words, kept[glyph, RUN], kept[glyph, RUN_BITS])
        count_in(adler, kept[glyph, LENGTH], kept[glyph, SUM], kept[glyph, WEIGHTED])
    put_bytes(out, state, adler, codes, scratch, front_end, end)
    return put_end(out, state, adler, codes)


_NUMBERS, _TABLE = "Array(int64, 1, 'C', readonly=True)", "Array(int64, 2, 'C', readonly=True)"
_BYTES, _WORDS = "Array(uint8, 1, 'C', readonly=True)", "Array(uint64, 1, 'C', readonly=True)"
_FACE = f"{_NUMBERS}, {_BYTES}, {_NUMBERS}, {_BYTES}, {_NUMBERS}"

cff_font = compiled(cff_font_scalar, f"int64({_NUMBERS}, uint8[::1], uint8[::1], {_TABLE}, {_BYTES}, {_FACE})")
pressed_cff_font = compiled(
    pressed_cff_font_scalar,
    f"int64({_NUMBERS}, uint8[::1], uint64[::1], {_TABLE}, {_WORDS}, {_FACE}, Array(uint64, 2, 'C', readonly=True), "
    f"{_WORDS}, int64)",
)
