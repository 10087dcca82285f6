"""Page buffers that are used again once nobody holds them.

Fresh memory for a page costs more than painting it (the system must clear and map every 4 KiB), so a buffer whose
page was dropped is handed out again, best to a page on the same ground: then only what the last page touched has to
be brought back.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
"""Every span of a row."""

MAX_HELD_BYTES = 64 << 20
_PER_SHAPE = 8
_SHAPES = 4
# Pixels nobody holds are known to their buffer and to getrefcount's own argument.
_IDLE = 2


@dataclass(slots=True, eq=False)
class _Buffer:
    """Pixels, and what they equal but where they are stale; None stands for nothing."""

    pixels: U1
    ground: U1 | None = None
    stale: U8 = field(init=False)

    def __post_init__(self) -> None:
        self.stale = np.full(len(self.pixels), ALL)


class PageBuffers:
    """A few buffers a page size; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[int, int], list[_Buffer]] = OrderedDict()

    def take(self, shape: tuple[int, int]) -> U1:
        """Return uint8[shape] with arbitrary content, which no one else holds.

        It counts as held as long as it, or any array or memoryview made from it, is alive.
        """
        with self._lock:
            return self._idle(shape, None).pixels

    def take_on(self, ground: U1) -> tuple[U1, U8]:
        """Return pixels as :meth:`take` does, and uint64[H]: bits 0 for what equals a ground, by spans of columns.

        Whoever changes pixels sets bits there, in the same array, before letting the pixels go, and nobody later; see
        :func:`render.pixels.touched_span`.

        Args:
            ground: uint8[H, W] that never changes.
        """
        with self._lock:
            buffer = self._idle(ground.shape, ground)
            if buffer.ground is not ground:
                buffer.stale[:] = ALL
                buffer.ground = ground
            return buffer.pixels, buffer.stale

    def _idle(self, shape: tuple[int, ...], ground: U1 | None) -> _Buffer:
        """Return a buffer that nobody holds, of that ground if there is one."""
        height, width = shape
        held = self._held.setdefault((height, width), [])
        self._held.move_to_end((height, width))
        if len(self._held) > _SHAPES:
            self._held.popitem(last=False)
        idle = [buffer for buffer in held if sys.getrefcount(buffer.pixels) == _IDLE]
        for buffer in idle:
            if buffer.ground is ground:
                return buffer
        is_room = len(held) < _PER_SHAPE and self._held_bytes() + height * width <= MAX_HELD_BYTES
        if idle and (ground is None or not is_room):
            idle[0].ground = None
            return idle[0]
        fresh = _Buffer(np.empty((height, width), np.uint8))
        if is_room or not held:
            held.append(fresh)
        return fresh

    def _held_bytes(self) -> int:
        return sum(buffer.pixels.nbytes for held in self._held.values() for buffer in held)
