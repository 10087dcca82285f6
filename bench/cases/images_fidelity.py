"""How far our pictures are from pdfium's of our PDF: every template, blue and red, 1 and 40 lines, 150 to 600 dpi."""

from __future__ import annotations

import time
from collections.abc import Iterator

from PIL import Image
from rich.console import Console
from rich.table import Table

from bench import checks
from bench.bed import BACKEND
from bench.cases.images_beside import BLOCK_MM, Distance, distance, draw_with_pdfium, level_codes
from bench.cases.images_page import Workshop, open_workshop
from bench.cases.images_samples import Sample, samples
from bench.measurement import Report, Row
from bench.runner import one_core, require
from render.layout.engine import layout_invoice

DEFAULT_COUNT = 3
DPIS = (150, 200, 300, 600)
NOTES = (
    "count: pages of a document that are looked at, the first and last among them",
    "similarity: SSIM of luma, the worst page; most, mean, block: differences of luma in levels of 255, the worst page",
    f"block: of the mean luma of squares of {BLOCK_MM} mm: shows what is missing, doubled or elsewhere",
    "what differs is that our baselines and rules lie on whole pixels, so single pixels differ by up to all levels",
    "the QR code of every page is read off our picture and off pdfium's; it counts by the middles of its modules",
    "one drawing of each page: milliseconds here are no measurement of speed",
)


def run(count: int) -> list[Row]:
    """Compare up to ``count`` pages of each sample at each resolution."""
    with one_core(), open_workshop() as workshop:
        return [compare(workshop, sample, dpi, count) for sample in samples() for dpi in DPIS]


def compare(workshop: Workshop, sample: Sample, dpi: int, count: int) -> Row:
    """Return what the worst of some pages is like.

    Raises:
        CheckFailed: a QR code is not read.
    """
    distances: list[Distance] = []
    ours_ms: list[float] = []
    theirs_ms: list[float] = []
    template = workshop.renderer.template(sample.invoice.kind.value)
    display = layout_invoice(sample.invoice, template)
    pdf = workshop.pdf(display, template)
    wanted = set(_some(display.n_pages, count))
    pages = workshop.pages(template, display, dpi)
    for page in range(display.n_pages):
        start = time.perf_counter()
        pixels = next(pages)
        if page not in wanted:
            continue
        ours = pixels.rgb()
        ours_ms.append((time.perf_counter() - start) * 1000)
        start = time.perf_counter()
        theirs = draw_with_pdfium(pdf, page, pixels.index.shape, dpi)
        theirs_ms.append((time.perf_counter() - start) * 1000)
        for name, picture in (("our", ours), ("pdfium's", theirs)):
            problems = checks.qr_problems(sample.invoice, Image.fromarray(picture))
            require(f"{sample.name}, {name} page {page + 1} at {dpi} dpi", problems)
        distances.append(distance(ours, level_codes(ours, theirs, display, page, dpi), dpi))
    return Row(
        case=f"images-fidelity.{dpi}dpi.{sample.name}",
        backend=BACKEND,
        samples_ms=tuple(ours_ms),
        peer="pdfium",
        peer_samples_ms=tuple(theirs_ms),
        extra={
            "pages": len(distances),
            "similarity": min(each.similarity for each in distances),
            "most": max(each.most for each in distances),
            "mean": max(each.mean for each in distances),
            "block": max(each.block for each in distances),
        },
    )


def print_results(report: Report, console: Console) -> None:
    """Print a line for each sample and resolution."""
    table = Table(title="our pictures beside pdfium's of our PDF, the worst page")
    for heading in ("dpi", "sample", "pages", "SSIM", "most", "mean", f"{BLOCK_MM} mm block"):
        table.add_column(heading, justify="left" if heading == "sample" else "right")
    for row in sorted(report.results, key=lambda row: int(row.case.split(".")[1].removesuffix("dpi"))):
        _, dpi, sample = row.case.split(".", 2)
        figures = (f"{row.extra['most']:.0f}", f"{row.extra['mean']:.2f}", f"{row.extra['block']:.1f}")
        similarity = f"{row.extra['similarity']:.4f}"
        table.add_row(dpi.removesuffix("dpi"), sample, f"{row.extra['pages']:.0f}", similarity, *figures)
    console.print(table)


def _some(n_pages: int, count: int) -> Iterator[int]:
    """Return up to so many of the pages, spread evenly from the first to the last."""
    if count == 1 or n_pages == 1:
        return iter((0,))
    return iter({round(place * (n_pages - 1) / (count - 1)) for place in range(count)})
