"""Data that stays on the device between batches: backgrounds and the atlas, the latest used within a budget."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from render.gpu.flight import Flight
    from render.gpu.session import Session


@dataclass(slots=True)
class _Resident:
    """An array's copy on the device.

    Attributes:
        owner: keeps the host's object, whose identity is the key, alive.
        filled: how many bytes of each row were sent.
        ready: recorded on the stream that sent them last.
    """

    owner: object
    memory: Any
    nbytes: int
    filled: int
    ready: Any


class Residents:
    """Copies of host arrays by the identity of their owner; use it under the session's lock.

    Args:
        session: the device.
        max_bytes: more is dropped, the longest unused first; flights under way keep what they use.
    """

    def __init__(self, session: Session, max_bytes: int) -> None:
        self._session = session
        self._max_bytes = max_bytes
        self._held: OrderedDict[int, _Resident] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Device memory of all copies."""
        return sum(resident.nbytes for resident in self._held.values())

    def address(self, flight: Flight, owner: object, rows: NDArray[np.uint8], filled: int, pitch: int = 0) -> int:
        """Return where the device has an array, sending what it does not have; the flight waits for it and holds it.

        Args:
            flight: what will read the array.
            owner: whoever the array belongs to for good: nothing that was once filled may change.
            rows: uint8[n, width].
            filled: how many bytes of each row have content; more may have at the next call.
            pitch: bytes of a row on the device, at least ``width``; the difference is filled with 0. 0 = ``width``.
        """
        pitch = pitch or rows.shape[1]
        key = id(owner)
        resident = self._held.get(key)
        if resident is None:
            size = len(rows) * pitch
            memory = self._session.alloc(size)
            flight.hold(memory)
            if pitch != rows.shape[1]:
                runtime = self._session.cupy.cuda.runtime
                runtime.memsetAsync(int(memory.ptr), 0, size, flight.stream.ptr)
            resident = _Resident(owner, memory, size, 0, self._session.cupy.cuda.Event(disable_timing=True))
            self._send(flight, resident, rows, filled, pitch)
            self._held[key] = resident
            self._evict()
        else:
            # An earlier flight on the other stream may still be sending.
            flight.stream.wait_event(resident.ready)
            self._send(flight, resident, rows, filled, pitch)
        self._held.move_to_end(key)
        flight.hold(resident.memory)
        return int(resident.memory.ptr)

    def clear(self) -> None:
        """Drop everything."""
        self._held.clear()

    def _send(self, flight: Flight, resident: _Resident, rows: NDArray[np.uint8], filled: int, pitch: int) -> None:
        """Send the bytes of each row from those that were sent before up to ``filled``."""
        first = resident.filled
        if filled <= first:
            return
        staging = self._session.pinned(len(rows) * (filled - first))
        np.copyto(staging.reshape(len(rows), -1), rows[:, first:filled])
        flight.hold(staging)
        runtime, width = self._session.cupy.cuda.runtime, filled - first
        target, kind = int(resident.memory.ptr) + first, runtime.memcpyHostToDevice
        source = staging.ctypes.data
        runtime.memcpy2DAsync(target, pitch, source, width, width, len(rows), kind, flight.stream.ptr)
        # A fresh event, since flights may wait for the one before.
        resident.ready = self._session.cupy.cuda.Event(disable_timing=True)
        resident.ready.record(flight.stream)
        resident.filled = filled

    def _evict(self) -> None:
        while len(self._held) > 1 and self.nbytes > self._max_bytes:
            self._held.popitem(last=False)
