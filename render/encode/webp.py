"""Lossless WebP (RFC 9649) by libwebp through Pillow."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType

from PIL import features

from render.encode.metadata import exif_block, text_faults, xmp_packet
from render.encode.pillow_image import colour_image
from render.encode.request import NO_TEXT, in_grey, level_faults, page_faults, refuse
from render.errors import BackendUnavailable
from render.pixels import PagePixels

MAX_SIDE = 16_383
"""RFC 9649, 3.4: fourteen bits."""

_MAX_DPI = 65_535

# Method and effort of libwebp. Method 0 does not look for a palette: twice the bytes, no faster.
_LEVELS: Mapping[str, tuple[int, int]] = MappingProxyType({"fast": (1, 0), "small": (2, 80)})


class WebpEncoder:
    """Writes lossless WebP. Safe for several threads.

    Args:
        is_grey: luma (:func:`render.pixels.luma`) in all three channels, since WebP has no other grey.

    Raises:
        BackendUnavailable: Pillow was built without libwebp.
    """

    media_type = "image/webp"
    suffix = ".webp"
    levels = tuple(_LEVELS)

    def __init__(self, *, is_grey: bool = False) -> None:
        if not features.check("webp"):
            raise BackendUnavailable(
                "WebP cannot be written: Pillow lacks libwebp.", hint="Install `pillow` from its wheel."
            )
        self.is_grey = is_grey

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return a WebP with the resolution (Exif) and texts (XMP) in it; every pixel is exact.

        Args:
            pixels: the page, at most MAX_SIDE pixels a side.
            level: ``fast``, or ``small``: four fifths of the bytes in two to three times the time.
            text: as for JPEG.

        Raises:
            InputError: no such level, a page that WebP cannot hold, or a keyword or value that XMP cannot.
        """
        faults = [*level_faults(level, self.levels), *page_faults(pixels, MAX_SIDE, _MAX_DPI), *text_faults(text)]
        refuse(faults, "WebP")
        method, effort = _LEVELS[level]
        file = io.BytesIO()
        colour_image(in_grey(pixels) if self.is_grey else pixels).save(
            file,
            "WEBP",
            lossless=True,
            method=method,
            quality=effort,
            exif=exif_block(pixels.dpi),
            xmp=xmp_packet(text),
        )
        return file.getvalue()
