"""QR symbols of version 4, level M, by table: tens of times faster than encoding from scratch.

With version and mask given, every module of a QR symbol (ISO/IEC 18004) is a sum over GF(2) of contributions of single
data bits: error correction is linear and placement is fixed. So the contribution of each half byte is worked out once,
as the rows and columns that it darkens, and a symbol is the exclusive-or of 128 of them. The mask is chosen by the
standard's penalties (7.8.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import segno
from numpy.typing import NDArray

from render.layout.kernels import qr

VERSION = 4
LEVEL = "m"
SIZE = 33
MAX_BYTES = 62
"""Bytes that version 4-M holds in byte mode."""

_MASKS = 8
_DATA_CODEWORDS = 64
_BLOCKS = 2
_BLOCK_DATA = _DATA_CODEWORDS // _BLOCKS
_BLOCK_CORRECTION = 18
_CODEWORDS = _DATA_CODEWORDS + _BLOCKS * _BLOCK_CORRECTION
_FIELD_POLYNOMIAL = 0x11D
_TIMING = 6
_ALIGNMENT = slice(24, 29)

Lanes = NDArray[np.uint64]
"""uint64[…, 66]: the 33 rows of a symbol, then its 33 columns; bit i of a lane is its module i, 1 = dark."""

Rects = NDArray[np.int32]
"""int32[n, 4]: left, top, right, bottom in µm."""

_HALF_BYTES = 2 * _DATA_CODEWORDS


def encode(texts: Sequence[bytes], left_um: int, top_um: int, module_um: int) -> tuple[Rects, list[int]]:
    """Return the dark modules of symbols as rectangles, without a quiet zone, and where those of each symbol end.

    Args:
        texts: at most MAX_BYTES bytes each, stored in byte mode.
        left_um: of every symbol.
        top_um: of every symbol.
        module_um: the side of a module.
    """
    tables = _tables()
    ends = np.fromiter(map(len, texts), np.int64, len(texts)).cumsum()
    rects = np.empty((len(texts) * (SIZE * (SIZE + 1) // 2), 4), np.int32)
    rect_ends = np.empty(len(texts), np.int64)
    qr.encode(
        np.frombuffer(b"".join(texts), np.uint8),
        ends,
        tables.contributions,
        tables.patterns,
        left_um,
        top_um,
        module_um,
        rects,
        rect_ends,
    )
    return rects, rect_ends.tolist()


def candidates(data: bytes) -> Lanes:
    """Return the symbol under each mask, uint64[8, 66]."""
    tables = _tables()
    half_bytes = np.empty(_HALF_BYTES, np.int64)
    qr.half_bytes(np.frombuffer(data, np.uint8), 0, len(data), half_bytes)
    symbol: Lanes = np.bitwise_xor.reduce(tables.contributions[np.arange(_HALF_BYTES), half_bytes], axis=0)
    return np.ascontiguousarray(symbol ^ tables.patterns.T)


def penalty(symbol: Lanes) -> int:
    """Return the penalty of a symbol (ISO/IEC 18004:2015, 7.8.3.1), uint64[66]."""
    totals = np.empty(1, np.uint64)
    qr.penalties(symbol, np.zeros((2 * SIZE, 1), np.uint64), totals)
    return int(totals[0])


class _Tables:
    """What each half byte contributes, and each mask: function patterns, format information and the mask itself.

    Attributes:
        contributions: uint64[128, 16, 66].
        patterns: uint64[66, 8].
    """

    def __init__(self) -> None:
        frames, region = _read_frames()
        single_bits = _to_lanes(_spread(region)).reshape(_HALF_BYTES, 4, 2 * SIZE)
        contributions = np.zeros((_HALF_BYTES, 16, 2 * SIZE), np.uint64)
        for bit in range(4):
            # Every sum so far, with and without this bit.
            contributions[:, 1 << bit : 2 << bit] = contributions[:, : 1 << bit] ^ single_bits[:, bit, None]
        self.contributions = contributions
        row, column = np.indices((SIZE, SIZE))
        masks = [np.where(region, _mask(mask, row, column), frames[mask]) for mask in range(_MASKS)]
        self.patterns = np.ascontiguousarray(_to_lanes(np.stack(masks)).T)


@cache
def _tables() -> _Tables:
    return _Tables()


def _to_lanes(modules: NDArray[np.bool_]) -> Lanes:
    """Return bool[n, 33, 33] as 33 rows and 33 columns each."""
    lanes = np.zeros((len(modules), 2 * SIZE, 64), np.uint8)
    lanes[:, :SIZE, :SIZE] = modules
    lanes[:, SIZE:, :SIZE] = modules.transpose(0, 2, 1)
    return np.packbits(lanes, axis=2, bitorder="little").view("<u8")[:, :, 0].astype(np.uint64)


def _read_frames() -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_]]:
    """Return the function patterns with the format information of each mask, and where data modules lie."""
    region = np.ones((SIZE, SIZE), bool)
    corner = 9
    for rows, columns in ((slice(corner),) * 2, (slice(corner), slice(1 - corner, None))):
        # Finders, separators and format information; the symbol's three corners are symmetric about the diagonal.
        region[rows, columns] = region[columns, rows] = False
    region[_TIMING, :] = region[:, _TIMING] = False
    region[_ALIGNMENT, _ALIGNMENT] = False
    frames = []
    for mask in range(_MASKS):
        symbol = segno.make("0", version=VERSION, error=LEVEL, mask=mask, boost_error=False)
        modules = np.array([list(row) for row in symbol.matrix], bool)
        frames.append(modules)
    return frames, region


def _places(region: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """Return rows and columns of the bits of the final message: column pairs from the right, up and down in turn."""
    rows: list[int] = []
    columns: list[int] = []
    for right in (*range(SIZE - 1, 6, -2), *range(5, 0, -2)):
        is_upward = ((right + 1) & 2) == 0
        for step in range(SIZE):
            row = SIZE - 1 - step if is_upward else step
            for column in (right, right - 1):
                if region[row, column]:
                    rows.append(row)
                    columns.append(column)
    return rows, columns


def _spread(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the modules that each bit of data darkens, itself and through error correction.

    Returns:
        bool[512, 33, 33]: high half of the first codeword from its lowest bit on, its low half, and so on.
    """
    codewords = np.zeros((_DATA_CODEWORDS, 8, _CODEWORDS), np.uint8)
    values = [1 << bit for bit in (4, 5, 6, 7, 0, 1, 2, 3)]
    for position, remainder in enumerate(reversed(_remainders())):
        correction = [[_multiply(factor, value) for factor in remainder] for value in values]
        for block in range(_BLOCKS):
            place = block * _BLOCK_DATA + position
            codewords[place, :, position * _BLOCKS + block] = values
            codewords[place, :, _DATA_CODEWORDS + block :: _BLOCKS] = correction
    bits = np.unpackbits(codewords.reshape(-1, _CODEWORDS), axis=1)
    rows, columns = _places(region)
    modules = np.zeros((len(bits), SIZE, SIZE), bool)
    # The symbol ends with a few modules that belong to no codeword.
    modules[:, rows[: bits.shape[1]], columns[: bits.shape[1]]] = bits
    return modules


def _mask(mask: int, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which modules a mask inverts, by row and column (ISO/IEC 18004:2015, table 10)."""
    product = i * j
    conditions = (
        (i + j) % 2,
        i % 2,
        j % 3,
        (i + j) % 3,
        (i // 2 + j // 3) % 2,
        product % 2 + product % 3,
        (product % 2 + product % 3) % 2,
        ((i + j) % 2 + product % 3) % 2,
    )
    return np.equal(conditions[mask], 0)


@cache
def _remainders() -> tuple[tuple[int, ...], ...]:
    """Return x^(18 + k) modulo the generator polynomial for each k, highest coefficient first (Reed–Solomon)."""
    generator = [1]
    root = 1
    for _ in range(_BLOCK_CORRECTION):
        shifted = [*generator, 0]
        for index, factor in enumerate(generator):
            shifted[index + 1] ^= _multiply(factor, root)
        generator = shifted
        root = _multiply(root, 2)
    tail = generator[1:]
    remainder = tail
    found = [tuple(remainder)]
    for _ in range(_BLOCK_DATA - 1):
        lead, *rest = *remainder, 0
        remainder = [value ^ _multiply(lead, factor) for value, factor in zip(rest, tail, strict=True)]
        found.append(tuple(remainder))
    return tuple(found)


def _multiply(a: int, b: int) -> int:
    """Multiply in GF(256)."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= _FIELD_POLYNOMIAL
        b >>= 1
    return product
