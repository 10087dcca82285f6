"""HEIF (ISO/IEC 23008-12) with HEVC by libheif and x265, and AVIF by libavif; both lossy, 4:4:4, small and slow."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from PIL import features

from render.encode.metadata import exif_block, text_faults, xmp_packet
from render.encode.pillow_image import colour_image
from render.encode.request import NO_TEXT, check_quality, in_grey, level_faults, page_faults, refuse
from render.errors import BackendUnavailable, Fault
from render.pixels import PagePixels

DEFAULT_QUALITY = 75

MAX_SIDE = 16_384
"""Of x265; libavif takes more, but readers of both formats guard themselves about here."""

_MAX_DPI = 65_535

_AVIF_SPEEDS: Mapping[str, int] = MappingProxyType({"fast": 10, "small": 8})
_HEIF_PRESETS: Mapping[str, str] = MappingProxyType({"fast": "ultrafast", "small": "superfast"})


class AvifEncoder:
    """Writes AVIF, 4:4:4 or one channel of luma (4:0:0). Safe for several threads.

    Args:
        quality: of libavif's scale, 1 to 100.
        is_grey: one channel (luma, see :func:`render.pixels.luma`) rather than three.

    Raises:
        BackendUnavailable: Pillow was built without libavif.
        InputError: the quality is out of range.
    """

    media_type = "image/avif"
    suffix = ".avif"
    levels = tuple(_AVIF_SPEEDS)

    def __init__(self, quality: int = DEFAULT_QUALITY, *, is_grey: bool = False) -> None:
        if not features.check("avif"):
            hint = "Install `pillow` 11.3 or later from its wheel."
            raise BackendUnavailable("AVIF cannot be written: Pillow lacks libavif.", hint=hint)
        self.quality = check_quality(quality)
        self.is_grey = is_grey

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return an AVIF with the resolution (Exif) and texts (XMP) in it.

        Args:
            pixels: the page, at most MAX_SIDE pixels a side.
            level: ``fast``, or ``small``: half the bytes in two to three times the time.
            text: as for JPEG.

        Raises:
            InputError: no such level, a page that the format cannot hold, or a keyword or value that XMP cannot.
        """
        refuse(_faults(pixels, level, text, self.levels), "AVIF")
        file = io.BytesIO()
        # Pillow takes RGB alone here; of equal channels libavif keeps the luma.
        colour_image(in_grey(pixels) if self.is_grey else pixels).save(
            file,
            "AVIF",
            quality=self.quality,
            speed=_AVIF_SPEEDS[level],
            subsampling="4:0:0" if self.is_grey else "4:4:4",
            # More threads would split the page into tiles and change the bytes with the machine.
            max_threads=1,
            exif=exif_block(pixels.dpi),
            xmp=xmp_packet(text),
        )
        return file.getvalue()


class HeifEncoder:
    """Writes HEIF with HEVC inside, 4:4:4 or one channel of luma. Safe for several threads.

    Args:
        quality: of libheif's scale, 1 to 100.
        is_grey: one channel (luma, see :func:`render.pixels.luma`) rather than three.

    Raises:
        BackendUnavailable: pillow-heif is not installed, or has no HEVC encoder.
        InputError: the quality is out of range.
    """

    media_type = "image/heic"
    suffix = ".heic"
    levels = tuple(_HEIF_PRESETS)

    def __init__(self, quality: int = DEFAULT_QUALITY, *, is_grey: bool = False) -> None:
        self.quality = check_quality(quality)
        self.is_grey = is_grey
        self._write = _heif_writer()

    def encode(self, pixels: PagePixels, *, level: str = "fast", text: Mapping[str, str] = NO_TEXT) -> bytes:
        """Return a HEIF with the resolution (Exif) and texts (XMP) in it.

        Args:
            pixels: the page, at most MAX_SIDE pixels a side.
            level: ``fast``, or ``small``: three fifths of the bytes in twice the time.
            text: as for JPEG.

        Raises:
            InputError: no such level, a page that the format cannot hold, or a keyword or value that XMP cannot.
        """
        refuse(_faults(pixels, level, text, self.levels), "HEIF")
        height, width = pixels.index.shape
        file = io.BytesIO()
        self._write(
            "L" if self.is_grey else "RGB",
            (width, height),
            (pixels.grey() if self.is_grey else pixels.rgb()).tobytes(),
            file,
            quality=self.quality,
            **({} if self.is_grey else {"chroma": 444}),
            # A pool of threads would change the bytes with the number of cores.
            enc_params={"preset": _HEIF_PRESETS[level], "x265:pools": "none"},
            exif=exif_block(pixels.dpi),
            xmp=xmp_packet(text) or None,
        )
        return file.getvalue()


def _heif_writer() -> Callable[..., Any]:
    """Return the function that writes HEIF.

    Raises:
        BackendUnavailable: there is none.
    """
    hint = "Install the extra (pip install 'kaipiao[heif]'), or choose another format."
    try:
        import pillow_heif
    except ImportError as error:
        raise BackendUnavailable("HEIF cannot be written: no package `pillow-heif`.", hint=hint) from error
    if not pillow_heif.libheif_info()["HEIF"]:
        raise BackendUnavailable("HEIF cannot be written: libheif has no HEVC encoder.", hint=hint)
    write: Callable[..., Any] = pillow_heif.encode
    return write


def _faults(pixels: PagePixels, level: str, text: Mapping[str, str], levels: tuple[str, ...]) -> list[Fault]:
    return [*level_faults(level, levels), *page_faults(pixels, MAX_SIDE, _MAX_DPI), *text_faults(text)]
