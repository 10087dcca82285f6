"""Huffman tables of the splice encoder: fixed for all pages that share a ground, so that its pieces are independent.

A table is trained on the ground of its pages and on an allowance for the variable text over it, never on a page: so the
bytes of a PNG depend on that page alone.
"""

from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled
from render.deflating.huffman import MAX_LENGTH, distance_symbol
from render.encode.kernels.splice_png import MAX_DISTANCE, count_tokens
from render.gpu.signatures import (
    CODE_WORDS,
    COUNT_SHIFT,
    DISTANCE_CODES,
    END_CODE,
    HEADER_BITS,
    HEADER_BYTES,
    LENGTH_CODES,
    LITERAL_CODES,
    MAX_CODE_BITS,
    row_bytes_of,
)

# Deflate with a window of 32 KiB, fastest level; the two bytes in order.
_ZLIB_HEADER = 0x0178
_HEADER_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)

# What 300 dpi pages of the everyday corpus have beside their grounds, a page: literals by the sixteen levels of
# coverage, matches by length symbol.
_TEXT_LITERALS = (7191, 3392, 2853, 2444, 2200, 2173, 2161, 2117, 2090, 2174, 2107, 2114, 2224, 2486, 3213, 15729)
_TEXT_LENGTHS = (
    *(1508, 537, 933, 1096, 1129, 802, 674, 614, 1196, 1054, 675, 418, 696, 462, 322, 279),
    *(349, 201, 154, 82, 69, 14, 0, 63, 156, 100, 0, 0, 0),
)
_TEXT_SIDE = 2025
"""Square root of the pixels of such a page: text grows with the length of its outlines."""


@dataclass(frozen=True, eq=False, slots=True)
class SpliceTable:
    """One row each of ``codes`` and ``headers``; see :mod:`render.gpu.signatures`.

    Attributes:
        codes: uint32[CODE_WORDS].
        header: uint8[HEADER_BYTES].
    """

    codes: NDArray[np.uint32]
    header: NDArray[np.uint8]


def make_splice_table(ground: NDArray[np.uint8], depth: int, tone: NDArray[np.uint8]) -> SpliceTable:
    """Return the Huffman table for the pages of a ground.

    Args:
        ground: uint8[H, W], palette indices.
        depth: bits of a pixel in the PNG.
        tone: uint8[256], coverage to palette index, of the ink of the variable text.
    """
    literals, lengths = _count(ground, depth)
    share = math.isqrt(ground.size)
    literals += _text_bytes(tone, depth) * share // _TEXT_SIDE
    symbols = np.bincount(_LENGTH_SYMBOLS, lengths[3:], len(_LENGTH_EXTRA)).astype(np.int64)
    symbols += np.array(_TEXT_LENGTHS) * share // _TEXT_SIDE
    # Every symbol has a code, also one that the ground does not have.
    bits = _code_lengths([*literals.tolist(), 1, *symbols.tolist()], MAX_CODE_BITS)
    up = distance_symbol(min(row_bytes_of(ground.shape[1], depth), MAX_DISTANCE))[0]
    distance_bits = [1, *(0 for _ in range(1, up)), 1]
    return SpliceTable(*_pack(bits, distance_bits))


def _count(ground: NDArray[np.uint8], depth: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    height, width = ground.shape
    rows = np.zeros((height, row_bytes_of(width, depth)), np.uint8)
    per_byte = 8 // depth
    for place in range(per_byte):
        column = ground[:, place::per_byte]
        rows[:, 1 : 1 + column.shape[1]] |= column << np.uint8(8 - depth * (place + 1))
    literals, lengths = np.zeros(256, np.int64), np.zeros(MAX_LENGTH + 1, np.int64)
    _counter()(rows.reshape(-1), rows.shape[1], literals, lengths)
    return literals, lengths


@functools.cache
def _counter() -> Callable[..., None]:
    return compiled(count_tokens, "void(uint8[::1], int64, int64[::1], int64[::1])")


def _text_bytes(tone: NDArray[np.uint8], depth: int) -> NDArray[np.int64]:
    """Return int64[256], the literals of the text of a page of _TEXT_SIDE, as if its pixels were independent."""
    levels = len(_TEXT_LITERALS)
    pixels = np.zeros(1 << depth)
    np.add.at(pixels, tone[np.arange(levels) * 255 // (levels - 1)], _TEXT_LITERALS)
    total = pixels.sum()
    values = pixels
    while len(values) < 256:
        values = np.multiply.outer(values, pixels / total).reshape(-1)
    return values.astype(np.int64)


def _length_symbols() -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, ...]]:
    """Return symbol and extra bits of lengths 3 … 258, and the number of extra bits of each symbol (3.2.5)."""
    n_extra = tuple(0 if symbol == 28 else max(0, symbol // 4 - 1) for symbol in range(29))
    symbols, extra = np.zeros(MAX_LENGTH - 2, np.int64), np.zeros(MAX_LENGTH - 2, np.int64)
    place = 0
    for symbol, bits in enumerate(n_extra[:28]):
        for value in range(min(1 << bits, MAX_LENGTH - 3 - place)):
            symbols[place], extra[place] = symbol, value
            place += 1
    symbols[place] = 28
    return symbols, extra, n_extra


_LENGTH_SYMBOLS, _LENGTH_EXTRA_VALUES, _LENGTH_EXTRA = _length_symbols()


def _code_lengths(weights: Sequence[int], limit: int) -> list[int]:
    """Return a code length of 1 … ``limit`` for every symbol."""
    flat = [max(1, weight) for weight in weights]
    while True:
        heap: list[tuple[int, int, tuple[int, ...]]] = [
            (weight, symbol, (symbol,)) for symbol, weight in enumerate(flat)
        ]
        heapq.heapify(heap)
        lengths = [0] * len(flat)
        while len(heap) > 1:
            (light, _, some), (heavy, order, others) = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in (*some, *others):
                lengths[symbol] += 1
            heapq.heappush(heap, (light + heavy, order, some + others))
        if max(lengths) <= limit:
            return lengths
        flat = [weight >> 1 | 1 for weight in flat]


def _codes_of(lengths: Sequence[int]) -> list[int]:
    """Return the canonical codes (RFC 1951, 3.2.2), the first bit lowest."""
    codes, code = [0] * len(lengths), 0
    for bits in range(1, max(lengths) + 1):
        for symbol, length in enumerate(lengths):
            if length == bits:
                codes[symbol] = int(f"{code:0{bits}b}"[::-1], 2)
                code += 1
        code <<= 1
    return codes


def _pack(bits: Sequence[int], distance_bits: Sequence[int]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    codes = np.zeros(CODE_WORDS, np.uint32)
    code = _codes_of(bits)
    entries = [value | length << COUNT_SHIFT for value, length in zip(code, bits, strict=True)]
    codes[LITERAL_CODES : LITERAL_CODES + 256], codes[END_CODE] = entries[:256], entries[256]
    for place, symbol in enumerate(_LENGTH_SYMBOLS.tolist()):
        value = code[257 + symbol] | int(_LENGTH_EXTRA_VALUES[place]) << bits[257 + symbol]
        codes[LENGTH_CODES + place] = value | (bits[257 + symbol] + _LENGTH_EXTRA[symbol]) << COUNT_SHIFT
    for symbol, value in enumerate(_codes_of(distance_bits)):
        codes[DISTANCE_CODES + symbol] = value | distance_bits[symbol] << COUNT_SHIFT
    text = _header(bits, distance_bits)
    codes[HEADER_BITS] = len(text)
    header = np.zeros(HEADER_BYTES, np.uint8)
    packed = np.packbits(np.frombuffer(text.encode(), np.uint8) - ord("0"), bitorder="little")
    header[: len(packed)] = packed
    return codes, header


def _header(bits: Sequence[int], distance_bits: Sequence[int]) -> str:
    """Return the zlib header and that of one final block with these code lengths (3.2.7), as a text of bits in order.

    Lengths are not run-length coded: few neighbours are equal, and the header is a thousandth of a page.
    """
    lengths = [*bits, *distance_bits]
    kinds = sorted(set(lengths))
    chosen = _code_lengths([lengths.count(kind) for kind in kinds], 7)
    meta = [0] * len(_HEADER_ORDER)
    for kind, length in zip(kinds, chosen, strict=True):
        meta[kind] = length
    codes = _codes_of(meta)
    n_meta = max(place for place, kind in enumerate(_HEADER_ORDER) if meta[kind]) + 1
    fields = [(_ZLIB_HEADER, 16), (0b101, 3), (len(bits) - 257, 5), (len(distance_bits) - 1, 5), (n_meta - 4, 4)]
    fields += [(meta[kind], 3) for kind in _HEADER_ORDER[:n_meta]]
    fields += [(codes[length], meta[length]) for length in lengths]
    return "".join(f"{value:0{count}b}"[::-1] for value, count in fields)
