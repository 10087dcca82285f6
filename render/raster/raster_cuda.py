"""Display lists to pages by the device: the CPU places everything, the device bins, composes and hands on.

The pages are byte for byte those of :class:`render.raster.api.Rasterizer`, whose preparation is used as it is. What a
device cannot compose (pages that are compiled whole) and what it fails at is drawn by the CPU; each page says by whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList
from render.display.resources import Resources
from render.gpu.events import OnEvent, log_event
from render.gpu.flight import Flight, Watch
from render.gpu.pages import DevicePages, Made, PageKind, Pending, Sink, made_on_cpu
from render.gpu.session import Session
from render.gpu.signatures import Page
from render.pixels import PagePixels
from render.raster.api import PreparedBatch, Rasterizer
from render.raster.background import Ground
from render.raster.palette import BLACK
from render.raster.run_cuda import BatchRun
from render.raster.stamps import Stamps

Value = TypeVar("Value")
Array = NDArray[np.generic]

PAGES_AT_ONCE = 32
"""Most pages of a flight: enough to fill a device, few enough that the next flight's work hides the copies of this."""


class BatchRasterizer(Rasterizer):
    """Prepares whole batches and leaves open who draws their pages; arguments as for the parent."""

    @property
    def compositor(self) -> str:
        """Return the name of what draws a page on the CPU."""
        return self.backend

    def prepare(self, display: DisplayList) -> Batch:
        """Return a batch that is placed, looked up and ready to be drawn.

        Raises:
            InputError, GlyphMissing, OutputInvalid: as the parent.
        """
        return Batch(self, self._prepare(display))

    def run(self, display: DisplayList, sink: Sink[Value]) -> Iterator[Made[Value]]:
        """Return what a sink makes of each page, in order, with the name of what made it: here the CPU.

        Raises:
            InputError, GlyphMissing, OutputInvalid: as the parent.
        """
        return (made_on_cpu(sink.on_cpu(pixels), self.compositor, sink) for pixels in self.prepare(display))

    def draw_on_cpu(self, batch: Batch, page: int) -> PagePixels:
        """Return one page as the parent draws it."""
        return self._draw(batch.prepared, page)


class CudaRasterizer(BatchRasterizer):
    """Draws pages on a device. Build it once for a template and resolution, as its parent; share the session.

    Args:
        resources, dpi, backend: of the parent, which prepares, and draws what the device does not.
        session: the device.
        is_strict: raise where the device fails at pages instead of letting the CPU draw them.
        pages_at_once: most pages of a flight.
        on_event: told of every page that goes another way than was meant.
        watch: told of each step, for timing.

    Raises:
        InputError, BackendUnavailable: as the parent.
    """

    def __init__(
        self,
        resources: Resources,
        dpi: int,
        *,
        session: Session,
        backend: str = "auto",
        is_strict: bool = False,
        pages_at_once: int = PAGES_AT_ONCE,
        on_event: OnEvent = log_event,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(resources, dpi, backend=backend)
        self._compositor = self.backend
        self.backend = "cuda"
        self.session = session
        self.is_strict = is_strict
        self.pages_at_once = pages_at_once
        self.on_event = on_event
        self.watch = watch

    @property
    def compositor(self) -> str:
        """Return the name of what draws a page on the CPU."""
        return self._compositor

    def rasterize(self, display: DisplayList) -> Iterator[PagePixels]:
        """Return the pages of a batch in order.

        Raises:
            InputError, GlyphMissing, OutputInvalid: as the parent.
            BackendUnavailable: the device failed at a page, and the rasteriser is strict.
            DeviceLost: the device is gone for this process.
        """
        return (made.value for made in self.run(display, PixelSink()))

    def run(self, display: DisplayList, sink: Sink[Value]) -> Iterator[Made[Value]]:
        """Return what a sink makes of each page, in order, with the name of what made it.

        Raises:
            InputError, GlyphMissing, OutputInvalid: as the parent.
            BackendUnavailable: the device failed at a page, and the rasteriser is strict.
            DeviceLost: the device is gone for this process.
        """
        return BatchRun(self, self.prepare(display), sink).results()


@dataclass(eq=False)
class Batch(Iterator[PagePixels]):
    """A display list that is ready to be drawn; iterating over it draws on the CPU."""

    rasterizer: BatchRasterizer
    prepared: PreparedBatch
    drawn: int = 0

    def __next__(self) -> PagePixels:
        if self.drawn == len(self.grounds):
            raise StopIteration
        self.drawn += 1
        return self.rasterizer.draw_on_cpu(self, self.drawn - 1)

    @property
    def stamps(self) -> Stamps:
        """What lies on the pages."""
        return self.prepared.stamps

    @property
    def grounds(self) -> Sequence[Ground | None]:
        """What the pages lie on; None = a page is compiled whole."""
        return self.prepared.grounds

    @cached_property
    def kinds(self) -> list[PageKind | None]:
        """What each page lies on; None = it is compiled whole."""
        dpi, kinds = self.rasterizer.dpi, dict[int, PageKind]()
        for ground in self.grounds:
            if ground is not None and id(ground) not in kinds:
                kinds[id(ground)] = _kind(ground, dpi)
        return [None if ground is None else kinds[id(ground)] for ground in self.grounds]


def _kind(ground: Ground, dpi: int) -> PageKind:
    return PageKind(ground, ground.index, ground.palette.rgb, ground.palette.tones[BLACK], dpi)


class PixelSink:
    """Brings pages back as pixels."""

    name = "cuda"
    cpu_library = ""

    def bytes_of(self, kind: PageKind) -> int:  # noqa: ARG002 of the protocol
        """Return 0: pixels are read where they were composed."""
        return 0

    def tables(self, kinds: Sequence[PageKind]) -> dict[str, Array]:  # noqa: ARG002 of the protocol
        """Return nothing."""
        return {}

    def submit(self, pages: DevicePages) -> Pending[PagePixels]:
        """Submit the copies of all pages to the host."""
        first, copies = pages.addresses["pages"], []
        for row in pages.table.rows.tolist():
            shape = row[Page.HEIGHT], row[Page.WIDTH]
            copies.append(pages.flight.download_rows(first + row[Page.PAGE_OFF], row[Page.PITCH], shape))
            copies[-1].flags.writeable = False
        pages.flight.mark()
        pixels = [PagePixels(copy, kind.palette, kind.dpi) for copy, kind in zip(copies, pages.kinds, strict=True)]
        return _PendingPixels(pages.flight, pixels)

    def on_cpu(self, pixels: PagePixels) -> PagePixels:
        """Return the pixels."""
        return pixels


@dataclass(frozen=True, slots=True)
class _PendingPixels:
    """Pages that are being copied."""

    flight: Flight
    pixels: list[PagePixels]

    def collect(self) -> Sequence[PagePixels]:
        """Wait for the copies."""
        self.flight.land()
        return self.pixels
