"""Chooses the mask of a QR symbol by the standard's penalties, and turns modules into rectangles.

A lane is one row or column of a symbol as a number: bit i is its module i, 1 = dark. A symbol has 66 lanes, the 33 rows
and then the 33 columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, inlined, jitable

U1 = NDArray[np.uint8]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
U8 = NDArray[np.uint64]

_BYTE_MODE = 0x4
# A lane has a bit more than a symbol has columns, since a run may end with the last one.
_MOST_COLUMNS = 63
_FIRST_PADDING, _SECOND_PADDING = 0xEC, 0x11
_ODD_BITS, _ODD_PAIRS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
_ODD_HALF_BYTES, _LOW_BYTE = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(255)
_0 = np.uint64(0)
_1, _2, _3, _4, _5, _6, _7, _8 = (np.uint64(number) for number in range(1, 9))
_16, _32, _40 = np.uint64(16), np.uint64(32), np.uint64(40)


@inlined
def _count(lane: np.uint64) -> np.uint64:
    """Return how many of a lane's bits are set: sums of neighbouring bits, then of pairs of them, and so on."""
    lane = lane - ((lane >> _1) & _ODD_BITS)
    lane = (lane & _ODD_PAIRS) + ((lane >> _2) & _ODD_PAIRS)
    lane = (lane + (lane >> _4)) & _ODD_HALF_BYTES
    lane = lane + (lane >> _8)
    lane = lane + (lane >> _16)
    return (lane + (lane >> _32)) & _LOW_BYTE


@inlined
def _weigh_line(lane: np.uint64, pairs: np.uint64, lane_bits: np.uint64) -> np.uint64:
    """Return the penalty of the runs in a lane, and of what looks like a finder pattern in it."""
    same = ~(lane ^ (lane >> _1)) & pairs
    five = same & (same >> _1)
    five = five & (five >> _2)
    # Dark, light, three dark, light, dark; then four light modules, or the edge, before or after.
    finders = lane & (lane >> _2) & (lane >> _3) & (lane >> _4) & (lane >> _6) & ~((lane >> _1) | (lane >> _5))
    two_before = (lane << _1) | (lane << _2)
    two_after = (lane >> _7) | (lane >> _8)
    dark_around = (two_before | (two_before << _2)) & (two_after | (two_after >> _2))
    # A run of 5 + k modules has k + 1 windows of five and costs 3 + k.
    runs = _count(five) + _2 * _count(five & ~(five << _1) & lane_bits)
    return runs + _40 * _count(finders & ~dark_around)


def penalties_scalar(symbol: U8, patterns: U8, totals: U8) -> None:
    """Fill in the penalty of one symbol under each of some masks (ISO/IEC 18004:2015, 7.8.3.1).

    All masks are weighed side by side, lane by lane, which a compiler turns into operations on several at once: a third
    of the time. Lanes are without sign for the same reason.

    Args:
        symbol: uint64[2 · size], size ≤ 33, before any mask.
        patterns: uint64[2 · size, n], what each mask inverts.
        totals: uint64[n] to fill.
    """
    size, n_masks = symbol.size // 2, patterns.shape[1]
    pairs, lane_bits = (_1 << np.uint64(size - 1)) - _1, (_1 << np.uint64(size)) - _1
    dark = np.zeros(n_masks, np.uint64)
    before, before_same = np.zeros(n_masks, np.uint64), np.zeros(n_masks, np.uint64)
    for mask in range(n_masks):
        totals[mask] = 0
    for row in range(size):
        for mask in range(n_masks):
            lane = symbol[row] ^ patterns[row, mask]
            same = ~(lane ^ (lane >> _1)) & pairs
            dark[mask] += _count(lane)
            # Two by two modules alike, told from rows alone: columns hold the same squares. Nothing is above the first.
            squares = _3 * _count(before_same[mask] & same & ~(lane ^ before[mask]) & lane_bits)
            totals[mask] += _weigh_line(lane, pairs, lane_bits) + squares
            before[mask], before_same[mask] = lane, same
    for column in range(size, 2 * size):
        for mask in range(n_masks):
            totals[mask] += _weigh_line(symbol[column] ^ patterns[column, mask], pairs, lane_bits)
    for mask in range(n_masks):
        totals[mask] += np.uint64(10 * (abs(int(dark[mask]) * 100 - size * size * 50) // (size * size * 5)))


_LANES = "Array(uint64, 1, 'C', readonly=True)"
_PATTERNS = "Array(uint64, 2, 'C', readonly=True)"

penalties = compiled(penalties_scalar, f"void({_LANES}, {_PATTERNS}, uint64[::1])")


@jitable
def half_bytes(data: U1, begin: int, end: int, halves: I8) -> None:
    """Write the halves of the data codewords, each its high half first: mode, length, data, terminator, padding."""
    n_bytes = end - begin
    halves[0], halves[1], halves[2] = _BYTE_MODE, n_bytes >> 4, n_bytes & 15
    for place in range(n_bytes):
        byte = int(data[begin + place])
        halves[3 + 2 * place], halves[4 + 2 * place] = byte >> 4, byte & 15
    halves[3 + 2 * n_bytes] = 0
    for place in range(4 + 2 * n_bytes, halves.size):
        is_second = (place - 2 * n_bytes) & 2
        is_low = place & 1
        padding = _SECOND_PADDING if is_second else _FIRST_PADDING
        halves[place] = padding & 15 if is_low else padding >> 4


def encode_scalar(
    data: U1,
    ends: I8,
    contributions: U8,
    patterns: U8,
    left: int,
    top: int,
    module: int,
    rects: I4,
    rect_ends: I8,
) -> None:
    """Write symbols, each under its best mask, as rectangles.

    Args:
        data: uint8[…], the bytes of all symbols, one behind the other; none has more than a symbol holds.
        ends: int64[n], where those of each end.
        contributions: uint64[half bytes, 16, 2 · size], the lanes that each value of each half byte inverts.
        patterns: uint64[2 · size, 8], what each mask inverts, and the function patterns.
        left: of every symbol; ``top``: likewise; µm.
        top: of every symbol, µm.
        module: the side of a module, µm.
        rects: int32[n · size · (size + 1) / 2, 4], receives left, top, right, bottom.
        rect_ends: int64[n], receives where the rectangles of each symbol end.
    """
    halves = np.empty(contributions.shape[0], np.int64)
    symbol, totals = np.empty(patterns.shape[0], np.uint64), np.empty(patterns.shape[1], np.uint64)
    rows = np.empty(symbol.size // 2, np.uint64)
    begin = count = 0
    for index in range(ends.size):
        half_bytes(data, begin, ends[index], halves)
        begin = int(ends[index])
        symbol[:] = 0
        for place in range(halves.size):
            contribution = contributions[place, halves[place]]
            for lane in range(symbol.size):
                symbol[lane] ^= contribution[lane]
        penalties(symbol, patterns, totals)
        mask = totals.argmin()
        for row in range(rows.size):
            rows[row] = symbol[row] ^ patterns[row, mask]
        count += lane_rectangles(rows, left, top, module, rects[count:])
        rect_ends[index] = count


@jitable
def add_run(rects: I4, count: int, last: I8, row: int, start: int, stop: int, left: int, top: int, module: int) -> int:
    """Write a run of dark modules, or let the same run in the row above reach down to it; return how many there are.

    Args:
        rects: as for :func:`rectangles_scalar`, with ``count`` of them written.
        count: see there.
        last: int64, of each column the last rectangle that begins there, or -1.
        row: of the run, as ``start`` and ``stop``, its columns, in modules.
        start: likewise.
        stop: likewise.
        left: of the symbol, as ``top``, µm.
        top: likewise.
        module: the side of a module, µm.
    """
    above, right, bottom = last[start], left + stop * module, top + (row + 1) * module
    if above >= 0 and rects[above, 2] == right and rects[above, 3] == bottom - module:
        rects[above, 3] = bottom
        return count
    rects[count, 0], rects[count, 1] = left + start * module, top + row * module
    rects[count, 2], rects[count, 3] = right, bottom
    last[start] = count
    return count + 1


@jitable
def lane_rectangles(lanes: U8, left: int, top: int, module: int, rects: I4) -> int:
    """Do what :func:`rectangles_scalar` does for the rows of a symbol, each a lane.

    A step a run instead of one a module, whose colour no processor can foretell.
    """
    count = 0
    last = np.full(_MOST_COLUMNS, -1, np.int64)
    for row in range(lanes.size):
        lane = lanes[row]
        begins, ends = lane & ~(lane << _1), ~lane & (lane << _1)
        while begins != _0:
            # The bits below the lowest that is set are as many as its place.
            start, stop = int(_count((begins - _1) & ~begins)), int(_count((ends - _1) & ~ends))
            begins, ends = begins & (begins - _1), ends & (ends - _1)
            count = add_run(rects, count, last, row, start, stop, left, top, module)
    return count


def rectangles_scalar(modules: U1, left: int, top: int, module: int, rects: I4) -> int:
    """Write a rectangle for each run of dark modules in a row, or in as many rows as have the same; return how many.

    Args:
        modules: uint8[n, n], 1 where dark.
        left: of the symbol; ``top``: likewise; µm.
        top: of the symbol, µm.
        module: the side of a module, µm.
        rects: int32[n · (n + 1) / 2, 4] at least, receives left, top, right, bottom.
    """
    count = 0
    last = np.full(modules.shape[1], -1, np.int64)
    for row in range(modules.shape[0]):
        start = -1
        for column in range(modules.shape[1] + 1):
            is_dark = column < modules.shape[1] and modules[row, column] != 0
            if is_dark and start < 0:
                start = column
            elif not is_dark and start >= 0:
                count = add_run(rects, count, last, row, start, column, left, top, module)
                start = -1
    return count


rectangles = compiled(
    rectangles_scalar, "int64(Array(uint8, 2, 'C', readonly=True), int64, int64, int64, int32[:,::1])"
)
encode = compiled(
    encode_scalar,
    "void(Array(uint8, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), "
    "Array(uint64, 3, 'C', readonly=True), Array(uint64, 2, 'C', readonly=True), int64, int64, int64, "
    "int32[:,::1], int64[::1])",
)
