"""Chooses the mask of a QR symbol by the standard's penalties, and turns modules into rectangles.

A lane is one row or column of a symbol as a number: bit i is its module i, 1 = dark. A symbol has 66 lanes, the 33 rows
and then the 33 columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable

U1 = NDArray[np.uint8]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

COUNT_BITS = 11
"""A lane is counted in three parts of so many bits."""

_PART = (1 << COUNT_BITS) - 1
_BYTE_MODE = 0x4
_FIRST_PADDING, _SECOND_PADDING = 0xEC, 0x11


@jitable
def _count(lane: int, ones: U1) -> int:
    """Return how many of a lane's bits are set."""
    return int(ones[lane & _PART]) + int(ones[(lane >> COUNT_BITS) & _PART]) + int(ones[lane >> (2 * COUNT_BITS)])


def penalty_scalar(lanes: I8, size: int, ones: U1) -> int:
    """Return the penalty of one symbol (ISO/IEC 18004:2015, 7.8.3.1).

    Args:
        lanes: int64[2 · size].
        size: modules in a row, at most 33.
        ones: uint8[2¹¹], how many bits of each number are set.
    """
    pairs, lane_bits = (1 << (size - 1)) - 1, (1 << size) - 1
    total = dark = before = before_same = 0
    for index in range(2 * size):
        lane = int(lanes[index])
        same = ~(lane ^ (lane >> 1)) & pairs
        five = same & (same >> 1)
        five = five & (five >> 2)
        # A run of 5 + k modules has k + 1 windows of five and costs 3 + k.
        total += _count(five, ones) + 2 * _count(five & ~(five << 1) & lane_bits, ones)
        if index < size:
            dark += _count(lane, ones)
            if index:
                # Two by two modules alike, told from rows alone: columns hold the same squares.
                total += 3 * _count(before_same & same & ~(lane ^ before) & lane_bits, ones)
            before, before_same = lane, same
        # Dark, light, three dark, light, dark; then four light modules, or the edge, before or after.
        finders = lane & (lane >> 2) & (lane >> 3) & (lane >> 4) & (lane >> 6) & ~((lane >> 1) | (lane >> 5))
        two_before = (lane << 1) | (lane << 2)
        two_after = (lane >> 7) | (lane >> 8)
        dark_around = (two_before | (two_before << 2)) & (two_after | (two_after >> 2))
        total += 40 * _count(finders & ~dark_around, ones)
    return total + 10 * (abs(dark * 100 - size * size * 50) // (size * size * 5))


penalty = compiled(
    penalty_scalar,
    "int64(Array(int64, 1, 'C', readonly=True), int64, Array(uint8, 1, 'C', readonly=True))",
)


@jitable
def _best_mask(symbol: I8, patterns: I8, ones: U1) -> int:
    lanes = np.empty(symbol.size, np.int64)
    best, lowest = 0, -1
    for mask in range(patterns.shape[0]):
        for lane in range(symbol.size):
            lanes[lane] = symbol[lane] ^ patterns[mask, lane]
        found = penalty(lanes, symbol.size // 2, ones)
        if lowest < 0 or found < lowest:
            best, lowest = mask, found
    return best


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
    contributions: I8,
    patterns: I8,
    ones: U1,
    left: int,
    top: int,
    module: int,
    modules: U1,
    rects: I4,
    rect_ends: I8,
) -> None:
    """Write symbols, each under its best mask, as rectangles.

    Args:
        data: uint8[…], the bytes of all symbols, one behind the other; none has more than a symbol holds.
        ends: int64[n], where those of each end.
        contributions: int64[half bytes, 16, 2 · size], the lanes that each value of each half byte inverts.
        patterns: int64[8, 2 · size], what each mask inverts, and the function patterns.
        ones: uint8[2¹¹], how many bits of each number are set.
        left: of every symbol; ``top``: likewise; µm.
        top: of every symbol, µm.
        module: the side of a module, µm.
        modules: uint8[size, size], receives 1 where the last symbol is dark.
        rects: int32[n · size · (size + 1) / 2, 4], receives left, top, right, bottom.
        rect_ends: int64[n], receives where the rectangles of each symbol end.
    """
    halves = np.empty(contributions.shape[0], np.int64)
    symbol = np.empty(patterns.shape[1], np.int64)
    begin = count = 0
    for index in range(ends.size):
        half_bytes(data, begin, ends[index], halves)
        begin = int(ends[index])
        symbol[:] = 0
        for place in range(halves.size):
            for lane in range(symbol.size):
                symbol[lane] ^= contributions[place, halves[place], lane]
        mask = _best_mask(symbol, patterns, ones)
        for row in range(modules.shape[0]):
            lane_bits = symbol[row] ^ patterns[mask, row]
            for column in range(modules.shape[1]):
                modules[row, column] = (lane_bits >> column) & 1
        count += rectangles(modules, left, top, module, rects[count:])
        rect_ends[index] = count


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
    # Of each column the last rectangle that begins there.
    last = np.full(modules.shape[1], -1, np.int64)
    for row in range(modules.shape[0]):
        start = -1
        for column in range(modules.shape[1] + 1):
            is_dark = column < modules.shape[1] and modules[row, column] != 0
            if is_dark and start < 0:
                start = column
            elif not is_dark and start >= 0:
                above, right, bottom = last[start], left + column * module, top + (row + 1) * module
                if above >= 0 and rects[above, 2] == right and rects[above, 3] == bottom - module:
                    rects[above, 3] = bottom
                else:
                    rects[count, 0], rects[count, 1] = left + start * module, top + row * module
                    rects[count, 2], rects[count, 3] = right, bottom
                    last[start] = count
                    count += 1
                start = -1
    return count


_ONES = "Array(uint8, 1, 'C', readonly=True)"

rectangles = compiled(
    rectangles_scalar, "int64(Array(uint8, 2, 'C', readonly=True), int64, int64, int64, int32[:,::1])"
)
encode = compiled(
    encode_scalar,
    "void(Array(uint8, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), "
    f"Array(int64, 3, 'C', readonly=True), Array(int64, 2, 'C', readonly=True), {_ONES}, int64, int64, int64, "
    "uint8[:,::1], int32[:,::1], int64[::1])",
)
