"""PNG (ISO/IEC 15948) by the device: it encodes the scanlines where they were composed, the host adds the frame.

The stream differs from that of :class:`render.encode.png.PngEncoder`; every reader sees the same pixels, palette and
resolution. A page's bytes depend on the page alone, not on the batch that it came in.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from render.encode.formats import FORMATS
from render.encode.png import SIGNATURE, PngEncoder
from render.encode.splice_table import SpliceTable, make_splice_table
from render.gpu.flight import Flight
from render.gpu.pages import DevicePages, PageKind, Pending
from render.gpu.signatures import (
    PIECE_WORDS,
    RESULT_COLUMNS,
    SPLICE_PNG_CHECKSUM,
    SPLICE_PNG_ENCODE,
    SPLICE_PNG_JOIN,
    SPLICE_PNG_PLACE,
    SPLICE_PNG_WRITE,
    STREAM_ALIGN,
    Page,
    Result,
    pieces_of,
    row_bytes_of,
)
from render.pixels import PagePixels

ROOM_SHARE = 4
"""A stream may have a fourth of its scanlines' bytes; everyday pages have about a twentieth."""

LEAST_ROOM = 4096
"""For pages so small that the block's header is most of them."""

_KEPT_TABLES = 32
_INDEXED_COLOUR = 3
_METRE = 1
_WORD, _LONG = 4, 8


class PngSink:
    """Makes PNG files of pages on the device; the CPU's counterpart is PngEncoder at its level ``fast``."""

    name = "cuda-splice"
    cpu_library = FORMATS["png"].library
    media_type = PngEncoder.media_type
    suffix = PngEncoder.suffix

    def __init__(self) -> None:
        self._cpu = PngEncoder()
        # The owner is kept beside its table, so that no other object takes its identity.
        self._tables: OrderedDict[int, tuple[object, SpliceTable]] = OrderedDict()

    def bytes_of(self, kind: PageKind) -> int:
        """Return the device memory for a page's pieces and its stream."""
        height, width = kind.index.shape
        pieces = pieces_of(width, height, kind.depth)
        return pieces * (PIECE_WORDS * _WORD + 3 * _WORD + _LONG) + room_of(width, height, kind.depth)

    def tables(self, kinds: Sequence[PageKind]) -> dict[str, NDArray[np.generic]]:
        """Return the Huffman codes and the headers of each kind of page."""
        tables = [self._table(kind) for kind in kinds]
        return {
            "codes": np.stack([table.codes for table in tables]),
            "headers": np.stack([table.header for table in tables]),
        }

    def submit(self, pages: DevicePages) -> Pending[bytes]:
        """Submit the kernels that encode, and the copy of their results."""
        flight, table, n_pages = pages.flight, pages.table, len(pages.kinds)
        shapes = table.rows[:, [Page.WIDTH, Page.HEIGHT, Page.DEPTH]].tolist()
        capacity = sum(room_of(*shape) for shape in shapes)
        streams = flight.zeros(capacity)
        addresses = {
            **pages.addresses,
            "piece_words": flight.alloc(table.n_pieces * PIECE_WORDS * _WORD),
            "piece_bits": flight.alloc(table.n_pieces * _WORD),
            "piece_sums": flight.alloc(table.n_pieces * 2 * _WORD),
            "piece_bit_off": flight.alloc(table.n_pieces * _LONG),
            "results": flight.alloc(n_pages * RESULT_COLUMNS * _LONG),
            "streams": streams,
            "n_pages": n_pages,
            "capacity": capacity,
        }
        for kernel in (
            SPLICE_PNG_ENCODE,
            SPLICE_PNG_JOIN,
            SPLICE_PNG_PLACE,
            SPLICE_PNG_WRITE,
            SPLICE_PNG_CHECKSUM,
        ):
            flight.launch(kernel, pages.sizes, addresses)
        results = flight.download(addresses["results"], n_pages * RESULT_COLUMNS * _LONG).view(np.int64)
        flight.mark()
        return _PendingStreams(flight, pages.kinds, results.reshape(n_pages, RESULT_COLUMNS), streams)

    def on_cpu(self, pixels: PagePixels) -> bytes:
        """Return the PNG of a page as the CPU writes it."""
        return self._cpu.encode(pixels)

    def _table(self, kind: PageKind) -> SpliceTable:
        key = id(kind.owner)
        if key not in self._tables:
            self._tables[key] = kind.owner, make_splice_table(kind.index, kind.depth, kind.tone)
            if len(self._tables) > _KEPT_TABLES:
                self._tables.popitem(last=False)
        self._tables.move_to_end(key)
        return self._tables[key][1]


def room_of(width: int, height: int, depth: int) -> int:
    """Return how many bytes are kept for the stream of a page of this size."""
    share = row_bytes_of(width, depth) * height // ROOM_SHARE
    return -(-max(LEAST_ROOM, share) // STREAM_ALIGN) * STREAM_ALIGN


@dataclass(frozen=True, eq=False, slots=True)
class _PendingStreams:
    """Streams that the device is about to write, ``results`` among what it copies back."""

    flight: Flight
    kinds: Sequence[PageKind]
    results: NDArray[np.int64]
    streams: int

    def collect(self) -> Sequence[bytes | None]:
        """Wait for the results, copy exactly the streams that they tell of, and frame them."""
        self.flight.land()
        results = self.results.tolist()
        end = max((row[Result.STREAM_OFF] + row[Result.STREAM_BYTES] for row in results if _fits(row)), default=0)
        if end == 0:
            return [None] * len(results)
        data = self.flight.download(self.streams, end)
        self.flight.mark()
        self.flight.land()
        files: list[bytes | None] = []
        for kind, row in zip(self.kinds, results, strict=True):
            first = row[Result.STREAM_OFF]
            stream = data[first : first + row[Result.STREAM_BYTES]]
            files.append(_frame(kind, stream, row[Result.CRC]) if _fits(row) else None)
        return files


def _fits(row: Sequence[int]) -> bool:
    return row[Result.STREAM_OFF] >= 0


def _frame(kind: PageKind, stream: NDArray[np.uint8], crc: int) -> bytes:
    """Return the file of a zlib stream whose checksum, ``IDAT`` included, is known."""
    height, width = kind.index.shape
    header = struct.pack(">IIBBBBB", width, height, kind.depth, _INDEXED_COLOUR, 0, 0, 0)
    # pHYs counts pixels in a metre, of 254/10000 inch.
    per_metre = (kind.dpi * 10000 + 127) // 254
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, _METRE)),
            _chunk(b"PLTE", kind.palette.tobytes()),
            struct.pack(">I", stream.nbytes),
            b"IDAT",
            stream.tobytes(),
            struct.pack(">I", crc),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum: Any = isal_zlib.crc32(body, isal_zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
