"""Milliseconds and bytes a page of page reels, and what one page out of the middle costs, beside PNG and WebP."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench import checks
from bench.bed import Bed, open_bed
from bench.corpus import Document, typical
from bench.measurement import Report, Row
from bench.runner import StageMs, interleave, one_core, require
from render.encode.api import encoder
from render.layout.engine import layout_invoice
from render.pixels import PagePixels
from render.raster.api import Rasterizer
from render.reel.page import Pixels, ReelPage
from render.reel.reader import open_reel
from render.reel.settings import Codec, Colours, Device, Effort, Mode, ReelSettings
from render.reel.writer import write_reel

DEFAULT_COUNT = 32
NOTES = (
    "first pages of everyday invoices at 300 dpi; one core for this process and FFmpeg together; pixels are at hand",
    "a reel's time is that of the whole file, FFmpeg's start and our index with it, without the check that decodes it",
    "neighbours in a reel share the form and much of their text, which is what makes it small: other pages differ",
    "WebP: Pillow, lossless, as it comes; PNG: ours, level fast; errors are of 255, SSIM of luma, the worst page's",
)
_SEED = 13
_REPEATS = 3
_DPI = 300
_PEER = "WebP"


def _way(codec: Codec, mode: Mode, colours: Colours, effort: Effort = Effort.FAST) -> ReelSettings:
    return ReelSettings(codec, mode, colours, Device.CPU, effort, is_checked=False)


WAYS = {
    "h264_lossless_palette": _way(Codec.H264, Mode.LOSSLESS, Colours.PALETTE),
    "h264_lossless_palette_small": _way(Codec.H264, Mode.LOSSLESS, Colours.PALETTE, Effort.SMALL),
    "h264_lossless_grey": _way(Codec.H264, Mode.LOSSLESS, Colours.GREY),
    "h264_lossless_rgb": _way(Codec.H264, Mode.LOSSLESS, Colours.RGB),
    "h264_near_grey": _way(Codec.H264, Mode.NEAR, Colours.GREY),
    "h264_near_rgb": _way(Codec.H264, Mode.NEAR, Colours.RGB),
    "hevc_lossless_palette": _way(Codec.HEVC, Mode.LOSSLESS, Colours.PALETTE),
    "hevc_near_rgb": _way(Codec.HEVC, Mode.NEAR, Colours.RGB),
}


@dataclass(slots=True)
class _Side:
    """One way to keep pages, and what it came to."""

    write: Callable[[Sequence[ReelPage]], int]
    bytes: int = 0
    cpu_ms: list[float] = field(default_factory=list)

    def __call__(self, pages: Sequence[ReelPage]) -> StageMs:
        """Keep the pages; return milliseconds a page."""
        cpu, start = _cpu_s(), time.perf_counter()
        size = self.write(pages)
        elapsed = time.perf_counter() - start
        self.cpu_ms.append((_cpu_s() - cpu) * 1000 / len(pages))
        self.bytes = size // len(pages)
        return {"page": elapsed * 1000 / len(pages)}


def run(count: int) -> list[Row]:
    """Make reels, PNG and WebP of the first pages of ``count`` invoices; what comes back is checked first."""
    documents = typical(count, _SEED)
    with open_bed() as bed, one_core():
        pages = list(_pages(bed, documents))
        sides = {name: _Side(_reel_writer(bed.folder / f"{name}.mkv", way)) for name, way in WAYS.items()}
        sides |= {"png": _Side(_write_png), "webp": _Side(_write_webp)}
        found = {name: _check(bed.folder, name, way, pages, documents[0]) for name, way in WAYS.items()}
        # The check has warmed up every side but those that need none.
        samples = interleave(sides, [pages], repeats=_REPEATS, warm_up=0)
    peer = samples["webp"]["page"]
    return [
        Row(
            case=f"reel.{name}",
            backend="cpu",
            samples_ms=tuple(samples[name]["page"]),
            bytes=side.bytes,
            peer=_PEER,
            peer_samples_ms=tuple(peer),
            peer_bytes=sides["webp"].bytes,
            extra={
                "cpu_ms": median(side.cpu_ms),
                "peer_cpu_ms": median(sides["webp"].cpu_ms),
                **found.get(name, {}),
            },
        )
        for name, side in sides.items()
        if name != "webp"
    ]


def print_results(report: Report, console: Console) -> None:
    """Print one table: ways to keep pages, the smallest first."""
    table = Table(title="one page of 2480 × 1654 pixels: bytes and milliseconds, one core, one run")
    table.add_column("kept as")
    for heading in ("bytes", "of WebP", "ms", "CPU ms", "one page out, CPU ms", "largest error", "SSIM", "QR"):
        table.add_column(heading, justify="right")
    rows = sorted(report.results, key=lambda row: row.bytes)
    for row in rows:
        extra = row.extra
        is_reel = "extract_cpu_ms" in extra
        table.add_row(
            row.case.removeprefix("reel.").replace("_", " "),
            f"{row.bytes:,}",
            f"{row.bytes / row.peer_bytes:.0%}",
            f"{median(row.samples_ms):.1f}",
            f"{extra['cpu_ms']:.1f}",
            f"{extra['extract_cpu_ms']:.0f}" if is_reel else "–",
            f"{extra['max_error']:.0f}" if is_reel else "0",
            f"{extra['ssim']:.4f}" if is_reel else "1.0000",
            "yes" if is_reel else "–",
        )
    if rows:
        first = rows[0]
        table.add_section()
        table.add_row(
            "WebP lossless, by Pillow",
            f"{first.peer_bytes:,}",
            "100%",
            f"{median(first.peer_samples_ms):.1f}",
            f"{first.extra['peer_cpu_ms']:.1f}",
            *("–", "0", "1.0000", "–"),
        )
    console.print(table)


def _pages(bed: Bed, documents: Sequence[Document]) -> Iterator[ReelPage]:
    """Return the first page of each document, with pixels of its own."""
    rasterizers: dict[str, Rasterizer] = {}
    for document in documents:
        template = bed.renderer.template(document.invoice.kind.value)
        if template.digest not in rasterizers:
            rasterizers[template.digest] = Rasterizer(template.resources, _DPI)
        shown = next(rasterizers[template.digest].rasterize(layout_invoice(document.invoice, template)))
        yield ReelPage(document.name, PagePixels(shown.index.copy(), shown.palette, _DPI), document.invoice.number)


def _reel_writer(target: Path, way: ReelSettings) -> Callable[[Sequence[ReelPage]], int]:
    def write(pages: Sequence[ReelPage]) -> int:
        return write_reel(target, pages, pages[0].size_px, way, is_replacing=True).size

    return write


def _write_png(pages: Sequence[ReelPage]) -> int:
    png = encoder("png")
    return sum(len(png.encode(page.pixels)) for page in pages if isinstance(page.pixels, PagePixels))


def _write_webp(pages: Sequence[ReelPage]) -> int:
    size = 0
    for page in pages:
        buffer = io.BytesIO()
        Image.fromarray(_rgb(page.pixels)).save(buffer, "WEBP", lossless=True)
        size += buffer.tell()
    return size


def _check(
    folder: Path, name: str, way: ReelSettings, pages: Sequence[ReelPage], document: Document
) -> dict[str, float]:
    """Make the reel once with its own check, read its first QR code, time one page out of its middle.

    Raises:
        CheckFailed: the QR code does not say what it should, or a pixel of a lossless reel differs.
    """
    checked = replace(way, is_checked=True)
    written = write_reel(folder / f"checked-{name}.mkv", pages, pages[0].size_px, checked)
    opened = open_reel(written.path)
    ((_, first),) = opened.take([1])
    require(f"reel, {name}", checks.qr_problems(document.invoice, Image.fromarray(_rgb(first)).convert("L")))
    if way.is_lossless and way.colours is not Colours.GREY and not np.array_equal(_rgb(first), _rgb(pages[0].pixels)):
        require(f"reel, {name}", ["pixels differ"])
    times = []
    for _ in range(_REPEATS):
        cpu = _cpu_s()
        list(open_reel(written.path).take([len(pages) // 2 + 1]))
        times.append((_cpu_s() - cpu) * 1000)
    errors = [entry.max_error or 0 for entry in written.index.pages]
    likeness = [1.0 if entry.ssim is None else entry.ssim for entry in written.index.pages]
    return {"extract_cpu_ms": median(times), "max_error": max(errors), "ssim": min(likeness)}


def _rgb(pixels: Pixels) -> NDArray[np.uint8]:
    return pixels.rgb() if isinstance(pixels, PagePixels) else pixels.rgb


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
