"""TIFF 6.0 with one strip a page: palette, grey or RGB by deflate (compression 8, Adobe), bilevel by ITU-T T.6 (G4).

All pages of a document stand in one file, as fax and archives keep them. The container is written here, since libtiff's
own deflate takes twenty times as long and would compress the pages only once all are there.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, features

from render.encode.deflate import ZLIB_STREAM, RowScratch, deflated_samples, pack_rows
from render.encode.metadata import text_faults, xmp_packet
from render.encode.request import NO_TEXT, level_faults, page_faults, refuse
from render.encode.rgb_pages import RgbPages
from render.encode.tiff_file import Field, TiffPage, Type, tiff_file
from render.errors import BackendUnavailable, Fault
from render.pixels import PagePixels

INK_BELOW = 170
"""Luma below which a pixel of a bilevel page is ink. A seal's red (luma 76 to 87) is the palest ink that must stay; a
pixel half covered by it has 165 to 171, so its strokes keep their width. Black and dark red strokes, which reach this
luma at a third of a pixel, grow by a sixth of a pixel on each side; watermarks (luma above 230) go. Modules of a QR
code keep their grid, since all their edges move outward alike."""

MAX_SIDE = 1 << 20
_MAX_DPI = 65_535
_INCH = 2
_ADOBE_DEFLATE, _T6 = 8, 4
_BLACK_IS_ZERO, _RGB, _PALETTE = 1, 2, 3

Mode = Literal["indexed", "grey", "rgb"]

_scratch, _colours = RowScratch(), RgbPages()


class _PagedEncoder(ABC):
    """What the encoders of TIFF share: a page by itself, or the pages of a document in one file."""

    media_type = "image/tiff"
    suffix = ".tif"
    levels: tuple[str, ...]

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return a TIFF of one page with the resolution and texts (XMP) in it.

        Args:
            pixels: the page.
            level: ``fast``, or ``small`` where the format has it: see PNG, which holds the same stream.
            text: as for JPEG.

        Raises:
            InputError: no such level, a page that TIFF cannot hold, or a keyword or value that XMP cannot.
        """
        refuse([*text_faults(text), *self._faults(pixels, level)], "TIFF")
        return tiff_file([self._page(pixels, level)], xmp_packet(text))

    def encode_page(self, pixels: PagePixels, *, level: str = "fast") -> TiffPage:
        """Return one page of a document for :meth:`join`.

        Raises:
            InputError: no such level, or a page that TIFF cannot hold.
        """
        refuse(self._faults(pixels, level), "TIFF")
        return self._page(pixels, level)

    def join(self, pages: Sequence[TiffPage], *, text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return the file of a document; of one page, the same bytes as :meth:`encode`.

        Raises:
            InputError: the pages are too many or too large for a TIFF, or a text that XMP cannot hold.
        """
        refuse(text_faults(text), "TIFF")
        return tiff_file(pages, xmp_packet(text))

    def _faults(self, pixels: PagePixels, level: str) -> list[Fault]:
        return [*level_faults(level, self.levels), *page_faults(pixels, MAX_SIDE, _MAX_DPI)]

    @abstractmethod
    def _page(self, pixels: PagePixels, level: str) -> TiffPage:
        """Compress a page in which no fault was found."""


class TiffEncoder(_PagedEncoder):
    """Writes palette, grey or RGB TIFF by deflate; every pixel is exact. Safe for several threads.

    Args:
        mode: palette indices, one channel of luma (:func:`render.pixels.luma`), or three channels.
    """

    levels = tuple(ZLIB_STREAM)

    def __init__(self, *, mode: Mode = "indexed") -> None:
        self.mode = mode

    def _page(self, pixels: PagePixels, level: str) -> TiffPage:
        height, width = pixels.index.shape
        # Palettes of 16 colours and fewer have a depth of 4 bits; TIFF's baseline knows no other packed depth.
        depth = 4 if len(pixels.palette) <= 16 and self.mode == "indexed" else 8
        samples = 3 if self.mode == "rgb" else 1
        rows = pixels.index
        if self.mode == "grey":
            rows = pixels.grey(_scratch.take((height, width)))
        elif self.mode == "rgb":
            rows = _colours.rgb(pixels).reshape(height, width * samples)
        elif depth < 8:
            rows = _scratch.take((height, -(-width * depth // 8)))
            pack_rows(pixels.index, depth, rows)
        more = []
        if self.mode == "indexed":
            more.append(Field(320, Type.SHORT, _colour_map(pixels.palette, 1 << depth)))
        colour = {"indexed": _PALETTE, "grey": _BLACK_IS_ZERO, "rgb": _RGB}[self.mode]
        fields = _fields(pixels, (depth,) * samples, _ADOBE_DEFLATE, colour)
        if self.mode == "rgb":
            return TiffPage((*fields, *more), deflated_samples(rows, level))
        return TiffPage((*fields, *more), ZLIB_STREAM[level](rows, on_ground=pixels.on_ground))


class TiffG4Encoder(_PagedEncoder):
    """Writes bilevel TIFF by G4, which fax, archives and document systems read. Safe for several threads.

    What counts as ink is stated at INK_BELOW. There is one level, since the code has no choices to spend time on.

    Raises:
        BackendUnavailable: Pillow was built without libtiff.
    """

    levels: tuple[str, ...] = ("fast",)

    def __init__(self) -> None:
        if not features.check("libtiff"):
            raise BackendUnavailable("G4 cannot be written: Pillow lacks libtiff.", hint="Install `pillow`'s wheel.")

    def _page(self, pixels: PagePixels, level: str) -> TiffPage:  # noqa: ARG002 there is one level
        height, width = pixels.index.shape
        paper = np.packbits(pixels.ink(INK_BELOW), axis=1) ^ np.uint8(0xFF)
        image = Image.frombytes("1", (width, height), paper.tobytes())
        file = io.BytesIO()
        # One strip: every strip begins with a white line to which nothing above can be compared.
        image.save(file, "TIFF", compression="group4", strip_size=1 << 30)
        strip, colour = _only_strip(file.getvalue())
        return TiffPage((*_fields(pixels, (1,), _T6, colour), Field(293, Type.LONG, (0,))), strip)


def _colour_map(palette: NDArray[np.uint8], size: int) -> tuple[int, ...]:
    """Return all reds, then greens, then blues, in 16 bits (TIFF 6.0, ColorMap)."""
    colours = np.zeros((3, size), np.uint32)
    # 257 takes 255 to 65,535 exactly.
    colours[:, : len(palette)] = palette.T.astype(np.uint32) * 257
    return tuple(colours.reshape(-1).tolist())


def _fields(pixels: PagePixels, depths: tuple[int, ...], compression: int, colour: int) -> tuple[Field, ...]:
    """Return what every page states of itself: size, samples, compression, resolution."""
    height, width = pixels.index.shape
    return (
        Field(256, Type.LONG, (width,)),
        Field(257, Type.LONG, (height,)),
        Field(258, Type.SHORT, depths),
        Field(259, Type.SHORT, (compression,)),
        Field(262, Type.SHORT, (colour,)),
        Field(277, Type.SHORT, (len(depths),)),
        Field(278, Type.LONG, (height,)),
        Field(282, Type.RATIONAL, (pixels.dpi, 1)),
        Field(283, Type.RATIONAL, (pixels.dpi, 1)),
        Field(296, Type.SHORT, (_INCH,)),
    )


def _only_strip(data: bytes) -> tuple[bytes, int]:
    """Return the strip of a TIFF that has one, and what its zeros are (PhotometricInterpretation)."""
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
        (at,), (length,), colour = tags[273], tags[279], int(tags[262])
    return data[at : at + length], colour
