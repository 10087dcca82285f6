"""A batch through the device: as many flights as memory asks for, two under way, and the CPU where the device fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from render.errors import BackendUnavailable, DeviceLost
from render.gpu.events import GpuEvent, GpuEventKind
from render.gpu.faults import DeviceRefused, OutOfDeviceMemory
from render.gpu.flight import Flight
from render.gpu.page_table import PageShape, PageTable
from render.gpu.pages import DevicePages, Made, PageKind, Pending, Sink, made_on_cpu
from render.gpu.session import N_LANES
from render.gpu.signatures import (
    BIN_ITEMS_COUNT,
    BIN_ITEMS_FILL,
    BIN_ITEMS_SCAN,
    COMPOSITE_TILES,
    pitch_of,
)
from render.raster.atlas import Cells
from render.raster.kernels.bin_items import count_pairs

if TYPE_CHECKING:
    from render.raster.raster_cuda import Batch, CudaRasterizer

Value = TypeVar("Value")
Array = NDArray[np.generic]

_INT32, _UINT32 = 4, 4


@dataclass(frozen=True, eq=False, slots=True)
class _Flown(Generic[Value]):
    """Pages under way: ``on_device`` are those of ``part`` that the device makes; no flight where it makes none."""

    part: range
    on_device: Sequence[int]
    flight: Flight | None = None
    pending: Pending[Value] | None = None


class BatchRun(Generic[Value]):
    """One batch through the device, in as many flights as its memory asks for."""

    def __init__(self, rasterizer: CudaRasterizer, batch: Batch, sink: Sink[Value]) -> None:
        self._rasterizer = rasterizer
        self._session = rasterizer.session
        self._batch = batch
        self._sink = sink
        self._next = 0
        self._limit = self._pages_that_fit()
        self._under_way: deque[_Flown[Value]] = deque()

    def results(self) -> Iterator[Made[Value]]:
        """Yield what is made of each page; the next flight is submitted before the pages of this one are handed out."""
        n_pages = len(self._batch.grounds)
        try:
            while self._next < n_pages or self._under_way:
                while self._next < n_pages and len(self._under_way) < N_LANES:
                    if not self._start(range(self._next, min(self._next + self._limit, n_pages))):
                        break
                yield from self._finish(self._under_way[0])
        except DeviceLost:
            # Nothing is under way on a device that is gone, and asking it would only hide what broke it.
            self._under_way.clear()
            raise
        finally:
            self._abandon()

    def _pages_that_fit(self) -> int:
        kinds = {id(kind): kind for kind in self._batch.kinds if kind is not None}.values()
        needs = [kind.index.nbytes + self._sink.bytes_of(kind) for kind in kinds]
        return max(1, min(self._rasterizer.pages_at_once, self._session.flight_bytes // max([*needs, 1])))

    def _start(self, part: range) -> bool:
        """Submit pages, or fewer of them; return False where pages under way must be finished first."""
        try:
            self._under_way.append(self._submit(part))
        except OutOfDeviceMemory as error:
            if self._under_way:
                return False
            self._make_room()
            if len(part) > 1:
                self._limit = (len(part) + 1) // 2
                self._rasterizer.on_event(GpuEvent(GpuEventKind.HALVED, len(part), str(error)))
                return True
            self._start_without_room(part)
        except DeviceRefused as error:
            self._give_up(part, str(error))
            self._under_way.append(_Flown(part, ()))
        self._next = part.stop
        return True

    def _start_without_room(self, part: range) -> None:
        """Submit one page now that nothing else is on the device, or leave it to the CPU."""
        try:
            self._under_way.append(self._submit(part))
        except (OutOfDeviceMemory, DeviceRefused) as error:
            self._give_up(part, str(error))
            self._under_way.append(_Flown(part, ()))

    def _make_room(self) -> None:
        with self._session.lock, self._session.doing("making room"):
            self._session.residents.clear()
            self._session.release()

    def _give_up(self, pages: Sequence[int], reason: str, kind: GpuEventKind = GpuEventKind.FELL_BACK) -> None:
        """Say that the CPU draws these pages, or refuse where it may not."""
        if self._rasterizer.is_strict:
            message = f"the device could not make {len(pages)} page(s): {reason}."
            raise BackendUnavailable(message, hint="Choose the device `auto`, which lets the CPU draw them.")
        self._rasterizer.on_event(GpuEvent(kind, len(pages), reason))

    def _submit(self, part: range) -> _Flown[Value]:
        on_device = [page for page in part if self._batch.kinds[page] is not None]
        if not on_device:
            return _Flown(part, ())
        with self._session.lock, self._session.doing("submitting pages"):
            flight = Flight(self._session, self._rasterizer.watch)
            try:
                with flight.stream:
                    pages = _compose(flight, self._batch, part, on_device, self._sink)
                    return _Flown(part, on_device, flight, self._sink.submit(pages))
            except BaseException:
                # Copies may still read what the flight holds.
                flight.stream.synchronize()
                raise

    def _finish(self, flown: _Flown[Value]) -> Iterator[Made[Value]]:
        """Hand out the pages of a flight in order, drawing on the CPU those that the device did not make."""
        made = dict(zip(flown.on_device, self._collect(flown), strict=True))
        self._under_way.popleft()
        for page in flown.part:
            value = made.pop(page, None)
            if value is not None:
                yield Made(value, self._sink.name)
            else:
                drawn = self._sink.on_cpu(self._rasterizer.draw_on_cpu(self._batch, page))
                yield made_on_cpu(drawn, self._rasterizer.compositor, self._sink)

    def _collect(self, flown: _Flown[Value]) -> Sequence[Value | None]:
        if flown.flight is None or flown.pending is None:
            return ()
        values: Sequence[Value | None] = [None] * len(flown.on_device)
        reason, kind = "the device could not hold what it made of them", GpuEventKind.DECLINED
        try:
            with self._session.doing("collecting pages", flown.flight.stream):
                values = flown.pending.collect()
        except (OutOfDeviceMemory, DeviceRefused) as error:
            reason, kind = str(error), GpuEventKind.FELL_BACK
            with self._session.doing("clearing up", flown.flight.stream):
                flown.flight.stream.synchronize()
        flown.flight.let_go()
        unmade = [page for page, value in zip(flown.on_device, values, strict=True) if value is None]
        if unmade:
            self._give_up(unmade, reason, kind)
        return values

    def _abandon(self) -> None:
        """Wait for what is still under way, since its memory may be given to others only then."""
        for flown in self._under_way:
            if flown.flight is not None:
                with self._session.doing("abandoning pages", flown.flight.stream):
                    flown.flight.stream.synchronize()
                flown.flight.let_go()
        self._under_way.clear()


def _compose(flight: Flight, batch: Batch, part: range, on_device: Sequence[int], sink: Sink[Any]) -> DevicePages:
    """Submit the upload and the kernels that compose pages."""
    kinds = [cast("PageKind", batch.kinds[page]) for page in on_device]
    distinct = list({id(kind): kind for kind in kinds}.values())
    row_of = {id(kind): row for row, kind in enumerate(distinct)}
    rows = [row_of[id(kind)] for kind in kinds]
    grounds = [_ground_address(flight, kind) for kind in distinct]
    first_ground = min(grounds)
    table = PageTable.of(
        [
            PageShape(kind.index.shape[1], kind.index.shape[0], grounds[row] - first_ground, kind.depth, row)
            for kind, row in zip(kinds, rows, strict=True)
        ]
    )
    arrays = items_of(batch, part, on_device)
    n_stamps, n_rects = len(arrays["cell_start"]), len(arrays["rect_index"])
    capacity = max(1, count_item_pairs(arrays, table))
    sent = flight.upload({"page_table": table.rows, **arrays, **sink.tables(distinct)})
    addresses = sent | {
        "grounds": first_ground,
        "cells": _atlas_address(flight, batch.prepared.cells),
        "tile_next": flight.zeros(table.n_tiles * _UINT32),
        "tile_off": flight.alloc((table.n_tiles + 1) * _UINT32),
        "tile_items": flight.alloc(capacity * _INT32),
        "pages": flight.alloc(table.page_bytes),
    }
    sizes = table.sizes(n_stamps + n_rects)
    numbers = {"n_stamps": n_stamps, "n_rects": n_rects, "n_tiles": table.n_tiles, "capacity": capacity}
    for kernel in (BIN_ITEMS_COUNT, BIN_ITEMS_SCAN, BIN_ITEMS_FILL, COMPOSITE_TILES):
        flight.launch(kernel, sizes, addresses | numbers)
    return DevicePages(flight, kinds, table, addresses, sizes)


def count_item_pairs(arrays: Mapping[str, NDArray[Any]], table: PageTable) -> int:
    """Return how many pairs of item and tile the device will find."""
    pitch, rows, left, top = (arrays[name] for name in ("cell_pitch", "cell_rows", "left", "top"))
    return count_pairs(pitch, rows, left, top, arrays["rect_px"], arrays["item_page"], table.rows)[0]


def items_of(batch: Batch, part: range, on_device: Sequence[int]) -> dict[str, Array]:
    """Return the stamps and rectangles of a part of the pages by name of argument."""
    stamps = batch.stamps
    some = slice(stamps.off[part.start], stamps.off[part.stop])
    rects = slice(stamps.rect_off[part.start], stamps.rect_off[part.stop])
    columns = zip(("cell_start", "cell_pitch", "cell_rows", "left", "top"), stamps.columns, strict=True)
    arrays: dict[str, Array] = {name: column[some] for name, column in columns}
    arrays |= {"rect_px": stamps.rect_px[rects], "rect_index": stamps.rect_index[rects]}
    # Pages that the device does not compose have no row in its table.
    row_of_page = np.full(len(part), -1, np.int32)
    row_of_page[np.array(on_device, np.int64) - part.start] = np.arange(len(on_device))
    ends = slice(part.start, part.stop + 1)
    counts = np.diff(stamps.off[ends]), np.diff(stamps.rect_off[ends])
    return arrays | {"item_page": np.concatenate([np.repeat(row_of_page, count) for count in counts])}


def _ground_address(flight: Flight, kind: PageKind) -> int:
    width = kind.index.shape[1]
    residents = flight.session.residents
    return residents.address(flight, kind.owner, kind.index, filled=width, pitch=pitch_of(width))


def _atlas_address(flight: Flight, cells: Cells) -> int:
    """Return where the device has the atlas in all tones; cells are added behind those that it has."""
    used = int(cells.start[-1] + cells.pitch[-1] * cells.rows[-1]) if len(cells.start) else 0
    return flight.session.residents.address(flight, cells.toned, cells.toned, filled=used)
