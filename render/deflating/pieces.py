"""Pieces of data as ready bits of a zlib stream (RFC 1950, RFC 1951): compressing is then joining what is ready.

All streams of a kind share one table of prefix codes. Within a piece repetitions are found as always, between pieces
none are: what a piece comes to depends on nothing but the piece and the table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable
from render.deflating.huffman import (
    END_OF_BLOCK,
    LENGTH_EXTRA,
    LENGTH_EXTRA_BITS,
    LENGTH_SYMBOL,
    MAX_BITS,
    MAX_LENGTH,
    MIN_LENGTH,
    N_DISTANCES,
    N_LITERALS,
    code_lengths,
    codes_of,
    distance_symbol,
    put,
    put_codes,
)

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]
I8 = NDArray[np.int64]

CODES = N_LITERALS + N_DISTANCES
"""Rows of a code table, uint64[CODES, 2]: code and its bits, of literals and lengths, then of distances."""

HEADER_WORDS = 64
"""Enough for the header of any block."""

ZLIB_HEADER = 0x0178
"""Window of 32 KiB, fastest level; the two bytes in order."""

N_ABOUT_RUN = 4
"""See :func:`press_pieces_scalar`."""

ADLER_BASE = 65521

# A match of three bytes from further off takes as many bits as the bytes.
_NEAR = 64
_REACH = 512
_CHAINS = 1 << 12


@jitable
def chain_slot(data: U1, at: int) -> int:
    """Return where chains of positions begin whose next three bytes are like those at ``at``."""
    return (int(data[at]) << 4 ^ int(data[at + 1]) << 2 ^ int(data[at + 2])) & (_CHAINS - 1)


@jitable
def match_at(data: U1, first: int, at: int, end: int, newest: I8, older: I8) -> tuple[int, int]:
    """Return length and distance of the longest repetition in ``data[first:end]`` that begins at ``at``; 0, 0: none.

    Args:
        data: uint8.
        first: where the piece begins.
        at: before which all positions have been chained by :func:`chain`.
        end: of the piece.
        newest: int64[_CHAINS], the last position of each chain.
        older: int64[bytes of the piece], what stands before each position in its chain.
    """
    longest, distance = 0, 0
    place = newest[chain_slot(data, at)] if at + MIN_LENGTH <= end else -1
    # What other pieces left in the chains lies outside of this one.
    while first <= place < at and at - place <= _REACH:
        length = 0
        while at + length < end and length < MAX_LENGTH and data[at + length] == data[place + length]:
            length += 1
        if length > longest and (length > MIN_LENGTH or (length == MIN_LENGTH and at - place <= _NEAR)):
            longest, distance = length, at - place
        following = older[place - first]
        place = following if following < place else -1
    return longest, distance


@jitable
def chain(data: U1, first: int, at: int, stop: int, end: int, newest: I8, older: I8) -> None:
    """Put the positions from ``at`` on, ``stop`` excluded, into their chains."""
    for place in range(at, min(stop, end - MIN_LENGTH + 1)):
        slot = chain_slot(data, place)
        older[place - first] = newest[slot]
        newest[slot] = place


def make_codes_scalar(data: U1, start: I8, length: I8, codes: U8, out: U8) -> int:
    """Make the code table that suits some pieces; every byte and every match gets a code.

    Args:
        data: uint8, holds the pieces.
        start: int64[n], n ≥ 1, where each begins.
        length: int64[n].
        codes: uint64[CODES, 2] to fill.
        out: uint64[HEADER_WORDS], receives the header of a block with these codes, the stream's only one.

    Returns:
        How many bits the header has.
    """
    counts, distances = np.ones(N_LITERALS, np.int64), np.zeros(N_DISTANCES, np.int64)
    distances[: distance_symbol(_REACH)[0] + 1] = 1
    newest, older = np.full(_CHAINS, -1, np.int64), np.zeros(length.max(), np.int64)
    for k in range(start.size):
        first, end = start[k], start[k] + length[k]
        at = first
        while at < end:
            found, distance = match_at(data, first, at, end, newest, older)
            if found:
                counts[LENGTH_SYMBOL[found - MIN_LENGTH]] += 1
                distances[distance_symbol(distance)[0]] += 1
            else:
                counts[data[at]] += 1
            chain(data, first, at, at + max(found, 1), end, newest, older)
            at += max(found, 1)
    bits, distance_bits = np.zeros(N_LITERALS, np.int64), np.zeros(N_DISTANCES, np.int64)
    of_symbol, of_distance = np.zeros(N_LITERALS, np.uint64), np.zeros(N_DISTANCES, np.uint64)
    code_lengths(distances, MAX_BITS, distance_bits)
    codes_of(distance_bits, of_distance)
    state = np.zeros(3, np.uint64)
    put_codes(out, state, counts, distance_bits, 1, bits, of_symbol)
    out[state[2]] = state[0]
    for symbol in range(N_LITERALS):
        codes[symbol, 0], codes[symbol, 1] = of_symbol[symbol], bits[symbol]
    for symbol in range(N_DISTANCES):
        codes[N_LITERALS + symbol, 0], codes[N_LITERALS + symbol, 1] = of_distance[symbol], distance_bits[symbol]
    return int(state[2]) * 64 + int(state[1])


def press_pieces_scalar(data: U1, start: I8, length: I8, codes: U8, words: U8, about: I8) -> int:
    """Write each piece as bits, beginning with a word of its own.

    Args:
        data: uint8, holds the pieces.
        start: int64[n], n ≥ 1, where each begins.
        length: int64[n].
        codes: uint64[CODES, 2].
        words: uint64 to fill, with room for MAX_BITS bits a byte and two words a piece.
        about: int64[n, N_ABOUT_RUN] to fill: first word, bits, sum of the bytes, and their sum weighted by how many
            there are from each to the end, both modulo ADLER_BASE.

    Returns:
        How many words that took.
    """
    first_word = 0
    state = np.zeros(3, np.uint64)
    newest, older = np.full(_CHAINS, -1, np.int64), np.zeros(length.max(), np.int64)
    for k in range(start.size):
        state[0], state[1], state[2] = 0, 0, first_word
        first, end = start[k], start[k] + length[k]
        at = first
        while at < end:
            found, distance = match_at(data, first, at, end, newest, older)
            if found:
                place = found - MIN_LENGTH
                symbol = LENGTH_SYMBOL[place]
                put(words, state, codes[symbol, 0], int(codes[symbol, 1]))
                put(words, state, np.uint64(LENGTH_EXTRA[place]), LENGTH_EXTRA_BITS[place])
                symbol, extra, extra_bits = distance_symbol(distance)
                put(words, state, codes[N_LITERALS + symbol, 0], int(codes[N_LITERALS + symbol, 1]))
                put(words, state, np.uint64(extra), extra_bits)
            else:
                put(words, state, codes[data[at], 0], int(codes[data[at], 1]))
            chain(data, first, at, at + max(found, 1), end, newest, older)
            at += max(found, 1)
        words[state[2]] = state[0]
        total, weighted = 0, 0
        for place in range(first, end):
            total += int(data[place])
            weighted += total
        about[k, 0], about[k, 1] = first_word, (int(state[2]) - first_word) * 64 + int(state[1])
        about[k, 2], about[k, 3] = total % ADLER_BASE, weighted % ADLER_BASE
        first_word = int(state[2]) + 1
    return first_word


@jitable
def put_run(out: U8, state: U8, words: U8, first_word: int, n_bits: int) -> None:
    """Append bits that were made ready."""
    word, waiting, place = state[0], state[1], np.uintp(state[2])
    n_words = n_bits >> 6
    for k in range(first_word, first_word + n_words):
        out[place] = word | words[k] << waiting
        # In two steps, since no number of bits may be 64.
        word = words[k] >> np.uint64(1) >> (np.uint64(63) - waiting)
        place += np.uintp(1)
    state[0], state[2] = word, place
    put(out, state, words[first_word + n_words], n_bits & 63)


@jitable
def count_in(adler: I8, length: int, total: int, weighted: int) -> None:
    """Count the bytes of a run into a checksum, int64[2]; its sums are those of :func:`press_pieces_scalar`."""
    adler[1] = (adler[1] + length * adler[0] + weighted) % ADLER_BASE
    adler[0] = (adler[0] + total) % ADLER_BASE


@jitable
def put_bytes(out: U8, state: U8, adler: I8, codes: U8, data: U1, first: int, end: int) -> None:
    """Append bytes one by one, and count them in; ``adler`` is int64[2]."""
    total, weighted = adler[0], adler[1]
    # What put() does, with its state at hand instead of in memory.
    word, waiting, at = state[0], state[1], np.uintp(state[2])
    for place in range(first, end):
        code, n_bits = codes[data[place], 0], codes[data[place], 1]
        word |= code << waiting
        waiting += n_bits
        if waiting >= np.uint64(64):
            out[at] = word
            at += np.uintp(1)
            waiting -= np.uint64(64)
            word = code >> (n_bits - waiting)
        total += np.int64(data[place])
        weighted += total
    state[0], state[1], state[2] = word, waiting, at
    adler[0], adler[1] = total % ADLER_BASE, weighted % ADLER_BASE


@jitable
def put_end(out: U8, state: U8, adler: I8, codes: U8) -> int:
    """Append the end of the block and the checksum; return how many bytes the stream has."""
    put(out, state, codes[END_OF_BLOCK, 0], int(codes[END_OF_BLOCK, 1]))
    put(out, state, np.uint64(0), -int(state[1]) & 7)
    for shift in (8, 0):
        put(out, state, np.uint64(adler[1] >> shift & 255), 8)
    for shift in (8, 0):
        put(out, state, np.uint64(adler[0] >> shift & 255), 8)
    out[state[2]] = state[0]
    return int(state[2]) * 8 + int(state[1]) // 8


_BYTES, _NUMBERS = "Array(uint8, 1, 'C', readonly=True)", "Array(int64, 1, 'C', readonly=True)"

make_codes = compiled(make_codes_scalar, f"int64({_BYTES}, {_NUMBERS}, {_NUMBERS}, uint64[:,::1], uint64[::1])")
press_pieces = compiled(
    press_pieces_scalar,
    f"int64({_BYTES}, {_NUMBERS}, {_NUMBERS}, Array(uint64, 2, 'C', readonly=True), uint64[::1], int64[:,::1])",
)
