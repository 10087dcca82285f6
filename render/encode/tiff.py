"""TIFF 6.0 with one strip: palette or grey by deflate (compression 8, Adobe), bilevel by ITU-T T.6 (G4) of libtiff.

The container is a header and one directory, which is written here: libtiff's own deflate takes twenty times as long.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from render.encode.deflate import ZLIB_STREAM, RowScratch, pack_rows
from render.encode.metadata import text_faults, xmp_packet
from render.encode.request import NO_TEXT, level_faults, page_faults, refuse
from render.errors import BackendUnavailable
from render.pixels import PagePixels

INK_BELOW = 170
"""Luma below which a pixel of a bilevel page is ink. A seal's red (luma 76 to 87) is the palest ink that must stay; a
pixel half covered by it has 165 to 171, so its strokes keep their width. Black and dark red strokes, which reach this
luma at a third of a pixel, grow by a sixth of a pixel on each side; watermarks (luma above 230) go. Modules of a QR
code keep their grid, since all their edges move outward alike."""

MAX_SIDE = 1 << 20
_MAX_DPI = 65_535
_XMP_TAG = 700
_INCH = 2
_ADOBE_DEFLATE = 8
_FULL_PALETTE = 256

_scratch = RowScratch()


class _Type(IntEnum):
    """Field types of TIFF 6.0, section 2."""

    BYTE = 1
    SHORT = 3
    LONG = 4
    RATIONAL = 5


_PACKING: Mapping[_Type, tuple[str, int]] = MappingProxyType(
    {_Type.BYTE: ("B", 1), _Type.SHORT: ("H", 1), _Type.LONG: ("I", 1), _Type.RATIONAL: ("I", 2)}
)


@dataclass(frozen=True, slots=True)
class _Field:
    tag: int
    type: _Type
    values: tuple[int, ...] | bytes

    def entry(self, at: int) -> tuple[bytes, bytes]:
        """Return the directory entry, and the bytes that must stand at offset ``at`` if they do not fit into it."""
        letter, numbers = _PACKING[self.type]
        body = struct.pack(f"<{len(self.values)}{letter}", *self.values)
        head = struct.pack("<HHI", self.tag, self.type, len(self.values) // numbers)
        if len(body) <= 4:
            return head + body.ljust(4, b"\0"), b""
        return head + struct.pack("<I", at), body + b"\0" * (len(body) % 2)


class TiffEncoder:
    """Writes palette or grey TIFF by deflate. Safe for several threads.

    Args:
        is_grey: one channel of luma (:func:`render.pixels.luma`) rather than palette indices.
    """

    media_type = "image/tiff"
    suffix = ".tif"
    levels = tuple(ZLIB_STREAM)

    def __init__(self, *, is_grey: bool = False) -> None:
        self.is_grey = is_grey

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return a TIFF with the resolution and texts (XMP) in it; every pixel is exact.

        Args:
            pixels: the page.
            level: ``fast``, or ``small``: see PNG, which holds the same stream.
            text: as for JPEG.

        Raises:
            InputError: no such level, a page that TIFF cannot hold, or a keyword or value that XMP cannot.
        """
        faults = [*level_faults(level, self.levels), *page_faults(pixels, MAX_SIDE, _MAX_DPI), *text_faults(text)]
        refuse(faults, "TIFF")
        height, width = pixels.index.shape
        # Palettes of 16 colours and fewer have a depth of 4 bits; TIFF's baseline knows no other packed depth.
        depth = 4 if len(pixels.palette) <= 16 and not self.is_grey else 8
        rows = _scratch.take((height, -(-width * depth // 8)))
        if self.is_grey:
            pixels.grey(rows)
        else:
            pack_rows(pixels.index, depth, rows)
        strip = ZLIB_STREAM[level](rows)
        colours = () if self.is_grey else _colour_map(pixels.palette, 1 << depth)
        return _file(_fields(pixels, depth, colours, xmp_packet(text)), strip)


class TiffG4Encoder:
    """Writes bilevel TIFF by G4, which fax, archives and document systems read. Safe for several threads.

    What counts as ink is stated at INK_BELOW.

    Raises:
        BackendUnavailable: Pillow was built without libtiff.
    """

    media_type = "image/tiff"
    suffix = ".tif"
    levels: tuple[str, ...] = ("fast",)

    def __init__(self) -> None:
        if not features.check("libtiff"):
            raise BackendUnavailable("G4 cannot be written: Pillow lacks libtiff.", hint="Install `pillow`'s wheel.")

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return a bilevel TIFF with the resolution and texts (XMP) in it.

        Args:
            pixels: the page.
            level: ``fast``; the code has no choices to spend time on.
            text: as for JPEG.

        Raises:
            InputError: no such level, a page that TIFF cannot hold, or a keyword or value that XMP cannot.
        """
        faults = [*level_faults(level, self.levels), *page_faults(pixels, MAX_SIDE, _MAX_DPI), *text_faults(text)]
        refuse(faults, "TIFF")
        height, width = pixels.index.shape
        paper = np.packbits(pixels.ink(INK_BELOW), axis=1) ^ np.uint8(0xFF)
        image = Image.frombytes("1", (width, height), paper.tobytes())
        packet = xmp_packet(text)
        file = io.BytesIO()
        image.save(
            file,
            "TIFF",
            compression="group4",
            dpi=(pixels.dpi, pixels.dpi),
            tiffinfo={_XMP_TAG: packet} if packet else {},
            # One strip: every strip begins with a white line to which nothing above can be compared.
            strip_size=1 << 30,
        )
        return file.getvalue()


def _colour_map(palette: NDArray[np.uint8], size: int) -> tuple[int, ...]:
    """Return all reds, then greens, then blues, in 16 bits (TIFF 6.0, ColorMap)."""
    colours = np.zeros((3, size), np.uint32)
    # 257 takes 255 to 65,535 exactly.
    colours[:, : len(palette)] = palette.T.astype(np.uint32) * 257
    return tuple(colours.reshape(-1).tolist())


def _fields(pixels: PagePixels, depth: int, colours: tuple[int, ...], packet: bytes) -> list[_Field]:
    """Return the directory in the order of tags, without where the strip is and how long."""
    height, width = pixels.index.shape
    palette_colour, black_is_zero = 3, 1
    return [
        _Field(256, _Type.LONG, (width,)),
        _Field(257, _Type.LONG, (height,)),
        _Field(258, _Type.SHORT, (depth,)),
        _Field(259, _Type.SHORT, (_ADOBE_DEFLATE,)),
        _Field(262, _Type.SHORT, (palette_colour if colours else black_is_zero,)),
        _Field(277, _Type.SHORT, (1,)),
        _Field(278, _Type.LONG, (height,)),
        _Field(282, _Type.RATIONAL, (pixels.dpi, 1)),
        _Field(283, _Type.RATIONAL, (pixels.dpi, 1)),
        _Field(296, _Type.SHORT, (_INCH,)),
        *([_Field(320, _Type.SHORT, colours)] if colours else []),
        *([_Field(_XMP_TAG, _Type.BYTE, packet)] if packet else []),
    ]


def _file(fields: list[_Field], strip: bytes) -> bytes:
    """Return header, directory, long values and strip."""
    n_entries = len(fields) + 2
    values_at = 8 + 2 + 12 * n_entries + 4
    # The values' length is known when every entry is; where the strip begins does not change it.
    long_values = sum(len(field.entry(0)[1]) for field in fields)
    place = (
        _Field(273, _Type.LONG, (values_at + long_values,)),
        _Field(279, _Type.LONG, (len(strip),)),
    )
    entries, values = [], []
    at = values_at
    for field in sorted((*fields, *place), key=lambda field: field.tag):
        entry, body = field.entry(at)
        entries.append(entry)
        values.append(body)
        at += len(body)
    header = struct.pack("<2sHIH", b"II", 42, 8, n_entries)
    return b"".join((header, *entries, struct.pack("<I", 0), *values, strip))
