"""zlib streams of the scanlines of PNG pages, spliced from pieces: the CPU twins of splice_png.cu.

Arguments, see :mod:`render.gpu.signatures`. Where a device works on all bytes of a piece at once, this goes from token
to token; the bits are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.deflating.huffman import MAX_LENGTH, distance_symbol
from render.gpu.signatures import (
    COUNT_SHIFT,
    DISTANCE_CODES,
    END_CODE,
    HEADER_BITS,
    LENGTH_CODES,
    LITERAL_CODES,
    PIECE_BYTES,
    STREAM_ALIGN,
    Page,
    Result,
)

U1 = NDArray[np.uint8]
U4 = NDArray[np.uint32]
I8 = NDArray[np.int64]
Whole = int | np.signedinteger[Any]

MIN_REPEAT, MIN_ABOVE = 3, 5
MAX_DISTANCE = 32768

_WIDTH, _HEIGHT, _PITCH, _DEPTH = int(Page.WIDTH), int(Page.HEIGHT), int(Page.PITCH), int(Page.DEPTH)
_PAGE_OFF, _FIRST_PIECE, _TABLE = int(Page.PAGE_OFF), int(Page.FIRST_PIECE), int(Page.TABLE)
_STREAM_OFF, _STREAM_BYTES = int(Result.STREAM_OFF), int(Result.STREAM_BYTES)
_ADLER, _CRC = int(Result.ADLER), int(Result.CRC)
_ADLER_BASE = 65521
_CODE_MASK = (1 << COUNT_SHIFT) - 1
_WORD = np.uint64(0xFFFFFFFF)


def _crc_table() -> U4:
    entries = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        entries = np.where(entries & 1, entries >> np.uint32(1) ^ np.uint32(0xEDB88320), entries >> np.uint32(1))
    return entries.astype(np.uint32)


_CRC_TABLE = _crc_table()
_CRC_AFTER_IDAT = 0xCA50F9E1


@jitable
def row_bytes_in(page: I8) -> int:
    """Return the bytes of a scanline of a page of the table."""
    return int(1 + (page[_WIDTH] * page[_DEPTH] + 7) // 8)


@jitable
def pieces_in(page: I8) -> int:
    """Return how many pieces a page of the table has."""
    return int((row_bytes_in(page) * page[_HEIGHT] + PIECE_BYTES - 1) // PIECE_BYTES)


@jitable
def fill_scanlines(page: I8, pages: U1, first: int, count: int, out: U1) -> None:
    """Write ``count`` bytes of a page's scanlines, from byte ``first`` on."""
    row_bytes, depth, width = row_bytes_in(page), page[_DEPTH], page[_WIDTH]
    per_byte = 8 // depth
    y, i = first // row_bytes, first % row_bytes
    row = page[_PAGE_OFF] + y * page[_PITCH]
    for place in range(count):
        value = 0
        if i > 0:
            x = (i - 1) * per_byte
            for k in range(per_byte):
                value = value << depth | (pages[row + x + k] if x + k < width else 0)
        out[place] = value
        i += 1
        if i == row_bytes:
            i = 0
            row += page[_PITCH]


@jitable
def run_back(data: U1, place: int, end: int, distance: int) -> int:
    """Return how many bytes from ``place`` on equal those ``distance`` before, at most MAX_LENGTH."""
    length = 0
    limit = min(MAX_LENGTH, end - place)
    while length < limit and data[place + length] == data[place + length - distance]:
        length += 1
    return length


@jitable
def put(words: U4, state: I8, bits: Whole, count: Whole) -> None:
    """Append bits to words; ``state`` holds what waits, how many bits that is, and the words written."""
    state[0] |= bits << state[1]
    state[1] += count
    if state[1] >= 32:
        words[state[2]] = state[0] & 0xFFFFFFFF
        state[2] += 1
        state[0] >>= 32
        state[1] -= 32


@jitable
def put_code(words: U4, state: I8, code: Whole) -> None:
    """Append a code of the table."""
    put(words, state, code & _CODE_MASK, code >> COUNT_SHIFT)


@jitable
def token_at(data: U1, place: int, end: int, row_bytes: int, second_row: int) -> tuple[int, int]:
    """Return the length of the token that begins at a byte, and how far back it reaches: 0 is a literal.

    Args:
        data: scanlines, from at least a row before ``place`` or from the top of the page.
        place: of the token's first byte.
        end: of the piece; no token goes beyond it.
        row_bytes: of a scanline.
        second_row: where the page's second row begins; nothing before it repeats the row above.
    """
    length, distance = 1, 0
    repeat = run_back(data, place, end, 1) if place > 0 else 0
    if repeat >= MIN_REPEAT:
        length, distance = repeat, 1
    if place >= second_row and row_bytes <= MAX_DISTANCE:
        above = run_back(data, place, end, row_bytes)
        if above >= MIN_ABOVE and above > length:
            length, distance = above, row_bytes
    return length, distance


def count_tokens(data: U1, row_bytes: int, literals: I8, lengths: I8) -> None:
    """Count the literals, by value, and the matches, by length, of a page's scanlines in pieces."""
    for first in range(0, data.size, PIECE_BYTES):
        place, end = first, min(data.size, first + PIECE_BYTES)
        while place < end:
            length, distance = token_at(data, place, end, row_bytes, row_bytes)
            if distance > 0:
                lengths[length] += 1
            else:
                literals[data[place]] += 1
            place += length


@jitable
def encode_piece(data: U1, start: int, end: int, row_bytes: int, second_row: int, table: U4, words: U4) -> int:
    """Encode ``data[start:end]`` and return the number of bits; see :func:`token_at`."""
    state = np.zeros(3, np.int64)
    up, up_extra, up_bits = distance_symbol(row_bytes if row_bytes <= MAX_DISTANCE else 1)
    place = start
    while place < end:
        length, distance = token_at(data, place, end, row_bytes, second_row)
        if distance == 0:
            put_code(words, state, np.int64(table[LITERAL_CODES + data[place]]))
        else:
            put_code(words, state, np.int64(table[LENGTH_CODES + length - 3]))
            put_code(words, state, np.int64(table[DISTANCE_CODES + (0 if distance == 1 else up)]))
            if distance > 1:
                put(words, state, up_extra, up_bits)
        place += length
    if state[1] > 0:
        words[state[2]] = state[0]
    return int(state[2] * 32 + state[1])


def splice_png_encode(page_table: I8, pages: U1, codes: U4, piece_words: U4, piece_bits: U4, piece_sums: U4) -> None:
    """Encode every piece of every page."""
    for number in range(page_table.shape[0]):
        page = page_table[number]
        row_bytes = row_bytes_in(page)
        n_bytes = row_bytes * page[_HEIGHT]
        window = np.empty(row_bytes + PIECE_BYTES, np.uint8)
        for piece in range(pieces_in(page)):
            first = piece * PIECE_BYTES
            count = min(PIECE_BYTES, n_bytes - first)
            before = min(row_bytes, first)
            fill_scanlines(page, pages, first - before, before + count, window)
            place = page[_FIRST_PIECE] + piece
            second_row, end = row_bytes - (first - before), before + count
            table, words = codes[page[_TABLE]], piece_words[place]
            piece_bits[place] = encode_piece(window, before, end, row_bytes, second_row, table, words)
            low, high = 0, 0
            for k in range(before, end):
                low += window[k]
                high += window[k] * (end - k)
            piece_sums[place, 0], piece_sums[place, 1] = low, high


def splice_png_join(page_table: I8, codes: U4, piece_bits: U4, piece_sums: U4, piece_bit_off: I8, results: I8) -> None:
    """Lay the pieces of every page one after the other and join their checksums (RFC 1950, 8.2)."""
    for number in range(page_table.shape[0]):
        page = page_table[number]
        n_bytes = row_bytes_in(page) * page[_HEIGHT]
        bit_off = np.int64(codes[page[_TABLE], HEADER_BITS])
        low, high = np.int64(1), np.int64(n_bytes % _ADLER_BASE)
        for piece in range(pieces_in(page)):
            place = page[_FIRST_PIECE] + piece
            piece_bit_off[place] = bit_off
            bit_off += np.int64(piece_bits[place])
            after = max(0, n_bytes - (piece + 1) * PIECE_BYTES)
            low = (low + np.int64(piece_sums[place, 0])) % _ADLER_BASE
            high += np.int64(piece_sums[place, 1]) + np.int64(piece_sums[place, 0]) * (after % _ADLER_BASE)
            high %= _ADLER_BASE
        end_bits = np.int64(codes[page[_TABLE], END_CODE]) >> COUNT_SHIFT
        results[number, _STREAM_BYTES] = (bit_off + end_bits + 7) // 8 + 4
        results[number, _ADLER] = high << 16 | low


def splice_png_place(n_pages: int, capacity: int, results: I8) -> None:
    """Give every page's stream its place, in the order of pages."""
    start = 0
    for number in range(n_pages):
        size = (results[number, _STREAM_BYTES] + STREAM_ALIGN - 1) // STREAM_ALIGN * STREAM_ALIGN
        results[number, _STREAM_OFF] = start if start + size <= capacity else -1
        start += size


@jitable
def add_bits(stream: U4, bit_off: Whole, word: Whole, count: Whole) -> None:
    """Set up to 32 bits in words that hold 0 there."""
    if count > 0:
        shifted = np.uint64(word) << np.uint64(bit_off % 32)
        stream[bit_off // 32] |= np.uint32(shifted & _WORD)
        if bit_off % 32 + count > 32:
            stream[bit_off // 32 + 1] |= np.uint32(shifted >> np.uint64(32))


def splice_png_write(
    page_table: I8,
    codes: U4,
    headers: U1,
    piece_words: U4,
    piece_bits: U4,
    piece_bit_off: I8,
    results: I8,
    streams: U4,
) -> None:
    """Write every stream: header, pieces, end of block, Adler-32."""
    for number in range(page_table.shape[0]):
        if results[number, _STREAM_OFF] < 0:
            continue
        page, result = page_table[number], results[number]
        table = codes[page[_TABLE]]
        stream = streams[result[_STREAM_OFF] // 4 :]
        for k in range((table[HEADER_BITS] + 7) // 8):
            add_bits(stream, 8 * k, np.int64(headers[page[_TABLE], k]), 8)
        end = np.int64(table[HEADER_BITS])
        for piece in range(page[_FIRST_PIECE], page[_FIRST_PIECE] + pieces_in(page)):
            bits = np.int64(piece_bits[piece])
            for k in range((bits + 31) // 32):
                word = np.int64(piece_words[piece, k])
                add_bits(stream, piece_bit_off[piece] + 32 * k, word, min(np.int64(32), bits - 32 * k))
            end = piece_bit_off[piece] + bits
        code = np.int64(table[END_CODE])
        add_bits(stream, end, code & _CODE_MASK, code >> COUNT_SHIFT)
        for k in range(4):
            byte = result[_ADLER] >> (24 - 8 * k) & 255
            add_bits(stream, 8 * (result[_STREAM_BYTES] - 4 + k), byte, 8)


def splice_png_checksum(streams: U1, results: I8) -> None:
    """Compute the CRC-32 of ``IDAT`` and each stream (ISO/IEC 15948, annex D)."""
    for number in range(results.shape[0]):
        if results[number, _STREAM_OFF] < 0:
            continue
        register = np.uint32(_CRC_AFTER_IDAT)
        first = results[number, _STREAM_OFF]
        for place in range(first, first + results[number, _STREAM_BYTES]):
            register = register >> np.uint32(8) ^ _CRC_TABLE[(register ^ streams[place]) & np.uint32(255)]
        results[number, _CRC] = np.int64(register) ^ 0xFFFFFFFF
