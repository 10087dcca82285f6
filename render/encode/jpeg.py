"""JPEG (ISO/IEC 10918-1, JFIF) in colour or grey, by libjpeg-turbo through Pillow.

Colour is never subsampled: an invoice is thin dark red strokes on white, which 4:2:0 smears. At level ``fast`` one
restart interval a row of blocks costs a thousandth of the bytes and bounds the damage of a wrong byte to that row.
Level ``small`` gives that up for progressive scans, and three points of quality: by the scans alone a grey page of 150
to 200 dpi keeps 86 % of its bytes. With both, pages of 72 to 600 dpi keep 70 to 83 %, and their structural similarity
falls by 0.001 to 0.006, at 300 dpi from 0.9964 to 0.9954 in grey.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from PIL import Image

from render.encode.metadata import text_faults, xmp_packet
from render.encode.pillow_image import colour_image
from render.encode.request import NO_TEXT, check_quality, level_faults, page_faults, refuse
from render.pixels import PagePixels

DEFAULT_QUALITY = 85
MAX_SIDE = 65_500
"""Of libjpeg-turbo."""

_MAX_DPI = 65_535

# Progressive scans take several times as long as the ready-made Huffman tables; each would repeat the restart markers.
_LEVELS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"fast": {"restart_marker_rows": 1}, "small": {"progressive": True}}
)
_QUALITY_GIVEN_UP: Mapping[str, int] = MappingProxyType({"fast": 0, "small": 3})


class JpegEncoder:
    """Writes JPEG, 4:4:4 or one channel of luma. Safe for several threads.

    Args:
        quality: of libjpeg's scale, 1 to 100, for level ``fast``.
        is_grey: one channel (luma, see :func:`render.pixels.luma`) rather than three.

    Raises:
        InputError: the quality is out of range.
    """

    media_type = "image/jpeg"
    suffix = ".jpg"
    levels = tuple(_LEVELS)

    def __init__(self, quality: int = DEFAULT_QUALITY, *, is_grey: bool = False) -> None:
        self.quality = check_quality(quality)
        self.is_grey = is_grey

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return a JPEG with the resolution (JFIF density) and texts (XMP) in it.

        Args:
            pixels: the page, at most MAX_SIDE pixels a side.
            level: ``fast`` (baseline), or ``small`` (progressive, three points of quality less): three to four fifths
                of the bytes.
            text: keyword to value; keywords of PNG that XMP has properties for.

        Raises:
            InputError: no such level, a page that JPEG cannot hold, or a keyword or value that XMP cannot.
        """
        faults = [*level_faults(level, self.levels), *page_faults(pixels, MAX_SIDE, _MAX_DPI), *text_faults(text)]
        refuse(faults, "JPEG")
        image = Image.fromarray(pixels.grey()) if self.is_grey else colour_image(pixels)
        packet = xmp_packet(text)
        options = dict(_LEVELS[level]) | ({"xmp": packet} if packet else {})
        file = io.BytesIO()
        image.save(
            file,
            "JPEG",
            quality=max(1, self.quality - _QUALITY_GIVEN_UP[level]),
            subsampling="4:4:4",
            dpi=(pixels.dpi, pixels.dpi),
            **options,
        )
        return file.getvalue()
