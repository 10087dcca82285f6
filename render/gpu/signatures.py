"""The CUDA kernels: entry points, arguments in order, and the launch of each.

Nothing here needs a device or its libraries. Every array argument is a C-contiguous device pointer, every scalar an
int64 by value; the CPU twins (``.py`` beside each ``.cu``) take the same arguments in the same order as NumPy arrays.

A batch goes through the kernels in the order of KERNELS:

    bin_items_count, bin_items_scan, bin_items_fill      which stamps and rectangles touch which tile
    composite_tiles                                      pages as palette indices
    splice_png_encode, _join, _place, _write, _checksum  zlib streams for the IDAT chunks, packed in one buffer

Sizes are columns of a page table, so pages of different templates and sizes share one launch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

TILE_WIDTH, TILE_HEIGHT = 128, 32
"""Pixels of a tile; one block composes one tile."""

PAGE_ALIGN = 16
"""Page pitches and all offsets into ``pages`` and ``grounds`` are multiples of this."""

PIECE_BYTES = 4096
"""Bytes of PNG scanlines, filter types included, that one block encodes."""

MAX_CODE_BITS = 12
"""Longest Huffman code of literals and lengths; DEFLATE would allow 15."""

PIECE_WORDS = PIECE_BYTES * MAX_CODE_BITS // 32
"""32-bit words in which the bits of any piece fit: no match costs more than as many literals could."""

LITERAL_CODES = 0
END_CODE = 256
LENGTH_CODES = 257
DISTANCE_CODES = LENGTH_CODES + 256
HEADER_BITS = DISTANCE_CODES + 30
CODE_WORDS = HEADER_BITS + 1
"""Columns of ``codes``: literals 0 … 255, end of block, lengths 3 … 258 with their extra bits, distance symbols 0 … 29
without theirs, each ``bits | count << 24`` with the first bit lowest; last the number of bits in the header."""

COUNT_SHIFT = 24

HEADER_BYTES = 512
"""Room for a stream's beginning: two bytes of zlib and the block's code lengths."""

STREAM_ALIGN = 16
"""Streams begin at multiples of this."""

_THREADS = 256


class Page(IntEnum):
    """Columns of the page table, int64[B, PAGE_COLUMNS]."""

    WIDTH = 0
    """Pixels, at least 1."""
    HEIGHT = 1
    """Pixels, at least 1; the page has fewer than 2**31 bytes of scanlines."""
    PITCH = 2
    """Bytes of a row in ``pages`` and ``grounds``: WIDTH rounded up to PAGE_ALIGN; what is beyond WIDTH is 0."""
    GROUND_OFF = 3
    """Where the page's ground begins in ``grounds``; pages may share one."""
    PAGE_OFF = 4
    """Where the page begins in ``pages``."""
    FIRST_TILE = 5
    """Index of its first tile: the sum of ``tiles_of`` of the pages before it."""
    DEPTH = 6
    """Bits of a pixel in the PNG: 1, 2, 4 or 8, all indices below 1 << DEPTH."""
    FIRST_PIECE = 7
    """Index of its first piece: the sum of ``pieces_of`` of the pages before it."""
    TABLE = 8
    """Row of ``codes`` and ``headers``."""


PAGE_COLUMNS = len(Page)


class Result(IntEnum):
    """Columns of the result table, int64[B, RESULT_COLUMNS]."""

    STREAM_OFF = 0
    """Where the page's zlib stream begins in ``streams``, or -1: it does not fit and was not written."""
    STREAM_BYTES = 1
    """Its length, also where it does not fit."""
    ADLER = 2
    """Adler-32 of the scanlines; already in the stream."""
    CRC = 3
    """CRC-32 of ``IDAT`` and the stream, as the chunk wants it."""


RESULT_COLUMNS = len(Result)


def pitch_of(width: int) -> int:
    """Return the pitch of pages of this width in pixels."""
    return -(-width // PAGE_ALIGN) * PAGE_ALIGN


def tiles_of(width: int, height: int) -> int:
    """Return how many tiles a page of this size in pixels has."""
    return -(-width // TILE_WIDTH) * -(-height // TILE_HEIGHT)


def row_bytes_of(width: int, depth: int) -> int:
    """Return the bytes of a PNG scanline, its filter type included."""
    return 1 + -(-width * depth // 8)


def pieces_of(width: int, height: int, depth: int) -> int:
    """Return how many pieces the scanlines of a page make."""
    return -(-row_bytes_of(width, depth) * height // PIECE_BYTES)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What launches depend on.

    Attributes:
        n_items: stamps and rectangles of the batch.
        n_pages: pages of the batch, 1 … 65,535.
        max_tiles: most tiles of one page.
        max_pieces: most pieces of one page.
    """

    n_items: int
    n_pages: int
    max_tiles: int
    max_pieces: int


Grid = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a kernel.

    Attributes:
        dtype: NumPy's name; arrays as pointers, scalars int64.
        shape: of an array in words of this module, empty for a scalar.
        role: ``in``, ``out`` (written completely where it counts), ``inout``, or ``scalar``.
    """

    name: str
    dtype: str
    shape: str
    role: Literal["in", "out", "inout", "scalar"]
    meaning: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """One entry point.

    Attributes:
        name: ``extern "C"`` name, also of the CPU twin.
        file: of the source, relative to the package ``render``; the twin has the suffix ``.py``.
        threads: of a block, one dimension.
        grid: blocks; launch nothing where a dimension is 0.
        shared_bytes: dynamic shared memory; all of it is static.
    """

    name: str
    file: str
    arguments: tuple[Argument, ...]
    threads: int
    grid: Callable[[Sizes], Grid]
    shared_bytes: int = 0


def _in(name: str, dtype: str, shape: str, meaning: str) -> Argument:
    return Argument(name, dtype, shape, "in", meaning)


def _out(name: str, dtype: str, shape: str, meaning: str) -> Argument:
    return Argument(name, dtype, shape, "out", meaning)


def _inout(name: str, dtype: str, shape: str, meaning: str) -> Argument:
    return Argument(name, dtype, shape, "inout", meaning)


def _scalar(name: str, meaning: str) -> Argument:
    return Argument(name, "int64", "", "scalar", meaning)


def _per_item(sizes: Sizes) -> Grid:
    return (-(-sizes.n_items // _THREADS), 1, 1)


def _single(sizes: Sizes) -> Grid:
    return (1 if sizes.n_pages else 0, 1, 1)


def _per_page(sizes: Sizes) -> Grid:
    return (sizes.n_pages, 1, 1)


def _per_tile(sizes: Sizes) -> Grid:
    return (sizes.max_tiles, sizes.n_pages, 1)


def _per_piece(sizes: Sizes) -> Grid:
    return (sizes.max_pieces, sizes.n_pages, 1)


def _per_piece_and_one(sizes: Sizes) -> Grid:
    return (sizes.max_pieces + 1, sizes.n_pages, 1)


_PAGE_TABLE = _in("page_table", "int64", "[B, PAGE_COLUMNS]", "see Page")
_PITCH = _in("cell_pitch", "int32", "[S]", "pixels in a row of the stamp's cell, a multiple of 16, padded with 0")
_ROWS = _in("cell_rows", "int32", "[S]", "rows of the cell")
_LEFT = _in("left", "int32", "[S]", "page column of the cell's first pixel; may lie outside the page")
_TOP = _in("top", "int32", "[S]", "page row of the cell's first pixel; may lie outside the page")
_RECT_PX = _in("rect_px", "int32", "[R, 4]", "left, top, right, bottom, half open; may reach outside the page")
_ITEM_PAGE = _in("item_page", "int32", "[S + R]", "page of each stamp, then of each rectangle; negative: left out")
_N_STAMPS = _scalar("n_stamps", "S")
_N_RECTS = _scalar("n_rects", "R")
_CODES = _in("codes", "uint32", "[C, CODE_WORDS]", "Huffman codes, see LITERAL_CODES … HEADER_BITS")
_BINNED = (_PITCH, _ROWS, _LEFT, _TOP, _RECT_PX, _ITEM_PAGE, _N_STAMPS, _N_RECTS, _PAGE_TABLE)

_BIN = "raster/kernels/bin_items.cu"
_COMPOSITE = "raster/kernels/composite_tiles.cu"
_SPLICE = "encode/kernels/splice_png.cu"

BIN_ITEMS_COUNT = Kernel(
    "bin_items_count",
    _BIN,
    (*_BINNED, _inout("tile_next", "uint32", "[T]", "zeroed by the host; items of each tile")),
    _THREADS,
    _per_item,
)
BIN_ITEMS_SCAN = Kernel(
    "bin_items_scan",
    _BIN,
    (
        _inout("tile_next", "uint32", "[T]", "items of each tile; afterwards tile_off[:T]"),
        _scalar("n_tiles", "T"),
        _out("tile_off", "uint32", "[T + 1]", "where the list of each tile begins in tile_items"),
    ),
    1024,
    _single,
)
BIN_ITEMS_FILL = Kernel(
    "bin_items_fill",
    _BIN,
    (
        *_BINNED,
        _inout("tile_next", "uint32", "[T]", "as the scan left it; afterwards tile_off[1:]"),
        _scalar("capacity", "length of tile_items; `count_pairs` of the twin tells what is needed, below 2**32"),
        _out("tile_items", "int32", "[capacity]", "stamp, or S + rectangle; within a tile in any order"),
    ),
    _THREADS,
    _per_item,
)
COMPOSITE_TILES = Kernel(
    "composite_tiles",
    _COMPOSITE,
    (
        _PAGE_TABLE,
        _in("grounds", "uint8", "[*]", "resident backgrounds, palette indices"),
        _in("cells", "uint8", "[N]", "resident atlas, palette indices, cells beginning at multiples of 4"),
        _in("cell_start", "int64", "[S]", "where each stamp's cell begins in cells"),
        _PITCH,
        _ROWS,
        _LEFT,
        _TOP,
        _RECT_PX,
        _in("rect_index", "uint8", "[R]", "palette index of each rectangle"),
        _N_STAMPS,
        _in("tile_off", "uint32", "[T + 1]", "of bin_items_scan"),
        _in("tile_items", "int32", "[*]", "of bin_items_fill"),
        _out("pages", "uint8", "[*]", "rows of PITCH bytes at PAGE_OFF, written completely"),
    ),
    _THREADS,
    _per_tile,
)
SPLICE_PNG_ENCODE = Kernel(
    "splice_png_encode",
    _SPLICE,
    (
        _PAGE_TABLE,
        _in("pages", "uint8", "[*]", "of composite_tiles"),
        _CODES,
        _out("piece_words", "uint32", "[K, PIECE_WORDS]", "bits of each piece, the first lowest; K pieces"),
        _out("piece_bits", "uint32", "[K]", "how many"),
        _out("piece_sums", "uint32", "[K, 2]", "sum of the bytes, and of the bytes times their distance to the end"),
    ),
    _THREADS,
    _per_piece,
)
SPLICE_PNG_JOIN = Kernel(
    "splice_png_join",
    _SPLICE,
    (
        _PAGE_TABLE,
        _CODES,
        _in("piece_bits", "uint32", "[K]", "of splice_png_encode"),
        _in("piece_sums", "uint32", "[K, 2]", "of splice_png_encode"),
        _out("piece_bit_off", "int64", "[K]", "first bit of each piece in the page's stream"),
        _out("results", "int64", "[B, RESULT_COLUMNS]", "STREAM_BYTES and ADLER; see Result"),
    ),
    _THREADS,
    _per_page,
)
SPLICE_PNG_PLACE = Kernel(
    "splice_png_place",
    _SPLICE,
    (
        _scalar("n_pages", "B"),
        _scalar("capacity", "bytes of streams"),
        _inout("results", "int64", "[B, RESULT_COLUMNS]", "STREAM_OFF is added"),
    ),
    _THREADS,
    _single,
)
SPLICE_PNG_WRITE = Kernel(
    "splice_png_write",
    _SPLICE,
    (
        _PAGE_TABLE,
        _CODES,
        _in("headers", "uint8", "[C, HEADER_BYTES]", "the first bits of a stream, padded with 0"),
        _in("piece_words", "uint32", "[K, PIECE_WORDS]", "of splice_png_encode"),
        _in("piece_bits", "uint32", "[K]", "of splice_png_encode"),
        _in("piece_bit_off", "int64", "[K]", "of splice_png_join"),
        _in("results", "int64", "[B, RESULT_COLUMNS]", "of splice_png_place"),
        _inout("streams", "uint32", "[capacity / 4]", "zeroed by the host; zlib streams, bytes in order"),
    ),
    _THREADS,
    _per_piece_and_one,
)
SPLICE_PNG_CHECKSUM = Kernel(
    "splice_png_checksum",
    _SPLICE,
    (
        _in("streams", "uint8", "[capacity]", "of splice_png_write"),
        _inout("results", "int64", "[B, RESULT_COLUMNS]", "CRC is added"),
    ),
    _THREADS,
    _per_page,
)

KERNELS = (
    BIN_ITEMS_COUNT,
    BIN_ITEMS_SCAN,
    BIN_ITEMS_FILL,
    COMPOSITE_TILES,
    SPLICE_PNG_ENCODE,
    SPLICE_PNG_JOIN,
    SPLICE_PNG_PLACE,
    SPLICE_PNG_WRITE,
    SPLICE_PNG_CHECKSUM,
)
"""In the order in which a batch runs them, on one stream."""
