"""Stage times of one job: the single clock that results, metrics and benchmarks read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StageTimes:
    """Milliseconds by stage name; a stage that runs again adds to its time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the body under ``name``, also when it raises."""
        start = self._clock()
        try:
            yield
        finally:
            self.add(name, (self._clock() - start) * 1000)

    def add(self, name: str, ms: float) -> None:
        """Count time that was measured elsewhere, such as a share of a batch's."""
        self.ms[name] = self.ms.get(name, 0.0) + ms
