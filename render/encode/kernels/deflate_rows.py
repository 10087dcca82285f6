"""Deflate (RFC 1951) of rows that mostly repeat the row above: pages of text.

A general matcher looks every byte up. Here 64 bytes at a time are compared with the bytes above and with the bytes to
the left, and what follows is arithmetic on the bits: a byte repeats the row above, or its neighbour, or is written as
it is. Blocks are short, since title, table and remarks differ in what is frequent.

Pages have most rows in common with the form that they are printed on. What such rows come to is kept once and copied:
the same bytes in two thirds of the time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.deflating.huffman import MAX_LENGTH, MIN_LENGTH, put
from render.encode.kernels.byte_masks import WORD, lowest_bit, weigh
from render.encode.kernels.deflate_block import (
    ABOVE,
    LEFT,
    Whole,
    piece,
    put_block,
    put_long,
)
from render.encode.kernels.row_masks import ONES, classify, compare_above, compare_left

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U8 = NDArray[np.uint64]
I8 = NDArray[np.int64]
Token = tuple[int, int, Whole, int]

MIN_WIDTH, MAX_PITCH = 2 * WORD, 32768
BLOCK_TOKENS = 25_000

LIVE, KNOWN, KEEP = 0, 1, 2
"""What is done with a row: encode it, copy what is kept of it, or encode it and keep that."""
N_KEPT = 9
# Of a row that is kept: whether it repeats the row above; what the token before it copies (1 above, 2 left, 0 neither);
# where in the row that token ends, -1 if it goes on; the tokens that follow; what waits behind them and from where on;
# and the row's two sums.
_REPEATS, _KIND, _END, _FIRST, _COUNT, _VALUE, _START, _SUM, _WEIGHTED = range(N_KEPT)

# What a token of each kind adds to its length.
_ABOVE, _LEFT = ABOVE - MIN_LENGTH, LEFT - MIN_LENGTH
_ADLER = 65521
_WORDS_AT_ONCE = 16


def scratch(height: int, width: int, lead: int) -> tuple[U8, U2, U8]:
    """Return the last three arguments of :func:`deflate_rows` for rows of this shape."""
    n_bytes = height * (width + lead)
    return (
        np.zeros((5, -(-(width + lead) // WORD) + 2), np.uint64),
        np.empty(BLOCK_TOKENS + width + lead + n_bytes // 255 + 16, np.uint16),
        # Room for the worst case, most of which is never touched, so the system never gives it.
        np.empty(n_bytes // 4 + 512, np.uint64),
    )


def n_kept_tokens(about: I8) -> int:
    """Return how many tokens are kept of rows."""
    return int((about[:, _FIRST] + about[:, _COUNT]).max())


@jitable
def weigh_row(data: U1, row: int, width: int, sums: I8) -> None:
    """Fill in a row's sum of bytes and its sum of bytes times columns."""
    total, weighted, x = np.int64(0), np.int64(0), 0
    while x + WORD <= width:
        n_words = min(_WORDS_AT_ONCE, (width - x) // WORD)
        both = np.int64(weigh(data, row + x, n_words))
        total += both >> 32
        weighted += (both & 0xFFFFFFFF) + (both >> 32) * x
        x += WORD * n_words
    start = np.uintp(row + x)
    for k in range(np.uintp(width - x)):
        byte = np.int64(data[start + k])
        total += byte
        weighted += byte * (x + np.int64(k))
    sums[0], sums[1] = total, weighted


@jitable
def put_row(
    data: U1, place: int, base: int, pitch: int, lead: int, up: U8, run: U8, tokens: U2, token: tuple[int, int, Whole]
) -> tuple[int, int, Whole, int]:
    """Append the tokens that end in a row.

    Args:
        data: uint8[height * width].
        place: of the row's first byte in ``data``.
        base: of the row's first byte, or the ``lead`` byte before it, in the stream.
        pitch: bytes of a row in the stream.
        lead: 1 or 0.
        up: mask of what is copied from above.
        run: mask of what is copied from the left.
        tokens: where to append.
        token: the one that waits for its length: its number, where it began, and what to add its length to.

    Returns:
        The token that waits after the row, and where in the row the one before it ended, -1 if it did not.
    """
    n_tokens, start, value = token
    n_words, end = up.size - 2, -1
    was_up, was_run = np.uint64(value == _ABOVE), np.uint64(value == _LEFT)
    for k in range(n_words):
        above, left = up[k + 1], run[k + 1]
        starts = ~(above | left)
        starts |= above & ~(above << np.uint64(1) | was_up) | left & ~(left << np.uint64(1) | was_run)
        was_up, was_run = above >> np.uint64(63), left >> np.uint64(63)
        if k == n_words - 1:
            starts &= ONES >> np.uint64(WORD * n_words - pitch)
        if not starts:
            continue
        if end < 0:
            end = WORD * k + lowest_bit(starts)
        if k == 0 and starts & np.uint64(1):
            starts &= starts - np.uint64(1)
            if base:
                n_tokens = put_long(tokens, n_tokens, value, base - start)
                start, value = base, -1 if lead else np.int64(data[place]) - 1
                value = _ABOVE if above & np.uint64(1) else _LEFT if left & np.uint64(1) else value
        first, first_place = base + WORD * k, place + WORD * k - lead
        while starts:
            bit = lowest_bit(starts)
            starts &= starts - np.uint64(1)
            length = first + bit - start
            if length > MAX_LENGTH:
                n_tokens = put_long(tokens, n_tokens, value, length)
            else:
                tokens[np.uintp(n_tokens)] = value + length
                n_tokens += 1
            start = first + bit
            # Without a branch: what kind comes next cannot be foretold.
            value = np.int64(data[np.uintp(first_place + bit)]) - 1
            value = _ABOVE if above >> np.uint64(bit) & np.uint64(1) else value
            value = _LEFT if left >> np.uint64(bit) & np.uint64(1) else value
    return n_tokens, start, value, end


@jitable
def put_known(about: I8, kept: U2, base: int, tokens: U2, token: tuple[int, int, Whole]) -> tuple[int, int, Whole]:
    """Append the tokens that are kept of a row, as :func:`put_row` would."""
    n_tokens, start, value = token
    if about[_END] < 0:
        return n_tokens, start, value
    n_tokens = put_long(tokens, n_tokens, value, base + about[_END] - start)
    count = about[_COUNT]
    first, place = np.uintp(about[_FIRST]), np.uintp(n_tokens)
    # Unsigned places spare the compiler Python's meaning of negative indices, here as in the loops over tokens.
    for k in range(np.uintp(count)):
        tokens[place + k] = kept[first + k]
    return n_tokens + count, base + about[_START], about[_VALUE]


@jitable
def keep_row(about: I8, kept: U2, n_kept: int, base: int, tokens: U2, was: tuple[int, int], token: Token) -> int:
    """Keep the tokens of a row; return how many are kept now.

    Args:
        about: of the row, to fill in.
        kept: where to append.
        n_kept: how many there were.
        base: of the row in the stream.
        tokens: where the row's are.
        was: before the row, the waiting token's number and where it began.
        token: what :func:`put_row` returned.
    """
    n_tokens, start, value, end = token
    about[_END], about[_FIRST], about[_COUNT] = end, n_kept, 0
    about[_VALUE], about[_START] = value, start - base
    if end < 0:
        return n_kept
    first = was[0]
    length: Whole = base + end - was[1]
    while length:
        length -= piece(length)
        first += 1
    for k in range(first, n_tokens):
        kept[n_kept + k - first] = tokens[k]
    about[_COUNT] = n_tokens - first
    return n_kept + n_tokens - first


@jitable
def put_end(out: U8, state: U8, adler: np.int64) -> Whole:
    """Append the checksum; return the length of the stream in bytes."""
    put(out, state, np.uint64(0), int((np.uint64(0) - state[1]) & np.uint64(7)))
    for shift in (24, 16, 8, 0):
        put(out, state, np.uint64(adler >> shift & 255), 8)
    out[state[2]] = state[0]
    return np.int64(state[2] << np.uint64(3)) + np.int64(state[1] >> np.uint64(3))


def deflate_rows(
    data: U1, width: int, lead: int, known: U1, about: I8, kept: U2, masks: U8, tokens: U2, out: U8
) -> Whole:
    """Write rows as a zlib stream (RFC 1950); return its length in bytes.

    Args:
        data: uint8[height * width], rows one after another.
        width: bytes in a row, MIN_WIDTH … MAX_PITCH - lead.
        lead: 1 to put a byte 0 before each row (PNG's filter type), or 0.
        known: uint8[height]: LIVE, KEEP, or KNOWN for a row that equals the one that was kept, as does that above it.
        about: int64[height, N_KEPT], what is kept of rows, or to be filled in; int64[0, N_KEPT] if all are live.
        kept: uint16[k], their tokens; to be filled in, as many as there are bytes.
        masks: uint64[5, n + 2], zeros at first; with ``tokens`` and ``out`` from :func:`scratch`.
        tokens: uint16[m].
        out: uint64[l] to fill.
    """
    height, pitch = data.size // width, width + lead
    same, above, change, left = masks[0], masks[1], masks[2], masks[3]
    state, sums = np.zeros(3, np.uint64), np.zeros(2, np.int64)
    put(out, state, np.uint64(0x0178), 16)
    adler_a, adler_b = np.int64(1), np.int64(0)
    first: Whole = -1 if lead else np.int64(data[0]) - 1
    n_tokens, start, value = 0, 0, first
    n_kept = 0
    same[:] = 0
    for y in range(height):
        row, base, is_last, is_known = y * width, y * pitch, y == height - 1, known[y] == KNOWN
        if is_known:
            is_repeat = about[y, _REPEATS] == 1
            sums[0], sums[1] = about[y, _SUM], about[y, _WEIGHTED]
        else:
            is_repeat = y > 0 and compare_above(data, row, width, lead, same)
            if not is_repeat:
                weigh_row(data, row, width, sums)
        adler_b = (adler_b + pitch * adler_a + width * sums[0] - sums[1]) % _ADLER
        adler_a = (adler_a + sums[0]) % _ADLER
        kind = 1 if value == _ABOVE else 2 if value == _LEFT else 0
        if known[y] == KEEP:
            about[y, _REPEATS], about[y, _KIND] = is_repeat, kind
            about[y, _SUM], about[y, _WEIGHTED] = sums[0], sums[1]
        if is_repeat and not is_last:
            # If one copy from the left fills the row above, it goes on.
            if value != _ABOVE and not (value == _LEFT and start <= base - pitch):
                n_tokens = put_long(tokens, n_tokens, value, base - start)
                start, value = base, _ABOVE
            continue
        if is_known and not is_last and about[y, _KIND] == kind:
            n_tokens, start, value = put_known(about[y], kept, base, tokens, (n_tokens, start, value))
        else:
            if is_known:
                compare_above(data, row, width, lead, same)
            compare_left(data, row, width, lead, change)
            classify(same, change, np.uint64(kind == 1), np.uint64(kind == 2), masks[4], above, left)
            was = (n_tokens, start)
            token = put_row(data, row, base, pitch, lead, above, left, tokens, (n_tokens, start, value))
            if known[y] == KEEP:
                n_kept = keep_row(about[y], kept, n_kept, base, tokens, was, token)
            n_tokens, start, value = token[0], token[1], token[2]
        if is_last:
            n_tokens = put_long(tokens, n_tokens, value, height * pitch - start)
        if is_last or n_tokens >= BLOCK_TOKENS:
            put_block(out, state, tokens, n_tokens, pitch, 1 if is_last else 0)
            n_tokens = 0
    return put_end(out, state, adler_b << 16 | adler_a)


SIGNATURE = (
    "int64(Array(uint8, 1, 'C', readonly=True), int64, int64, Array(uint8, 1, 'C', readonly=True), int64[:,::1], "
    "uint16[::1], uint64[:,::1], uint16[::1], uint64[::1])"
)
