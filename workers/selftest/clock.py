"""Times on the device, by its own events."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from render.gpu.faults import Cupy


class StepClock:
    """Takes the time of every step of flights: give it to a rasteriser as its ``watch``."""

    def __init__(self, cupy: Cupy) -> None:
        self._cupy = cupy
        self._marks: list[tuple[int, str, Any]] = []

    def __call__(self, stream: Any, name: str) -> None:  # noqa: ANN401 cupy's Stream
        """Record an event before a step."""
        event = self._cupy.cuda.Event()
        event.record(stream)
        self._marks.append((stream.ptr, name, event))

    def take(self) -> dict[str, list[float]]:
        """Return milliseconds of every step so far by name, and forget them; the streams must have come so far.

        A step lasts to the next one on its stream, so gaps in which the device waits for the host are counted too.
        """
        marks, self._marks = self._marks, []
        by_stream: dict[int, list[tuple[str, Any]]] = defaultdict(list)
        for stream, name, event in marks:
            by_stream[stream].append((name, event))
        times: dict[str, list[float]] = defaultdict(list)
        for steps in by_stream.values():
            for (name, start), (_, end) in pairwise(steps):
                if name != "end":
                    times[name].append(float(self._cupy.cuda.get_elapsed_time(start, end)))
        return dict(times)
