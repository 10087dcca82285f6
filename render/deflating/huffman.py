"""Prefix codes of a deflate block (RFC 1951, 3.2.2 and 3.2.7): lengths from counts, codes from lengths, the header."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable

U8 = NDArray[np.uint64]
I8 = NDArray[np.int64]

N_LITERALS, N_DISTANCES = 286, 30
MAX_BITS, MAX_HEADER_BITS = 15, 7

MIN_LENGTH, MAX_LENGTH = 3, 258
END_OF_BLOCK = 256

_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)
_EXTRA_OF_REPEAT = np.array([2, 3, 7], np.int64)


def _length_tables() -> tuple[I8, I8, I8]:
    """Return symbol, number of extra bits and their value for lengths 3 … 258 (RFC 1951, 3.2.5)."""
    symbols, n_extra, extra = (np.zeros(MAX_LENGTH - MIN_LENGTH + 1, np.int64) for _ in range(3))
    length = 0
    for symbol in range(257, 285):
        bits = max(0, (symbol - 261) // 4)
        for value in range(1 << bits):
            symbols[length], n_extra[length], extra[length] = symbol, bits, value
            length += 1
    symbols[-1], n_extra[-1], extra[-1] = 285, 0, 0
    return symbols, n_extra, extra


LENGTH_SYMBOL, LENGTH_EXTRA_BITS, LENGTH_EXTRA = _length_tables()
"""int64[256] each, by length - MIN_LENGTH."""


@jitable
def distance_symbol(distance: int) -> tuple[int, int, int]:
    """Return symbol, extra bits and their number (RFC 1951, 3.2.5)."""
    value = distance - 1
    if value < 4:
        return value, 0, 0
    bits = 0
    while value >> bits >= 4:
        bits += 1
    return 2 * bits + (value >> bits), value & ((1 << bits) - 1), bits


@jitable
def put(out: U8, state: U8, value: np.uint64, n_bits: int) -> None:
    """Append bits, the lowest first.

    Args:
        out: uint64[n], filled word by word.
        state: uint64[3]: bits that wait, how many (0 … 63), words written.
        value: below 2 ** n_bits.
        n_bits: 0 … 57.
    """
    waiting = state[1]
    state[0] |= value << waiting
    waiting += np.uint64(n_bits)
    if waiting >= np.uint64(64):
        out[state[2]] = state[0]
        state[2] += np.uint64(1)
        waiting -= np.uint64(64)
        state[0] = value >> (np.uint64(n_bits) - waiting)
    state[1] = waiting


@jitable
def depths(weights: I8) -> None:
    """Replace ascending weights, at least two, by the depths of their leaves in a minimum-redundancy tree.

    In place, after Moffat and Katajainen, In-Place Calculation of Minimum-Redundancy Codes (1995).
    """
    n = weights.size
    leaf, root = 0, 0
    for new in range(n - 1):
        for part in range(2):
            if leaf >= n or (root < new and weights[root] < weights[leaf]):
                taken = weights[root]
                weights[root] = new
                root += 1
            else:
                taken = weights[leaf]
                leaf += 1
            weights[new] = taken + (weights[new] if part else 0)
    weights[n - 2] = 0
    for node in range(n - 3, -1, -1):
        weights[node] = weights[weights[node]] + 1
    free, depth, root, leaf = 1, 0, n - 2, n - 1
    while free > 0:
        inner = 0
        while root >= 0 and weights[root] == depth:
            inner += 1
            root -= 1
        while free > inner:
            weights[leaf] = depth
            leaf -= 1
            free -= 1
        free = 2 * inner
        depth += 1


@jitable
def sort(keys: I8, n: int) -> None:
    """Sort the first few hundred of some keys in place (Shell's method)."""
    gap = 57
    while gap:
        for first in range(gap, n):
            key = keys[first]
            place = first
            while place >= gap and keys[place - gap] > key:
                keys[place] = keys[place - gap]
                place -= gap
            keys[place] = key
        gap = gap * 4 // 10


@jitable
def code_lengths(counts: I8, limit: int, lengths: I8) -> None:
    """Fill in the code length of every symbol, 0 where the count is 0; at least two symbols must have one.

    Args:
        counts: int64[n].
        limit: longest code, such that 2 ** limit ≥ n.
        lengths: int64[n].
    """
    # Symbol in the low bits: equal counts are ordered, so the lengths follow from the counts alone.
    ordered = np.zeros(counts.size, np.int64)
    n = 0
    for symbol in range(counts.size):
        lengths[symbol] = 0
        if counts[symbol]:
            ordered[n] = counts[symbol] << 9 | symbol
            n += 1
    sort(ordered, n)
    weights = np.zeros(n, np.int64)
    for k in range(n):
        weights[k] = ordered[k] >> 9
    depths(weights)
    of_length = np.zeros(limit + 1, np.int64)
    kraft = 0
    for k in range(n):
        bits = min(weights[k], limit)
        of_length[bits] += 1
        kraft += 1 << (limit - bits)
    # Too many leaves at the limit: a shallower leaf goes down a step and takes one of them as its twin.
    while kraft > 1 << limit:
        bits = limit - 1
        while of_length[bits] == 0:
            bits -= 1
        of_length[bits] -= 1
        of_length[bits + 1] += 2
        of_length[limit] -= 1
        kraft -= 1
    place = 0
    for bits in range(limit, 0, -1):
        for _ in range(of_length[bits]):
            lengths[ordered[place] & 511] = bits
            place += 1


@jitable
def codes_of(lengths: I8, codes: U8) -> None:
    """Fill in the code of every symbol, its first bit lowest (RFC 1951, 3.2.2)."""
    of_length = np.zeros(MAX_BITS + 2, np.int64)
    for symbol in range(lengths.size):
        of_length[lengths[symbol]] += 1
    of_length[0] = 0
    first = np.zeros(MAX_BITS + 2, np.int64)
    for bits in range(1, MAX_BITS + 1):
        first[bits] = (first[bits - 1] + of_length[bits - 1]) << 1
    for symbol in range(lengths.size):
        code, turned = first[lengths[symbol]], 0
        first[lengths[symbol]] += 1
        for _ in range(lengths[symbol]):
            turned = turned << 1 | code & 1
            code >>= 1
        codes[symbol] = turned


@jitable
def put_codes(out: U8, state: U8, counts: I8, distance_lengths: I8, last: int, lengths: I8, codes: U8) -> None:
    """Append the header of a block with codes of its own (RFC 1951, 3.2.7); fill in the codes of literals and lengths.

    Args:
        out: as for :func:`put`.
        state: as for :func:`put`.
        counts: int64[N_LITERALS], how often each symbol follows; at least two do.
        distance_lengths: int64[N_DISTANCES].
        last: 1 for the last block of a stream, otherwise 0.
        lengths: int64[N_LITERALS] to fill.
        codes: uint64[N_LITERALS] to fill.
    """
    code_lengths(counts, MAX_BITS, lengths)
    codes_of(lengths, codes)
    n_literals, n_distances = N_LITERALS, N_DISTANCES
    while lengths[n_literals - 1] == 0:
        n_literals -= 1
    while distance_lengths[n_distances - 1] == 0:
        n_distances -= 1
    both = np.zeros(n_literals + n_distances + 1, np.int64)
    for symbol in range(n_literals):
        both[symbol] = lengths[symbol]
    for symbol in range(n_distances):
        both[n_literals + symbol] = distance_lengths[symbol]
    # Ends the last run.
    both[n_literals + n_distances] = -1
    symbols, extras = np.zeros(both.size, np.int64), np.zeros(both.size, np.int64)
    n = run_lengths(both, symbols, extras)
    symbol_counts = np.zeros(19, np.int64)
    for k in range(n):
        symbol_counts[symbols[k]] += 1
    bits, symbol_codes = np.zeros(19, np.int64), np.zeros(19, np.uint64)
    code_lengths(symbol_counts, MAX_HEADER_BITS, bits)
    codes_of(bits, symbol_codes)
    n_kept = 19
    while bits[_ORDER[n_kept - 1]] == 0:
        n_kept -= 1
    dynamic = 2
    sizes = n_literals - 257 | (n_distances - 1) << 5 | (n_kept - 4) << 10
    put(out, state, np.uint64(last | dynamic << 1 | sizes << 3), 17)
    for k in range(n_kept):
        put(out, state, np.uint64(bits[_ORDER[k]]), 3)
    for k in range(n):
        symbol = symbols[k]
        code = symbol_codes[symbol] | np.uint64(extras[k]) << np.uint64(bits[symbol])
        put(out, state, code, bits[symbol] + (_EXTRA_OF_REPEAT[symbol - 16] if symbol >= 16 else 0))


@jitable
def run_lengths(lengths: I8, symbols: I8, extras: I8) -> int:
    """Write code lengths as symbols 0 … 18 and the values of their extra bits; return how many.

    Args:
        lengths: int64[n + 1], the last -1.
        symbols: int64[n + 1] to fill.
        extras: int64[n + 1] to fill.
    """
    n, at = 0, 0
    while at < lengths.size - 1:
        run = 1
        while lengths[at + run] == lengths[at]:
            run += 1
        symbols[n], extras[n] = lengths[at], 0
        if lengths[at] == 0 and run >= 11:
            run = min(run, 138)
            symbols[n], extras[n] = 18, run - 11
        elif lengths[at] == 0 and run >= 3:
            symbols[n], extras[n] = 17, run - 3
        elif at and lengths[at - 1] == lengths[at] and run >= 3:
            run = min(run, 6)
            symbols[n], extras[n] = 16, run - 3
        else:
            run = 1
        at += run
        n += 1
    return n
