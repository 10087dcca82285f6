"""Pages composed on the device, and what can be made of them there: the seam between rasteriser and encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from render.gpu.flight import Flight
from render.gpu.page_table import PageTable
from render.gpu.signatures import Sizes
from render.pixels import PagePixels

U1 = NDArray[np.uint8]
Value = TypeVar("Value")
Value_co = TypeVar("Value_co", covariant=True)

DEPTHS = (1, 2, 4, 8)


@dataclass(frozen=True, eq=False, slots=True)
class PageKind:
    """What pages on one background share.

    Attributes:
        owner: the background; its identity tells kinds apart.
        index: uint8[height, width], its palette indices.
        palette: uint8[n, 3].
        tone: uint8[256], coverage to palette index, of the ink of values.
        dpi: dots per inch.
    """

    owner: object
    index: U1
    palette: U1
    tone: U1
    dpi: int

    @property
    def depth(self) -> int:
        """Return the bits in which an index of the palette fits: 1, 2, 4 or 8."""
        return next(depth for depth in DEPTHS if len(self.palette) <= 1 << depth)


@dataclass(frozen=True, eq=False, slots=True)
class DevicePages:
    """Pages that a flight composes.

    Attributes:
        kinds: of each page.
        table: sizes and places of the pages.
        addresses: of every array on the device, by name of argument.
        sizes: of the batch.
    """

    flight: Flight
    kinds: Sequence[PageKind]
    table: PageTable
    addresses: Mapping[str, int]
    sizes: Sizes


class Pending(Protocol[Value_co]):
    """What a device is about to make of the pages of a flight."""

    def collect(self) -> Sequence[Value_co | None]:
        """Wait for it and return it, one thing a page; None where the device could not make it."""
        ...


class Sink(Protocol[Value_co]):
    """Makes something of pages on the device, or of one page on the CPU.

    Attributes:
        name: of what makes it on the device, as receipts tell it.
        cpu_library: of what encodes a page on the CPU; empty where pages stay pixels.
    """

    name: str
    cpu_library: str

    def bytes_of(self, kind: PageKind) -> int:
        """Return the device memory that it needs for a page beside the page itself."""
        ...

    def tables(self, kinds: Sequence[PageKind]) -> Mapping[str, NDArray[np.generic]]:
        """Return the arrays by name of argument that are sent with a batch, a row for each kind."""
        ...

    def submit(self, pages: DevicePages) -> Pending[Value_co]:
        """Submit the work to the stream of the pages' flight."""
        ...

    def on_cpu(self, pixels: PagePixels) -> Value_co:
        """Make the same thing, for every reader of it, without the device."""
        ...


@dataclass(frozen=True, slots=True)
class Made(Generic[Value]):
    """What was made of a page, and by what, as receipts tell it: the sink's name, or what ran on the CPU."""

    value: Value
    backend: str


def made_on_cpu(value: Value, compositor: str, sink: Sink[Value]) -> Made[Value]:
    """Return what was made of a page without the device.

    Args:
        value: what was made.
        compositor: what drew the page on the CPU, such as ``numba``.
        sink: whose counterpart on the CPU encoded it.
    """
    return Made(value, f"{compositor}+{sink.cpu_library}" if sink.cpu_library else compositor)
