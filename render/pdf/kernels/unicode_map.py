"""The list of characters of a ToUnicode CMap as bits of a zlib stream, written from the characters themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable
from render.deflating.huffman import put
from render.deflating.pieces import ZLIB_HEADER, count_in, put_end, put_run

U8 = NDArray[np.uint64]
I8 = NDArray[np.int64]

CHARACTER_SHIFT = 16
"""A pair is character × 2¹⁶ + glyph."""

DIGITS = b"0123456789abcdef"
"""The first tokens; then what stands between two characters, then repetitions of the last character's begin."""

BETWEEN = len(DIGITS)
REPETITION = BETWEEN + 1
N_TOKENS = REPETITION + 4
"""A repetition is of what stands between and of 1 … 4 digits."""

SEPARATOR = b"><"
DISTANCE = len(SEPARATOR) + 4
"""Between the begins of two characters."""

HEAD, MIDDLE, TAIL = range(3)
"""The fixed parts of a map: before the number of its characters, from there to the first, behind the last."""

N_PARTS = 3
BITS, LENGTH, SUM, WEIGHTED = range(4)
"""Of a part: how many bits it has, how many bytes, and what :func:`render.deflating.pieces.count_in` wants."""

_NO_TOKEN = -1
_DIGIT_SHIFTS = (12, 8, 4, 0)


@jitable
def _put_digits(out: U8, state: U8, tokens: U8, token: int, value: int, n_digits: int) -> None:
    """Append a token, where it is one, and the last digits of four."""
    bits, n_bits = np.uint64(0), np.uint64(0)
    if token >= 0:
        bits, n_bits = tokens[token, 0], tokens[token, 1]
    for place in range(n_digits - 1, -1, -1):
        digit = (value >> (4 * place)) & 15
        bits |= tokens[digit, 0] << n_bits
        n_bits += tokens[digit, 1]
    put(out, state, bits, int(n_bits))


@jitable
def _count_digits(adler: I8, value: int) -> None:
    """Count four digits into a checksum; the sums are reduced later."""
    for shift in _DIGIT_SHIFTS:
        digit = (value >> shift) & 15
        adler[0] += digit + (48 if digit < 10 else 87)
        adler[1] += adler[0]


@jitable
def _shared_digits(one: int, other: int) -> int:
    """Return how many of four digits two numbers begin with alike."""
    differing = one ^ other
    if differing < 16:
        return 4 if differing == 0 else 3
    if differing < 256:
        return 2
    return 1 if differing < 4096 else 0


@jitable
def _put_part(out: U8, state: U8, adler: I8, part: int, words: U8, parts: I8) -> None:
    """Append a fixed part; each begins with a word of its own."""
    first = 0
    for before in range(part):
        first += (int(parts[before, BITS]) >> 6) + 1
    put_run(out, state, words, first, int(parts[part, BITS]))
    count_in(adler, int(parts[part, LENGTH]), int(parts[part, SUM]), int(parts[part, WEIGHTED]))


def press_map_scalar(pairs: I8, tokens: U8, words: U8, parts: I8, codes: U8, out: U8) -> int:
    """Write the map as a zlib stream; return how many bytes it has.

    Args:
        pairs: int64[n], 1 ≤ n < 256, ascending, characters below 2¹⁶.
        tokens: uint64[N_TOKENS, 2], bits and their number.
        words: uint64, the bits of the fixed parts; the first begins with the header of the block.
        parts: int64[N_PARTS, 4], see BITS.
        codes: uint64[CODES, 2], of the block.
        out: uint64, zeros or not, with room for the fixed parts and a word a character.
    """
    state, adler = np.zeros(3, np.uint64), np.zeros(2, np.int64)
    adler[0] = 1
    put(out, state, np.uint64(ZLIB_HEADER), 16)
    _put_part(out, state, adler, HEAD, words, parts)
    _put_digits(out, state, tokens, _NO_TOKEN, pairs.size, 4)
    _count_digits(adler, pairs.size)
    _put_part(out, state, adler, MIDDLE, words, parts)
    before = int(pairs[0]) >> CHARACTER_SHIFT
    _put_digits(out, state, tokens, _NO_TOKEN, before, 4)
    _count_digits(adler, before)
    for place in range(1, pairs.size):
        char = int(pairs[place]) >> CHARACTER_SHIFT
        # Before the first stands a bracket, which the second cannot repeat.
        shared = _shared_digits(before, char) if place > 1 else 0
        _put_digits(out, state, tokens, BETWEEN + shared, char, 4 - shared)
        for byte in SEPARATOR:
            adler[0] += int(byte)
            adler[1] += adler[0]
        _count_digits(adler, char)
        before = char
    _put_part(out, state, adler, TAIL, words, parts)
    return put_end(out, state, adler, codes)


_WORDS, _PAIRED = "Array(uint64, 1, 'C', readonly=True)", "Array(uint64, 2, 'C', readonly=True)"

press_map = compiled(
    press_map_scalar,
    f"int64(Array(int64, 1, 'C', readonly=True), {_PAIRED}, {_WORDS}, Array(int64, 2, 'C', readonly=True), {_PAIRED}, "
    "uint64[::1])",
)
