"""PNG (ISO/IEC 15948) from palette indices or luma: one filter-free zlib stream and our own framing.

Pages are text on white: measured on 300 dpi pages, every row filter makes them larger (``up`` by 10 to 25 %). What a
filter would find, rows that repeat the row above, deflate's matches express as well.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from isal import isal_zlib

from render.encode.deflate import ZLIB_STREAM, Rows, RowScratch, deflated, pack_rows
from render.encode.request import NO_TEXT, level_faults, page_faults, refuse
from render.errors import Fault
from render.pixels import PagePixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 2**31 - 1
MAX_DPI = 2**31 * 254 // 10000 - 1

_GREY, _INDEXED_COLOUR = 0, 3
_MAX_KEYWORD_BYTES = 79
_METRE = 1
MAX_DEPTH = 8

_scratch, _grey_scratch = RowScratch(), RowScratch()


class PngEncoder:
    """Writes palette PNG at the smallest bit depth that holds the palette, or grey. Safe for several threads.

    Args:
        is_grey: one channel of luma (:func:`render.pixels.luma`) rather than palette indices.
    """

    media_type = "image/png"
    suffix = ".png"
    levels = tuple(ZLIB_STREAM)

    def __init__(self, *, is_grey: bool = False) -> None:
        self.is_grey = is_grey

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return a PNG with the resolution (pHYs) and texts (tEXt, or iTXt beyond Latin-1) in it.

        Args:
            pixels: at least one pixel, 1 to 256 colours.
            level: ``fast``, or ``small``: about four fifths of the bytes in several times the time.
            text: keyword to value; written in the order of keywords.

        Raises:
            InputError: no such level, a page that a palette PNG cannot hold, or an invalid keyword or value.
        """
        faults = [*level_faults(level, self.levels), *page_faults(pixels, MAX_SIDE, MAX_DPI), *_text_faults(text)]
        refuse(faults, "PNG")
        height, width = pixels.index.shape
        depth = MAX_DEPTH if self.is_grey else _bit_depth(len(pixels.palette))
        colour = _GREY if self.is_grey else _INDEXED_COLOUR
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        # pHYs counts pixels in a metre, of 254/10000 inch.
        per_metre = (pixels.dpi * 10000 + 127) // 254
        rows = _rows(pixels, depth, is_grey=self.is_grey)
        stream = deflated(rows, level, lead=1, on_ground=pixels.on_ground)
        return b"".join(
            (
                SIGNATURE,
                _chunk(b"IHDR", header),
                _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, _METRE)),
                *(_text_chunk(keyword, text[keyword]) for keyword in sorted(text)),
                *([] if self.is_grey else [_chunk(b"PLTE", pixels.palette.tobytes())]),
                *_parts(b"IDAT", stream),
                _chunk(b"IEND", b""),
            )
        )


def _text_faults(text: Mapping[str, str]) -> list[Fault]:
    faults = []
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
    return next(depth for depth in (1, 2, 4, MAX_DEPTH) if n_colours <= 1 << depth)


def _rows(pixels: PagePixels, depth: int, *, is_grey: bool) -> Rows:
    """Return the rows without their filter types; valid until the thread's next call."""
    height, width = pixels.index.shape
    values = pixels.grey(_grey_scratch.take((height, width))) if is_grey else pixels.index
    if depth == MAX_DEPTH:
        return values
    rows = _scratch.take((height, -(-width * depth // MAX_DEPTH)))
    pack_rows(values, depth, rows)
    return rows


def _text_chunk(keyword: str, value: str) -> bytes:
    name = keyword.encode("latin-1")
    try:
        return _chunk(b"tEXt", name + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        # iTXt: no compression, no language, no translated keyword.
        return _chunk(b"iTXt", name + b"\0\0\0\0\0" + value.encode())


def _chunk(kind: bytes, body: bytes) -> bytes:
    return b"".join(_parts(kind, body))


def _parts(kind: bytes, body: bytes | memoryview) -> tuple[bytes, bytes, bytes | memoryview, bytes]:
    """Return a chunk in parts: a large body is copied once, when the file is joined."""
    checksum: Any = isal_zlib.crc32(body, isal_zlib.crc32(kind))
    return struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)
