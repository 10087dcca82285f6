"""One batch on its way through a stream: what it sends, runs and brings back, and the memory that this needs.

Whatever copies and kernels still read or write must outlive them, so a flight holds it all and lets go of it only
after its stream came to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.gpu.session import Session
from render.gpu.signatures import Kernel, Sizes

ALIGN = 256
"""Of every array on the device, so that kernels may read words of any size."""

Array = NDArray[np.generic]
Watch = Callable[[Any, str], None]
"""Called with the stream and the name of each step just before it is submitted; ``end`` after the last."""


class Flight:
    """A batch on one stream. Make it under the session's lock and within ``session.doing``.

    Args:
        session: the device.
        watch: told of each step, for timing.
    """

    def __init__(self, session: Session, watch: Watch | None = None) -> None:
        self.session = session
        self.stream = session.next_stream()
        self._watch = watch
        self._held: list[Any] = []
        self._done = session.cupy.cuda.Event(disable_timing=True)

    def hold(self, thing: Any) -> None:  # noqa: ANN401 whatever must live as long
        """Keep something alive until the flight has landed."""
        self._held.append(thing)

    def alloc(self, nbytes: int) -> int:
        """Return the address of device memory that lives as long as the flight; its content is arbitrary."""
        memory = self.session.alloc(nbytes)
        self._held.append(memory)
        return int(memory.ptr)

    def zeros(self, nbytes: int) -> int:
        """Return the address of device memory filled with zeros."""
        address = self.alloc(nbytes)
        self.session.cupy.cuda.runtime.memsetAsync(address, 0, max(nbytes, 1), self.stream.ptr)
        return address

    def upload(self, arrays: Mapping[str, Array]) -> dict[str, int]:
        """Send arrays in one transfer out of one pinned buffer; return their addresses on the device."""
        offsets, size = pack_offsets([array.nbytes for array in arrays.values()])
        staging = self.session.pinned(size)
        for array, offset in zip(arrays.values(), offsets, strict=True):
            part = staging[offset : offset + array.nbytes]
            np.copyto(part.view(array.dtype).reshape(array.shape), array)
        self._held.append(staging)
        target = self.alloc(size)
        self.send(target, staging)
        return {name: target + offset for name, offset in zip(arrays, offsets, strict=True)}

    def send(self, target: int, pinned: NDArray[np.uint8]) -> None:
        """Copy pinned memory, which the caller keeps as it is until the flight has landed, to the device."""
        self._step("upload")
        runtime = self.session.cupy.cuda.runtime
        source = pinned.ctypes.data
        runtime.memcpyAsync(target, source, pinned.nbytes, runtime.memcpyHostToDevice, self.stream.ptr)

    def launch(self, kernel: Kernel, sizes: Sizes, values: Mapping[str, int]) -> None:
        """Run a kernel.

        Args:
            kernel: what to run.
            sizes: of the batch; nothing is launched where they ask for no block.
            values: address or number by name of argument; others are passed over.
        """
        grid = kernel.grid(sizes)
        if 0 in grid:
            return
        self._step(kernel.name)
        arguments = tuple(
            np.int64(values[argument.name]) if argument.role == "scalar" else np.uint64(values[argument.name])
            for argument in kernel.arguments
        )
        self.session.kernel(kernel)(grid, (kernel.threads, 1, 1), arguments, shared_mem=kernel.shared_bytes)

    def download(self, source: int, nbytes: int) -> NDArray[np.uint8]:
        """Return pinned memory that is filled from the device once the flight has landed."""
        target = self.session.pinned(nbytes)
        self._held.append(target)
        self._step("download")
        runtime = self.session.cupy.cuda.runtime
        runtime.memcpyAsync(target.ctypes.data, source, nbytes, runtime.memcpyDeviceToHost, self.stream.ptr)
        return target

    def download_rows(self, source: int, pitch: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Return pinned uint8[height, width] that is filled from rows of ``pitch`` bytes once the flight has landed."""
        height, width = shape
        if pitch == width:
            return self.download(source, height * width).reshape(shape)
        target = self.session.pinned(height * width)
        self._held.append(target)
        self._step("download")
        runtime = self.session.cupy.cuda.runtime
        kind = runtime.memcpyDeviceToHost
        runtime.memcpy2DAsync(target.ctypes.data, width, source, pitch, width, height, kind, self.stream.ptr)
        return target.reshape(shape)

    def mark(self) -> None:
        """Say that everything has been submitted; :meth:`land` waits for what was submitted up to here."""
        self._step("end")
        self._done.record(self.stream)

    def land(self) -> None:
        """Wait until the device has done everything up to the last mark."""
        self._done.synchronize()

    def let_go(self) -> None:
        """Release the flight's memory; call it after :meth:`land`."""
        self._held.clear()

    def _step(self, name: str) -> None:
        if self._watch is not None:
            self._watch(self.stream, name)


def pack_offsets(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Return where things of these sizes in bytes begin in one buffer, each at a multiple of ALIGN, and its size."""
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // ALIGN) * ALIGN
    return offsets, end
