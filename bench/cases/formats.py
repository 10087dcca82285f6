"""Milliseconds and bytes of one page in every picture format, mode and level, beside Pillow from the same pixels."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pillow_heif
import zxingcpp
from PIL import Image

from bench.corpus import varied
from bench.measurement import Row, cpu_figures
from bench.runner import StageMs, interleave, one_core, require
from render.config import RenderSettings
from render.encode.api import Encoder, encoder
from render.encode.formats import FORMATS
from render.encode.heif import DEFAULT_QUALITY as HEIF_QUALITY
from render.encode.jpeg import DEFAULT_QUALITY as JPEG_QUALITY
from render.encode.tiff import INK_BELOW
from render.layout.engine import layout_invoice
from render.pipeline import Renderer
from render.pixels import PagePixels
from render.raster.api import Rasterizer

DEFAULT_COUNT = 4
DPI = 300
NOTES = (
    f"first pages of varied invoices at {DPI} dpi, one warm process on one core",
    "ours from palette indices; Pillow from an image in the form that it takes: P, L, RGB or 1",
    f"JPEG of quality {JPEG_QUALITY} on both sides, our level small 3 less; HEIF and AVIF {HEIF_QUALITY}; all at 4:4:4",
    "Pillow otherwise by its defaults, with TIFF by deflate and WebP lossless",
    "HEIF is written for Pillow by pillow-heif",
    "lossless files were read back pixel for pixel, and the QR code off every file, before anything was timed",
)
_SEED = 5
_REPEATS = 3
_SLOW = ("heif", "avif")
_LOSSY = ("jpeg", "heif", "avif")

_PILLOW: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "png": {"format": "PNG"},
        "jpeg": {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": "4:4:4"},
        "webp": {"format": "WEBP", "lossless": True},
        "tiff": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
        "g4": {"format": "TIFF", "compression": "group4"},
        "heif": {"format": "HEIF", "quality": HEIF_QUALITY, "chroma": 444},
        "avif": {"format": "AVIF", "quality": HEIF_QUALITY, "subsampling": "4:4:4"},
    }
)


@dataclass(slots=True)
class _Side:
    """A way to make a file of a page, and how large the files were."""

    make: Callable[[PagePixels, Image.Image], bytes]
    page_images: Mapping[int, Image.Image]
    sizes: list[int] = field(default_factory=list)

    def __call__(self, page: PagePixels) -> StageMs:
        image = self.page_images[id(page)]
        start = time.perf_counter()
        data = self.make(page, image)
        elapsed = time.perf_counter() - start
        self.sizes.append(len(data))
        return {"page": elapsed * 1000}

    @property
    def mean_bytes(self) -> int:
        """Mean size of all files."""
        return sum(self.sizes) // len(self.sizes)


def run(count: int) -> list[Row]:
    """Time every format on ``count`` pages."""
    pillow_heif.register_heif_opener()
    pages = list(_pages(count))
    rows = []
    with one_core():
        for kind, one in FORMATS.items():
            some = pages[:1] if kind in _SLOW else pages
            for mode, name in one.encoders.items():
                rows += _measured(kind, mode, name, one.levels, some)
    return rows


def _pages(count: int) -> Iterator[PagePixels]:
    renderer = Renderer(RenderSettings())
    for document in varied(count, _SEED):
        template = renderer.template(document.invoice.kind.value)
        pages = Rasterizer(template.resources, DPI).rasterize(layout_invoice(document.invoice, template))
        yield next(pages)


def _measured(kind: str, mode: str, name: str, levels: Sequence[str], pages: Sequence[PagePixels]) -> list[Row]:
    one = encoder(name)
    images = {id(page): _image(page, mode) for page in pages}
    sides = {level: _Side(partial(_ours, one, level), images) for level in levels}
    sides["pillow"] = _Side(partial(_pillows, _PILLOW[kind]), images)
    for label, side in sides.items():
        problems = _problems(kind, side.make(pages[0], images[id(pages[0])]), images[id(pages[0])])
        require(f"{name}, {label}", problems)
    # The check has warmed up every side.
    samples = interleave(sides, pages, repeats=1 if kind in _SLOW else _REPEATS, warm_up=0)
    return [
        Row(
            case=f"formats.{kind}.{mode}.{level}",
            backend=FORMATS[kind].library,
            samples_ms=tuple(samples[level]["page"]),
            bytes=sides[level].mean_bytes,
            peer="Pillow",
            peer_samples_ms=tuple(samples["pillow"]["page"]),
            peer_bytes=sides["pillow"].mean_bytes,
            extra=cpu_figures(samples[level]["cpu"], samples["pillow"]["cpu"]),
        )
        for level in levels
    ]


def _image(page: PagePixels, mode: str) -> Image.Image:
    """Return the page in the form that Pillow writes this mode from."""
    if mode == "indexed":
        image = Image.fromarray(np.ascontiguousarray(page.index)).convert("P")
        image.putpalette(page.palette.tobytes())
        return image
    if mode == "bilevel":
        return Image.fromarray((1 - page.ink(INK_BELOW)).astype(bool))
    return Image.fromarray(page.grey() if mode == "grey" else page.rgb())


def _ours(one: Encoder, level: str, page: PagePixels, _: Image.Image) -> bytes:
    return one.encode(page, level=level)


def _pillows(options: Mapping[str, Any], _: PagePixels, image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, dpi=(DPI, DPI), **options)
    return file.getvalue()


def _problems(kind: str, data: bytes, image: Image.Image) -> list[str]:
    with Image.open(io.BytesIO(data)) as found:
        seen, expected = np.asarray(found.convert("RGB")), np.asarray(image.convert("RGB"))
    problems = []
    if kind not in _LOSSY and not np.array_equal(seen, expected):
        problems.append("the pixels differ")
    if not zxingcpp.read_barcodes(seen):
        problems.append("the QR code cannot be read")
    return problems
