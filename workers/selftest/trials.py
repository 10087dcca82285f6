"""The steps of a self-test, in order: each tries one thing on the device and says what came of it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from PIL import Image

from render.display.list import DisplayList
from render.encode.jpeg_cuda import JpegSink
from render.encode.png import PngEncoder
from render.encode.png_cuda import PngSink
from render.errors import BackendUnavailable, DeviceLost, InputError, KaipiaoError
from render.gpu.faults import DeviceRefused, OutOfDeviceMemory
from render.gpu.session import Session
from render.gpu.signatures import KERNELS
from render.pixels import PagePixels
from render.raster.api import Rasterizer
from render.raster.raster_cuda import CudaRasterizer
from render.templates.registry import Template
from workers.selftest.clock import StepClock
from workers.selftest.report import BatchTime, Outcome, Step

COMPARED_DPI = (300, 150, 96)
"""At 300 dpi rows need no padding; at the others they do."""

COMPARED_PAGES = 40
"""More than a flight takes."""

MOST_CPU_PAGES = 64
"""The CPU's time a page does not depend on the batch, so it is not made to draw thousands."""

_TIMED_ROUNDS = 5
_ROUND_PAGES = 256
_CPU_ROUNDS = 3
_MOST_JPEG_DIFFERENCE = 2.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What steps work with.

    Attributes:
        session: the device.
        template: of the invoices that are drawn.
        pages_of: returns that many of them, a page each.
        dpi: resolution of what is timed.
        most_pages: the largest batch.
    """

    session: Session
    template: Template
    pages_of: Callable[[int], DisplayList]
    dpi: int = 300
    most_pages: int = 1024

    def rasterizer(self, dpi: int = 0, *, watch: StepClock | None = None) -> CudaRasterizer:
        """Return a rasteriser that raises rather than fall back: a self-test must not pass by the CPU's work."""
        resources = self.template.resources
        return CudaRasterizer(resources, dpi or self.dpi, session=self.session, is_strict=True, watch=watch)


def run_steps(trial: Trial, pictures: dict[str, bytes]) -> Iterator[Step]:
    """Yield what every step found; after a lost device no further step is tried.

    Args:
        trial: what to work with.
        pictures: takes one page that the device made.
    """
    steps: Sequence[tuple[str, Callable[[], Step]]] = (
        ("kernels compile", lambda: try_compiling(trial)),
        ("pixels", lambda: try_pixels(trial)),
        ("PNG", lambda: try_png(trial, pictures)),
        ("JPEG", lambda: try_jpeg(trial)),
        ("times of steps", lambda: time_steps(trial)),
    )
    for name, step in steps:
        try:
            yield step()
        except DeviceLost as error:
            yield Step(name, Outcome.FAILED, error.message, "Read the kernel log (dmesg, Xid) and start again.")
            return
        except (KaipiaoError, DeviceRefused, OutOfDeviceMemory) as error:
            hint = error.hint if isinstance(error, KaipiaoError) else "Please report this."
            yield Step(name, Outcome.FAILED, str(error), hint)


def try_compiling(trial: Trial) -> Step:
    """Compile every kernel for this device and read what it needs."""
    figures: dict[str, float] = {}
    with trial.session.lock, trial.session.doing("compiling"):
        for kernel in KERNELS:
            compiled = trial.session.kernel(kernel)
            figures[f"{kernel.name} registers"] = compiled.num_regs
            figures[f"{kernel.name} local bytes"] = compiled.local_size_bytes
            figures[f"{kernel.name} shared bytes"] = compiled.shared_size_bytes
    detail = f"{len(KERNELS)} kernels for {trial.session.card.arch}"
    return Step("kernels compile", Outcome.OK, detail, figures=figures)


def try_pixels(trial: Trial) -> Step:
    """Hold pages of the device against those of the CPU, byte for byte."""
    display = trial.pages_of(min(COMPARED_PAGES, trial.most_pages))
    wrong = []
    for dpi in COMPARED_DPI:
        ours = trial.rasterizer(dpi).rasterize(display)
        for page, (here, there) in enumerate(zip(ours, cpu_pages(trial, display, dpi), strict=True)):
            if not np.array_equal(here.index, there.index):
                wrong.append(f"page {page} at {dpi} dpi: {int((here.index != there.index).sum())} pixels")
    compared = f"{display.n_pages} pages at {', '.join(map(str, COMPARED_DPI))} dpi"
    if wrong:
        return Step("pixels", Outcome.FAILED, f"{compared}: {len(wrong)} differ; {wrong[0]}", "Please report this.")
    return Step("pixels", Outcome.OK, f"{compared}: the bytes of the CPU")


def try_png(trial: Trial, pictures: dict[str, bytes]) -> Step:
    """Let another program's decoder read the device's PNG files, and compare pixels; keep the first to look at."""
    display = trial.pages_of(min(COMPARED_PAGES, trial.most_pages))
    wrong, sizes, cpu_sizes = [], [], []
    for dpi in COMPARED_DPI:
        files = trial.rasterizer(dpi).run(display, PngSink())
        for page, (made, there) in enumerate(zip(files, cpu_pages(trial, display, dpi), strict=True)):
            if not np.array_equal(np.asarray(Image.open(io.BytesIO(made.value))), there.index):
                wrong.append(f"page {page} at {dpi} dpi")
            if dpi == COMPARED_DPI[0]:
                sizes.append(len(made.value))
                cpu_sizes.append(len(PngEncoder().encode(there)))
                pictures.setdefault(f"a page made by {made.backend}", made.value)
    figures = {"bytes a page": sum(sizes) / len(sizes), "bytes a page, CPU": sum(cpu_sizes) / len(cpu_sizes)}
    if wrong:
        return Step("PNG", Outcome.FAILED, f"{len(wrong)} files differ; {wrong[0]}", "Please report this.", figures)
    return Step("PNG", Outcome.OK, "Pillow reads the pixels of the CPU in every file", figures=figures)


def try_jpeg(trial: Trial) -> Step:
    """Open a session of nvJPEG, and see that its pictures are those pages."""
    display = trial.pages_of(min(4, trial.most_pages))
    counterpart = _Pillow()
    try:
        sink = JpegSink(trial.session, counterpart)
    except BackendUnavailable as error:
        return Step("JPEG", Outcome.MISSING, error.message, error.hint)
    difference = []
    for made, there in zip(trial.rasterizer().run(display, sink), cpu_pages(trial, display, trial.dpi), strict=True):
        seen = np.asarray(Image.open(io.BytesIO(made.value)).convert("RGB"), np.int16)
        difference.append(float(np.abs(seen - there.rgb()).mean()))
    figures = {"mean difference of 255": max(difference)}
    if max(difference) > _MOST_JPEG_DIFFERENCE:
        return Step("JPEG", Outcome.FAILED, "the pictures are not those pages", "Please report this.", figures)
    return Step("JPEG", Outcome.OK, "nvJPEG encodes the pages", figures=figures)


def time_steps(trial: Trial) -> Step:
    """Time every upload, kernel and copy of one full flight by the device's events."""
    clock = StepClock(trial.session.cupy)
    rasterizer = trial.rasterizer(watch=clock)
    n_pages = min(rasterizer.pages_at_once, trial.most_pages)
    display = trial.pages_of(n_pages)
    times: dict[str, list[float]] = {}
    for turn in range(1 + _TIMED_ROUNDS):
        list(rasterizer.run(display, PngSink()))
        for name, samples in clock.take().items():
            # The first round compiles and sends what stays.
            times.setdefault(name, []).append(sum(samples) if turn else 0.0)
    figures = {f"{name}, µs a page": 1000 * median(samples[1:]) / n_pages for name, samples in times.items()}
    return Step("times of steps", Outcome.OK, f"flights of {n_pages} pages at {trial.dpi} dpi", figures=figures)


def time_batches(trial: Trial) -> Iterator[BatchTime]:
    """Yield times of batches of 1, 2, 4 … pages: display list in, PNG files in the host's memory out.

    Raises:
        KaipiaoError: the device failed; what was yielded before is right.
    """
    rasterizer, sink = trial.rasterizer(), PngSink()
    everything = trial.pages_of(trial.most_pages)
    cpu, png = Rasterizer(trial.template.resources, trial.dpi), PngEncoder()
    n_pages = 1
    while n_pages <= trial.most_pages:
        display = everything if n_pages == trial.most_pages else trial.pages_of(n_pages)
        rounds = max(2, min(10, _ROUND_PAGES // n_pages))
        sizes = [len(made.value) for made in rasterizer.run(display, sink)]
        device_ms = _median_ms(partial(_drain, rasterizer, display, sink), rounds)
        cpu_ms = None
        if n_pages <= MOST_CPU_PAGES:
            cpu_ms = _median_ms(partial(_encode_all, cpu, display, png), _CPU_ROUNDS)
        yield BatchTime(n_pages, device_ms, cpu_ms, sum(sizes) / n_pages)
        n_pages *= 2


def cpu_pages(trial: Trial, display: DisplayList, dpi: int) -> Iterator[PagePixels]:
    """Return the pages as the CPU draws them."""
    return Rasterizer(trial.template.resources, dpi).rasterize(display)


def _drain(rasterizer: CudaRasterizer, display: DisplayList, sink: PngSink) -> None:
    for _ in rasterizer.run(display, sink):
        pass


def _encode_all(rasterizer: Rasterizer, display: DisplayList, encoder: PngEncoder) -> None:
    for page in rasterizer.rasterize(display):
        encoder.encode(page)


def _median_ms(work: Callable[[], object], rounds: int) -> float:
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1000)
    return median(samples)


class _Pillow:
    """Stands in as the counterpart of the JPEG encoder; a strict rasteriser never asks it."""

    def encode(self, pixels: PagePixels) -> bytes:
        """Refuse."""
        raise InputError(f"a page of {pixels.index.shape} pixels was given to the CPU.")
