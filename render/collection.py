"""Keeps Python's cyclic garbage collector out of the way of a batch."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pauses:
    """How many bodies run at this moment that want no collection; it belongs to the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._is_ours_to_resume = False

    def begin(self) -> None:
        with self._lock:
            if self._running == 0:
                self._is_ours_to_resume = gc.isenabled()
                gc.disable()
            self._running += 1

    def end(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._is_ours_to_resume:
                gc.enable()


_pauses = _Pauses()


@contextmanager
def paused_collection() -> Iterator[None]:
    """Let no cycles be looked for in the body, which must be bounded.

    The objects of a batch are freed by their reference counts. A collection in the midst of it walks over all that the
    batch holds, again and again, and finds nothing; only errors leave cycles, which wait for the next collection.
    Bodies may overlap in several threads. A process that has switched collection off finds it off.
    """
    _pauses.begin()
    try:
        yield
    finally:
        _pauses.end()
