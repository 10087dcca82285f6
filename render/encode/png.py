"""PNG (ISO/IEC 15948) from palette indices: one filter-free deflate call and our own framing.

Pages are text on white: measured on 300 dpi pages, every row filter makes them larger (``up`` by 10 to 25 %), and one
pass of ISA-L at level 1 is within a fifth of the bytes of deflate's slow settings at a tenth of their time.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from render.errors import Fault, InputError
from render.pixels import PagePixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PALETTE = 256

_INDEXED_COLOUR = 3
_MAX_KEYWORD_BYTES = 79
_METRE = 1

Buffer = NDArray[np.uint8]


def _deflate_fast(rows: Buffer) -> bytes:
    return bytes(isal_zlib.compress(rows, 1))


def _deflate_small(rows: Buffer) -> bytes:
    from zlib_ng import zlib_ng

    return bytes(zlib_ng.compress(rows, 6))


_DEFLATE: Mapping[str, Callable[[Buffer], bytes]] = MappingProxyType({"fast": _deflate_fast, "small": _deflate_small})
_NO_TEXT: Mapping[str, str] = MappingProxyType({})


class PngEncoder:
    """Writes palette PNG at the smallest bit depth that holds the palette. Safe for several threads."""

    media_type = "image/png"
    suffix = ".png"
    levels = tuple(_DEFLATE)

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = _NO_TEXT) -> bytes:
        """Return a PNG with the resolution (pHYs) and texts (tEXt, or iTXt beyond Latin-1) in it.

        Args:
            pixels: at least one pixel, 1 to 256 colours.
            level: ``fast``, or ``small``: about four fifths of the bytes in several times the time.
            text: keyword to value; written in the order of keywords.

        Raises:
            InputError: no such level, a page that a palette PNG cannot hold, or an invalid keyword or value.
        """
        faults = _faults(pixels, level, text)
        if faults:
            raise InputError("the page cannot be written as PNG.", faults=tuple(faults))
        height, width = pixels.index.shape
        depth = _bit_depth(len(pixels.palette))
        header = struct.pack(">IIBBBBB", width, height, depth, _INDEXED_COLOUR, 0, 0, 0)
        # pHYs counts pixels in a metre, of 254/10000 inch.
        per_metre = (pixels.dpi * 10000 + 127) // 254
        return b"".join(
            (
                SIGNATURE,
                _chunk(b"IHDR", header),
                _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, _METRE)),
                *(_text_chunk(keyword, text[keyword]) for keyword in sorted(text)),
                _chunk(b"PLTE", pixels.palette.tobytes()),
                _chunk(b"IDAT", _DEFLATE[level](_scanlines(pixels.index, depth))),
                _chunk(b"IEND", b""),
            )
        )


def _faults(pixels: PagePixels, level: str, text: Mapping[str, str]) -> list[Fault]:
    faults = []
    if level not in _DEFLATE:
        faults.append(
            Fault("level", "encode.level_unknown", f"no level {level!r}.", f"Choose from {', '.join(_DEFLATE)}.")
        )
    if not pixels.index.size or not 1 <= len(pixels.palette) <= MAX_PALETTE:
        message = f"{pixels.index.shape} pixels with {len(pixels.palette)} colours."
        faults.append(Fault("pixels", "encode.page_shape", message, "Give at least one pixel and 1 to 256 colours."))
    elif int(pixels.index.max()) >= len(pixels.palette):
        faults.append(Fault("pixels", "encode.index_range", "an index is outside the palette.", "Extend the palette."))
    for keyword, value in text.items():
        if not _is_keyword(keyword) or "\0" in value or not value.isprintable():
            message = f"{keyword!r} cannot be written."
            hint = "Use 1 to 79 printable Latin-1 characters as keyword and printable text as value."
            faults.append(Fault("text", "encode.text_invalid", message, hint))
    return faults


def _is_keyword(keyword: str) -> bool:
    """Tell whether a keyword is allowed by ISO/IEC 15948, 11.3.4.2."""
    try:
        length = len(keyword.encode("latin-1"))
    except UnicodeEncodeError:
        return False
    is_spaced_well = keyword == keyword.strip() and "  " not in keyword
    return 1 <= length <= _MAX_KEYWORD_BYTES and is_spaced_well and keyword.isprintable()


def _bit_depth(n_colours: int) -> int:
    return next(depth for depth in (1, 2, 4, 8) if n_colours <= 1 << depth)


class _Scratch(threading.local):
    """One buffer a thread for the rows of a page: fresh memory would cost more than filling it."""

    def __init__(self) -> None:
        self._buffer: Buffer = np.zeros((0, 0), np.uint8)

    def rows(self, shape: tuple[int, int]) -> Buffer:
        """Return uint8[shape] whose first column is 0."""
        if self._buffer.shape != shape:
            self._buffer = np.zeros(shape, np.uint8)
        return self._buffer


_scratch = _Scratch()


def _scanlines(index: NDArray[np.uint8], depth: int) -> Buffer:
    """Return the rows packed to ``depth`` bits, each after its filter type 0; valid until the thread's next call."""
    height, width = index.shape
    per_byte = 8 // depth
    rows = _scratch.rows((height, 1 + -(-width // per_byte)))
    packed = rows[:, 1:]
    np.copyto(packed[:, : -(-width // per_byte)], index[:, ::per_byte] << (8 - depth) if depth < 8 else index)
    for place in range(1, per_byte):
        column = index[:, place::per_byte]
        packed[:, : column.shape[1]] |= column << (8 - depth * (place + 1))
    return rows


def _text_chunk(keyword: str, value: str) -> bytes:
    name = keyword.encode("latin-1")
    try:
        return _chunk(b"tEXt", name + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        # iTXt: no compression, no language, no translated keyword.
        return _chunk(b"iTXt", name + b"\0\0\0\0\0" + value.encode())


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum: Any = isal_zlib.crc32(body, isal_zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
