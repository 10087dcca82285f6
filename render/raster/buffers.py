"""Page buffers that are used again once nobody holds them.

Fresh memory for a page costs more than painting it (the system must clear and map every 4 KiB), so a buffer whose
page was dropped is handed out again.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

_PER_SHAPE = 2
_SHAPES = 4
# A buffer nobody holds is known to its list, to the loop variable and to getrefcount's own argument.
_IDLE = 3


class PageBuffers:
    """A few buffers a page size; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[int, int], list[NDArray[np.uint8]]] = OrderedDict()

    def take(self, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Return uint8[shape] with arbitrary content, which no one else holds.

        It counts as held as long as it, or any array or memoryview made from it, is alive.
        """
        with self._lock:
            held = self._held.setdefault(shape, [])
            self._held.move_to_end(shape)
            if len(self._held) > _SHAPES:
                self._held.popitem(last=False)
            for buffer in held:
                if sys.getrefcount(buffer) == _IDLE:
                    return buffer
            fresh = np.empty(shape, np.uint8)
            if len(held) < _PER_SHAPE:
                held.append(fresh)
            return fresh
