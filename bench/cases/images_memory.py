"""How the memory of one process grows over many pictures: resident size at the start and at the end, and its slope."""

from __future__ import annotations

import random
import time

from rich.console import Console

from bench.bed import BACKEND
from bench.cases.images_page import Workshop, open_workshop
from bench.cases.pdf_memory import resident_bytes, slope_kb_per_1000
from bench.corpus import Document, typical
from bench.measurement import Row
from bench.runner import one_core
from render.encode.api import encoder
from render.layout.engine import layout_batch
from render.model.invoice import InvoiceKind

DEFAULT_COUNT = 10_000
NOTES = (
    "one process draws batches of 16 different invoices, at 300 dpi and at 150 dpi in turn, and keeps nothing",
    "each page is written in the next of these formats: PNG, grey PNG, JPEG, WebP, TIFF, G4",
    "some batches before the first fill the caches and do not count",
    "WebP is written at 150 dpi alone, where it takes a tenth of a second",
    "kb_per_1000: KB (1,000 bytes) of resident memory that 1,000 pages add, by the line through all samples",
    "late_kb_per_1000: the same over the second half",
)
_SEED = 47
_BATCH = 16
_SETTLING_BATCHES = 12
_SPOKEN_EVERY = 500
_FORMATS = {300: ("png", "png-grey", "jpeg", "tiff", "tiff-g4"), 150: ("webp", "png", "jpeg")}
_BYTES_A_MB = 1_000_000


def run(count: int) -> list[Row]:
    """Draw and write ``count`` pages, saying now and then how far it is."""
    console = Console(stderr=True)
    with one_core(), open_workshop() as workshop:
        line = _Line(workshop)
        for _ in range(min(_SETTLING_BATCHES, -(-count // _BATCH))):
            line.batch(_BATCH)
        line.times_ms.clear()
        made, spoken, size = 0, 0, 0
        sizes = [(0, resident_bytes())]
        while made < count:
            pages, written = line.batch(min(_BATCH, count - made))
            made += pages
            size += written
            sizes.append((made, resident_bytes()))
            if made // _SPOKEN_EVERY > spoken:
                spoken = made // _SPOKEN_EVERY
                console.print(f"{made:,} of {count:,} pages: {sizes[-1][1] / _BYTES_A_MB:.1f} MB")
    extra = {
        "start_rss_mb": sizes[0][1] / _BYTES_A_MB,
        "end_rss_mb": sizes[-1][1] / _BYTES_A_MB,
        "highest_rss_mb": max(held for _, held in sizes) / _BYTES_A_MB,
        "kb_per_1000": slope_kb_per_1000(sizes),
        "late_kb_per_1000": slope_kb_per_1000(sizes[len(sizes) // 2 :]),
    }
    times = tuple(line.times_ms)
    return [Row(case=f"images-memory.{count}", backend=BACKEND, samples_ms=times, bytes=size // made, extra=extra)]


class _Line:
    """Draws batches of invoices that nobody drew before, of one template and resolution after the other."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._seeds = random.Random(_SEED)
        self._turn = 0
        self._pages = 0
        self.times_ms: list[float] = []

    def batch(self, count: int) -> tuple[int, int]:
        """Draw so many invoices and write their pages; return how many pages and bytes that was."""
        dpi = (300, 150)[self._turn % 2]
        kind = (InvoiceKind.VAT_SPECIAL, InvoiceKind.VAT_ORDINARY)[self._turn // 2 % 2]
        self._turn += 1
        template = self._workshop.renderer.template(kind.value)
        documents = [document.invoice for document in self._documents(kind, count)]
        start = time.perf_counter()
        display, _ = layout_batch(documents, template)
        if display is None:
            raise ValueError("no invoice of a batch could be laid out")
        size = 0
        for page in self._workshop.pages(template, display, dpi):
            format_name = _FORMATS[dpi][self._pages % len(_FORMATS[dpi])]
            size += len(encoder(format_name).encode(page))
            self._pages += 1
        self.times_ms.append((time.perf_counter() - start) * 1000 / display.n_pages)
        return display.n_pages, size

    def _documents(self, kind: InvoiceKind, count: int) -> list[Document]:
        found: list[Document] = []
        while len(found) < count:
            made = typical(2 * count, self._seeds.randrange(10**6))
            found += [document for document in made if document.invoice.kind is kind]
        return found[:count]
