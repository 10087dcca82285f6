"""Stage times of one job: the single clock that results, metrics and benchmarks read."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager


class StageTimes:
    """Milliseconds by stage name; a stage that runs again adds to its time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.ms: dict[str, float] = {}

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Count the time of the body under ``name``, also when it raises."""
        return _Stage(self, name, self.clock)

    def rounded(self) -> dict[str, float]:
        """Return the milliseconds to a microsecond."""
        # Several times as quick as round(), which finds the nearest of all decimal fractions.
        return {name: int(ms * 1000 + 0.5) / 1000 for name, ms in self.ms.items()}

    def add(self, name: str, ms: float) -> None:
        """Count time that was measured elsewhere, such as a share of a batch's."""
        self.ms[name] = self.ms.get(name, 0.0) + ms


class _Stage:
    """One run of a stage: a class, as a generator takes several times as long and every invoice has many."""

    __slots__ = ("_clock", "_name", "_start", "_times")

    def __init__(self, times: StageTimes, name: str, clock: Callable[[], float]) -> None:
        self._times, self._name, self._clock = times, name, clock

    def __enter__(self) -> None:
        self._start = self._clock()

    def __exit__(self, *_: object) -> None:
        self._times.add(self._name, (self._clock() - self._start) * 1000)
