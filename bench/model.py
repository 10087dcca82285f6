"""What a device should take for a page, on paper: bytes counted in real batches, divided by datasheet bandwidths.

Nothing here was measured on a device. Times are lower bounds where a kernel computes more than it moves; the figures
of the CPU beside them are measured in the same run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.pages import EverydayPages
from render.display.list import DisplayList
from render.encode.png import PngEncoder
from render.encode.png_cuda import PngSink, room_of
from render.gpu.flight import pack_offsets
from render.gpu.page_table import PageShape, PageTable
from render.gpu.pages import PageKind
from render.gpu.signatures import (
    KERNELS,
    PIECE_WORDS,
    RESULT_COLUMNS,
    SPLICE_PNG_ENCODE,
    SPLICE_PNG_JOIN,
    Page,
    Result,
    row_bytes_of,
)
from render.gpu.twins import load_twin
from render.raster.raster_cuda import PAGES_AT_ONCE, Batch, BatchRasterizer
from render.raster.run_cuda import count_item_pairs, items_of

STREAMING_SHARE = 0.7
"""Assumption: what a kernel that streams reaches of the datasheet's bandwidth, and a copy of the bus's."""

CALL_US = 6.0
"""Assumption: what each launch, copy or fill costs the host, whatever its size."""

CALLS = len(KERNELS) + 5
"""Of a flight: its kernels, one upload, two fills, two downloads."""

MOST_PAGES = 1024
_GIGA = 1e9
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Card:
    """A device as its datasheet states it: memory and bus (one direction) in 10⁹ bytes a second."""

    name: str
    memory_gb_s: float
    bus_gb_s: float


CARDS = (
    Card("T4", 320, 15.75),
    Card("L4", 300, 31.5),
    Card("A10", 600, 31.5),
    Card("A100 40 GB", 1555, 31.5),
    Card("A100 80 GB", 2039, 31.5),
    Card("H100", 3350, 63.0),
)
"""Bus: PCIe 3.0, 4.0 and 5.0 with 16 lanes carry 15.75, 31.5 and 63."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Means a page of a real batch.

    Attributes:
        upload: bytes to the device; ``download``: bytes back.
        by_kernel: bytes that each kernel, or fill, must read and write in the device's memory at least.
        operations: pixels compared and scanline bytes looked at, each once.
    """

    upload: float
    download: float
    by_kernel: Mapping[str, float]
    operations: float

    @property
    def device(self) -> float:
        """Return the bytes that kernels move."""
        return sum(self.by_kernel.values())


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Measured milliseconds a page on one core: what the host does for either, then what the device would take over."""

    prepare: float
    compose: float
    encode: float

    @property
    def replaced(self) -> float:
        """Return what the device would take over."""
        return self.compose + self.encode


@dataclass(frozen=True, slots=True)
class Prediction:
    """Milliseconds a page on one card, and the smallest batch that should be faster there than on one core.

    Attributes:
        crossover: pages; None = no batch up to MOST_PAGES is.
        margin: how many times slower than modelled an endless batch may be and still be faster than one core.
    """

    card: str
    upload: float
    kernels: float
    download: float
    crossover: int | None
    margin: float

    @property
    def steady(self) -> float:
        """Return milliseconds a page of an endless batch, in which copies and kernels overlap."""
        return max(self.upload, self.kernels, self.download)


def count_traffic(batch: Batch) -> Traffic:
    """Count what a batch moves. Every page must be one that a device composes.

    Raises:
        ValueError: one is not.
    """
    kinds = [kind for kind in batch.kinds if kind is not None]
    if len(kinds) != len(batch.grounds):
        raise ValueError("a page of the batch is compiled whole")
    n_pages, distinct = len(kinds), list({id(kind): kind for kind in kinds}.values())
    rows = [distinct.index(kind) for kind in kinds]
    table = PageTable.of([_shape(kind, row) for kind, row in zip(kinds, rows, strict=True)])
    arrays: dict[str, NDArray[Any]] = {**items_of(batch, range(n_pages), range(n_pages))}
    sent = {"page_table": table.rows, **arrays, **PngSink().tables(distinct)}
    pairs = count_item_pairs(arrays, table)
    item_bytes = sum(arrays[name].nbytes for name in ("cell_pitch", "cell_rows", "left", "top", "rect_px", "item_page"))
    coverage = int((arrays["cell_pitch"].astype(np.int64) * arrays["cell_rows"]).sum())
    piece_bytes, stream_bytes = _splice(batch, kinds, table)
    sizes = table.rows[:, [Page.WIDTH, Page.HEIGHT, Page.DEPTH]].tolist()
    scanlines = sum(row_bytes_of(width, depth) * height for width, height, depth in sizes)
    room = sum(room_of(width, height, depth) for width, height, depth in sizes)
    results = n_pages * RESULT_COLUMNS * 8
    by_kernel = {
        "fills": table.n_tiles * 4 + room,
        "bin_items_count": item_bytes + pairs * 4,
        "bin_items_scan": table.n_tiles * 12,
        "bin_items_fill": item_bytes + pairs * 8,
        "composite_tiles": 2 * table.page_bytes + coverage + pairs * 4,
        "splice_png_encode": table.page_bytes + piece_bytes + table.n_pieces * 12,
        "splice_png_join": table.n_pieces * 20,
        "splice_png_write": 2 * piece_bytes,
        "splice_png_checksum": stream_bytes + results,
    }
    return Traffic(
        upload=pack_offsets([array.nbytes for array in sent.values()])[1] / n_pages,
        download=(stream_bytes + results) / n_pages,
        by_kernel={name: size / n_pages for name, size in by_kernel.items()},
        operations=(table.page_bytes + coverage + 2 * scanlines) / n_pages,
    )


def _shape(kind: PageKind, row: int) -> PageShape:
    height, width = kind.index.shape
    return PageShape(width, height, 0, kind.depth, row)


def _splice(batch: Batch, kinds: Sequence[PageKind], table: PageTable) -> tuple[int, int]:
    """Encode the pages by the kernels' CPU twins; return the bytes of all pieces and of all streams."""
    pages = np.zeros(table.page_bytes, np.uint8)
    for page, row in enumerate(table.rows.tolist()):
        height, width, pitch, first = (row[name] for name in (Page.HEIGHT, Page.WIDTH, Page.PITCH, Page.PAGE_OFF))
        drawn = batch.rasterizer.draw_on_cpu(batch, page).index
        pages[first : first + height * pitch].reshape(height, pitch)[:, :width] = drawn
    distinct = list({id(kind): kind for kind in kinds}.values())
    codes = np.ascontiguousarray(PngSink().tables(distinct)["codes"])
    words = np.zeros((table.n_pieces, PIECE_WORDS), np.uint32)
    bits, sums = np.zeros(table.n_pieces, np.uint32), np.zeros((table.n_pieces, 2), np.uint32)
    bit_off, results = np.zeros(table.n_pieces, np.int64), np.zeros((len(kinds), RESULT_COLUMNS), np.int64)
    load_twin(SPLICE_PNG_ENCODE)(table.rows, pages, codes, words, bits, sums)
    load_twin(SPLICE_PNG_JOIN)(table.rows, codes, bits, sums, bit_off, results)
    return int(bits.astype(np.int64).sum()) // 8, int(results[:, Result.STREAM_BYTES].sum())


def measure_cpu(rasterizer: BatchRasterizer, display: DisplayList) -> CpuTimes:
    """Measure one core on the same pages, the median of a few rounds."""
    encoder, samples = PngEncoder(), []
    for _ in range(_ROUNDS):
        times = [time.perf_counter()]
        batch = rasterizer.prepare(display)
        times.append(time.perf_counter())
        compose = encode = 0.0
        for page in range(display.n_pages):
            start = time.perf_counter()
            pixels = rasterizer.draw_on_cpu(batch, page)
            between = time.perf_counter()
            encoder.encode(pixels)
            compose, encode = compose + between - start, encode + time.perf_counter() - between
        samples.append((times[1] - times[0], compose, encode))
    to_page = 1000 / display.n_pages
    prepare, compose, encode = (median(column) * to_page for column in zip(*samples, strict=True))
    return CpuTimes(prepare, compose, encode)


def predict(card: Card, traffic: Traffic, cpu: CpuTimes) -> Prediction:
    """Return what the card should take."""
    bus, memory = card.bus_gb_s * _GIGA * STREAMING_SHARE / 1000, card.memory_gb_s * _GIGA * STREAMING_SHARE / 1000
    stages = (traffic.upload / bus, traffic.device / memory, traffic.download / bus)
    crossover = next((n for n in range(1, MOST_PAGES + 1) if batch_ms(stages, n) < n * cpu.replaced), None)
    return Prediction(card.name, *stages, crossover, cpu.replaced / max(stages))


def batch_ms(stages_ms: Sequence[float], n_pages: int) -> float:
    """Return milliseconds of a batch in flights of at most PAGES_AT_ONCE pages, of which two overlap.

    The first flight takes all stages one after another, each later one adds its slowest stage. The host's calls are
    not hidden.

    Args:
        stages_ms: of a page: upload, kernels, download.
        n_pages: of the batch.
    """
    n_flights = math.ceil(n_pages / PAGES_AT_ONCE)
    first = min(n_pages, PAGES_AT_ONCE)
    overlapped = (n_pages - first) * max(stages_ms)
    return n_flights * CALLS * CALL_US / 1000 + first * sum(stages_ms) + overlapped


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that a run of the model found."""

    dpi: int
    n_pages: int
    traffic: Traffic
    cpu: CpuTimes
    predictions: tuple[Prediction, ...]


def run_model(count: int, dpi: int = 300) -> Model:
    """Count, measure the CPU, and predict.

    Raises:
        ConfigError: fonts or templates are missing.
    """
    pages = EverydayPages.load()
    rasterizer, display = BatchRasterizer(pages.template.resources, dpi), pages.of(count)
    traffic = count_traffic(rasterizer.prepare(display))
    cpu = measure_cpu(rasterizer, display)
    return Model(dpi, count, traffic, cpu, tuple(predict(card, traffic, cpu) for card in CARDS))
