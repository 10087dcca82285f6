"""One device in use by this process: its streams, its memory budget and its kernels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import BackendUnavailable
from render.gpu.device import Card, Choice, Device, choose, load_cupy
from render.gpu.events import GpuEvent, GpuEventKind, log_event
from render.gpu.faults import Cupy, DeviceRefused, OutOfDeviceMemory, guarded
from render.gpu.residents import Residents
from render.gpu.signatures import Kernel

N_LANES = 2
"""Streams: while the pages of one are copied back, those of the other are sent and drawn."""

MEMORY_SHARE = 0.6
"""Of the memory that is free when the session begins; the rest is for encoders, other processes and fragments."""

RESIDENT_SHARE = 0.4
"""Of the budget, for what stays on the device between batches."""

COMPILE_OPTIONS = ("--std=c++17",)

PACKAGE = Path(__file__).parents[1]
"""What the files of kernels are relative to."""

# A pinned block is used again by requests of exactly its size, so sizes are rounded to a few.
_PINNED_STEP = 1 << 20


class Session:
    """A card, ready for work; make one a process. Threads take ``lock`` around what they submit.

    Args:
        cupy: the module.
        card: the device.
        memory_bytes: budget of device memory; None = MEMORY_SHARE of what is free.

    Raises:
        OutOfDeviceMemory, DeviceRefused, DeviceLost: the device does not give what a session needs.
    """

    def __init__(self, cupy: Cupy, card: Card, memory_bytes: int | None = None) -> None:
        self.cupy = cupy
        self.card = card
        self.lock = threading.RLock()
        self._modules: dict[str, Any] = {}
        self._kernels: dict[str, Any] = {}
        with self.doing("opening the device"):
            free, _ = cupy.cuda.runtime.memGetInfo()
            self.memory_bytes = int(free * MEMORY_SHARE) if memory_bytes is None else memory_bytes
            self._pool = cupy.cuda.MemoryPool()
            self._pool.set_limit(size=self.memory_bytes)
            self._pinned = cupy.cuda.PinnedMemoryPool()
            self.residents = Residents(self, int(self.memory_bytes * RESIDENT_SHARE))
            self._streams = cycle([cupy.cuda.Stream(non_blocking=True) for _ in range(N_LANES)])

    @classmethod
    def open(cls, choice: Choice, memory_bytes: int | None = None) -> Session:
        """Open the card of a choice, which must have one."""
        if choice.card is None:
            raise ValueError("a choice of the CPU has no card")
        return cls(load_cupy(), choice.card, memory_bytes)

    @contextmanager
    def doing(self, what: str, stream: Any = None) -> Iterator[None]:  # noqa: ANN401 cupy's Stream
        """Make the device, and a stream if given, current, and sort whatever CUDA raises (:func:`guarded`)."""
        with guarded(self.cupy, what), self.cupy.cuda.Device(self.card.index):
            if stream is None:
                yield
            else:
                with stream:
                    yield

    @property
    def flight_bytes(self) -> int:
        """Device memory that one flight may use."""
        return int(self.memory_bytes * (1 - RESIDENT_SHARE)) // N_LANES

    def next_stream(self) -> Any:  # noqa: ANN401 cupy's Stream
        """Return the lanes' streams in turn."""
        return next(self._streams)

    @property
    def used_bytes(self) -> int:
        """Device memory in use, without what the pool keeps for use again."""
        return int(self._pool.used_bytes())

    def alloc(self, nbytes: int) -> Any:  # noqa: ANN401 cupy's MemoryPointer
        """Return device memory for work on the current stream, freed when the last reference is gone.

        Raises:
            OutOfDeviceMemory: the budget or the device is exhausted.
        """
        try:
            return self._pool.malloc(max(nbytes, 1))
        except self.cupy.cuda.memory.OutOfMemoryError as error:
            raise OutOfDeviceMemory(f"{nbytes:,} bytes: {error}") from error

    def pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """Return pinned host memory as uint8[nbytes]; it stays valid as long as any view of it."""
        rounded = -(-max(nbytes, 1) // _PINNED_STEP) * _PINNED_STEP
        return np.frombuffer(self._pinned.malloc(rounded), np.uint8, rounded)[:nbytes]

    def release(self) -> None:
        """Give back what the pools keep for use again."""
        self._pool.free_all_blocks()
        self._pinned.free_all_blocks()

    def kernel(self, kernel: Kernel) -> Any:  # noqa: ANN401 cupy's RawKernel
        """Return an entry point, its file compiled when first asked for; CuPy keeps the binary on disk."""
        if kernel.name not in self._kernels:
            if kernel.file not in self._modules:
                code = (PACKAGE / kernel.file).read_text(encoding="utf-8")
                self._modules[kernel.file] = self.cupy.RawModule(code=code, options=COMPILE_OPTIONS, backend="nvrtc")
            self._kernels[kernel.name] = self._modules[kernel.file].get_function(kernel.name)
        return self._kernels[kernel.name]


def open_session(asked: str | Device = Device.AUTO, memory_bytes: int | None = None) -> Session | None:
    """Return a session on the device that is to render; None = the CPU renders.

    Args:
        asked: as for :func:`render.gpu.device.choose`.
        memory_bytes: as for :class:`Session`.

    Raises:
        ConfigError: there is no such device.
        BackendUnavailable: ``cuda`` was asked for and is impossible here.
        DeviceLost: the device broke while it was opened.
    """
    choice = choose(asked)
    if choice.card is None:
        return None
    try:
        return Session.open(choice, memory_bytes)
    except (OutOfDeviceMemory, DeviceRefused) as error:
        if asked == Device.CUDA:
            hint = "Free memory on the device, or choose the device `auto`."
            raise BackendUnavailable(f"{choice.card.name} cannot be opened: {error}.", hint=hint) from error
        log_event(GpuEvent(GpuEventKind.UNOPENED, 0, f"{choice.card.name}: {error}"))
        return None
