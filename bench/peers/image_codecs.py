"""Libraries that write pictures: Pillow, pyvips, OpenCV, fpng, simplejpeg, and a PNG of a few lines around ISA-L.

What a library's caller would hold anyway (a picture object, an array in its order of channels) is made before the
clock starts; all that stands between that and the finished file counts.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.peers.pdf_peer import PeerMissing, version_of

U1 = NDArray[np.uint8]

JPEG_QUALITY = 85
BASELINE = "isal"
"""Key of the PNG that is no library as it comes, but what somebody who measures would write."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One page in the forms that libraries start from.

    Attributes:
        rgb: uint8[height, width, 3].
        grey: uint8[height, width], luma.
        index: uint8[height, width] into ``palette``, uint8[n, 3].
        ink_below: luma below which a bilevel picture has ink.
    """

    rgb: U1
    grey: U1
    index: U1
    palette: U1
    ink_below: int


@dataclass(frozen=True, slots=True)
class Codec:
    """A library and the settings it is asked to write a format with.

    Attributes:
        form: the format, ``png``, ``jpeg``, ``webp``, ``tiff`` or ``g4``; ``key``: whose; ``name``: for people.
        prepare: a page to what the caller would hold already; ``encode``: that to the file.
        takes_rgb: whether ``prepare`` reads ``rgb`` alone, so that any rasteriser can stand before it.
    """

    form: str
    key: str
    name: str
    prepare: Callable[[Shown], Any]
    encode: Callable[[Any], bytes]
    takes_rgb: bool = True


KEYS = (
    ("png", "pillow"),
    ("png", "pillow_1"),
    ("png", "pillow_palette"),
    ("png", "pyvips"),
    ("png", "pyvips_1"),
    ("png", "opencv"),
    ("png", "fpng"),
    ("png", BASELINE),
    ("jpeg", "pillow"),
    ("jpeg", "simplejpeg"),
    ("jpeg", "opencv"),
    ("jpeg", "pyvips"),
    ("webp", "pillow"),
    ("webp", "pyvips"),
    ("tiff", "pillow"),
    ("tiff", "pillow_palette"),
    ("tiff", "pyvips"),
    ("g4", "pillow"),
    ("g4", "pyvips"),
)
"""Every format with each library that writes it."""


def open_codecs() -> tuple[tuple[Codec, ...], dict[tuple[str, str], str]]:
    """Return the codecs that are here, and by format and key what to do about the others."""
    openers = {"pillow": _pillow, "pyvips": _pyvips, "opencv": _opencv, "fpng": _fpng, "simplejpeg": _simplejpeg}
    openers[BASELINE] = _isal
    here: dict[tuple[str, str], Codec] = {}
    missing: dict[tuple[str, str], str] = {}
    for library, opener in openers.items():
        try:
            here |= {(codec.form, codec.key): codec for codec in opener()}
        except PeerMissing as absence:
            own = [key for key in KEYS if key[1].partition("_")[0] == library]
            missing |= dict.fromkeys(own, str(absence))
    return tuple(here[key] for key in KEYS if key in here), missing


def _pillow() -> Iterator[Codec]:
    name = f"Pillow {version_of('pillow')}"

    def saved(form: str, **options: str | int | bool) -> Callable[[Image.Image], bytes]:
        def encode(picture: Image.Image) -> bytes:
            file = io.BytesIO()
            picture.save(file, form, **options)
            return file.getvalue()

        return encode

    def in_rgb(page: Shown) -> Image.Image:
        return Image.fromarray(page.rgb)

    def in_palette(page: Shown) -> Image.Image:
        picture = Image.fromarray(page.index, "P")
        picture.putpalette(page.palette.tobytes())
        return picture

    def in_grey(page: Shown) -> tuple[Image.Image, int]:
        return Image.fromarray(page.grey), page.ink_below

    def bilevel(prepared: tuple[Image.Image, int]) -> bytes:
        picture, ink_below = prepared
        return group4(picture.point([0] * ink_below + [255] * (256 - ink_below), "1"))

    group4 = saved("TIFF", compression="group4", strip_size=1 << 30)
    deflate = saved("TIFF", compression="tiff_adobe_deflate")
    yield Codec("png", "pillow", f"{name} (default)", in_rgb, saved("PNG"))
    yield Codec("png", "pillow_1", f"{name} (level 1)", in_rgb, saved("PNG", compress_level=1))
    yield Codec("png", "pillow_palette", f"{name} (default, palette)", in_palette, saved("PNG"), takes_rgb=False)
    full = saved("JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    yield Codec("jpeg", "pillow", name, in_rgb, full)
    yield Codec("webp", "pillow", f"{name} (default)", in_rgb, saved("WEBP", lossless=True))
    yield Codec("tiff", "pillow", name, in_rgb, deflate)
    yield Codec("tiff", "pillow_palette", f"{name} (palette)", in_palette, deflate, takes_rgb=False)
    yield Codec("g4", "pillow", name, in_grey, bilevel, takes_rgb=False)


def _pyvips() -> Iterator[Codec]:
    version_of("pyvips")
    try:
        pyvips = import_module("pyvips")
    except OSError as error:
        raise PeerMissing("libvips is missing: pip install pyvips[binary]") from error
    name = f"libvips {'.'.join(str(pyvips.version(part)) for part in range(3))} (pyvips {pyvips.__version__})"

    def saved(method: str, **options: str | int | bool) -> Callable[[U1], bytes]:
        def encode(rgb: U1) -> bytes:
            picture = pyvips.Image.new_from_memory(rgb.data, rgb.shape[1], rgb.shape[0], 3, "uchar")
            return bytes(getattr(picture, method)(**options))

        return encode

    def bilevel(prepared: tuple[U1, int]) -> bytes:
        grey, ink_below = prepared
        picture = pyvips.Image.new_from_memory(grey.data, grey.shape[1], grey.shape[0], 1, "uchar")
        height = grey.shape[0]
        return bytes((picture >= ink_below).tiffsave_buffer(compression="ccittfax4", bitdepth=1, tile_height=height))

    def in_grey(page: Shown) -> tuple[U1, int]:
        return page.grey, page.ink_below

    yield Codec("png", "pyvips", f"{name} (default)", _rgb, saved("pngsave_buffer"))
    level_1 = saved("pngsave_buffer", compression=1, filter="none")
    yield Codec("png", "pyvips_1", f"{name} (level 1)", _rgb, level_1)
    yield Codec("jpeg", "pyvips", name, _rgb, saved("jpegsave_buffer", Q=JPEG_QUALITY, subsample_mode="off"))
    yield Codec("webp", "pyvips", f"{name} (default)", _rgb, saved("webpsave_buffer", lossless=True))
    yield Codec("tiff", "pyvips", name, _rgb, saved("tiffsave_buffer", compression="deflate"))
    yield Codec("g4", "pyvips", name, in_grey, bilevel, takes_rgb=False)


def _opencv() -> Iterator[Codec]:
    version = version_of("opencv-python-headless")
    cv2 = import_module("cv2")

    def in_bgr(page: Shown) -> U1:
        return np.ascontiguousarray(page.rgb[..., ::-1])

    def saved(suffix: str, *options: int) -> Callable[[U1], bytes]:
        return lambda bgr: bytes(cv2.imencode(suffix, bgr, options)[1])

    yield Codec("png", "opencv", f"OpenCV {version} (default)", in_bgr, saved(".png"))
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    jpeg = saved(".jpg", cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *sampling)
    yield Codec("jpeg", "opencv", f"OpenCV {version}", in_bgr, jpeg)


def _fpng() -> Iterator[Codec]:
    version = version_of("fpng-py")
    fpng = import_module("fpng_py")

    def prepare(page: Shown) -> tuple[bytes, int, int]:
        height, width = page.rgb.shape[:2]
        return page.rgb.tobytes(), width, height

    def encode(prepared: tuple[bytes, int, int]) -> bytes:
        return bytes(fpng.fpng_encode_image_to_memory(*prepared))

    yield Codec("png", "fpng", f"fpng (fpng-py {version})", prepare, encode)


def _simplejpeg() -> Iterator[Codec]:
    version = version_of("simplejpeg")
    simplejpeg = import_module("simplejpeg")

    def encode(rgb: U1) -> bytes:
        quality = JPEG_QUALITY
        return bytes(simplejpeg.encode_jpeg(rgb, quality=quality, colorspace="RGB", colorsubsampling="444"))

    yield Codec("jpeg", "simplejpeg", f"simplejpeg {version}", _rgb, encode)


def _isal() -> Iterator[Codec]:
    name = f"NumPy + isal {version_of('isal')} level 1, own framing"
    isal_zlib = import_module("isal.isal_zlib")

    kept: dict[tuple[int, int], U1] = {}

    def encode(rgb: U1) -> bytes:
        height, width = rgb.shape[:2]
        if (height, width) not in kept:
            kept.clear()
            kept[height, width] = np.zeros((height, 1 + 3 * width), np.uint8)
        rows = kept[height, width]
        rows[:, 1:] = rgb.reshape(height, -1)
        body = isal_zlib.compress(rows, 1)
        parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", body), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )

    yield Codec("png", BASELINE, name, _rgb, encode)


def _rgb(page: Shown) -> U1:
    return page.rgb
