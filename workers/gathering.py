"""Messages that wait for company: full by size or due by time, each lane by itself.

A lane's messages are gathered until they hold enough jobs or the first of them has waited as long as its lane may
make it wait. Lanes do not share a batch: whoever pays for the shortest wait would pay it back by waiting for the work
of the others. Of several lanes that are due, the one whose message had to go first goes first, so none is starved.

Knows neither Celery nor a clock; :mod:`workers.intake` has both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from render.errors import ConfigError
from workers.messages import LANES, Lane

GATHER_WAITS_MS: Mapping[Lane, float] = {"green": 1.0, "issue": 5.0, "preview": 10.0, "bulk": 20.0}
LONGEST_WAIT_MS = 20.0
_MS = 1000.0
_JOB_KEY = '"job_id"'

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class GatherRules:
    """When a batch goes: at so many jobs, or when its first message has waited so long, in milliseconds by lane."""

    jobs: int
    waits_ms: Mapping[Lane, float]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item]):
    item: Item
    jobs: int
    goes_at: float


class Gathered(Generic[Item]):
    """What waits to go.

    Args:
        rules: when it goes.
        seconds: a clock that never goes back.
    """

    def __init__(self, rules: GatherRules, seconds: Callable[[], float]) -> None:
        self._rules = rules
        self._seconds = seconds
        self._lanes: dict[Lane, deque[_Waiting[Item]]] = {lane: deque() for lane in LANES}

    @property
    def jobs(self) -> int:
        """Return how many jobs wait, of all lanes."""
        return sum(self._jobs_of(lane) for lane in LANES)

    @property
    def has_room(self) -> bool:
        """Tell whether more should be fetched: a batch that is full waits for a process, not for company."""
        return self.jobs < self._rules.jobs

    def add(self, item: Item, lane: Lane, jobs: int) -> None:
        """Let a message of so many jobs wait."""
        self._lanes[lane].append(_Waiting(item, jobs, self._seconds() + self._rules.waits_ms[lane] / _MS))

    def is_due(self) -> bool:
        """Tell whether a batch should go now."""
        return self._due_lane() is not None

    def wait_s(self) -> float | None:
        """Return in how many seconds the next batch goes if nothing else comes; None = nothing waits."""
        firsts = [queue[0].goes_at for queue in self._lanes.values() if queue]
        return max(0.0, min(firsts) - self._seconds()) if firsts else None

    def take(self) -> list[Item]:
        """Return the messages that go together now; none where no batch is due."""
        lane = self._due_lane()
        if lane is None:
            return []
        queue, batch, jobs = self._lanes[lane], list[Item](), 0
        # A message is never divided, so the first goes whatever its size.
        while queue and (not batch or jobs + queue[0].jobs <= self._rules.jobs):
            jobs += queue[0].jobs
            batch.append(queue.popleft().item)
        return batch

    def clear(self) -> list[Item]:
        """Return everything that waited; nothing waits any more."""
        items = [waiting.item for queue in self._lanes.values() for waiting in queue]
        for queue in self._lanes.values():
            queue.clear()
        return items

    def _jobs_of(self, lane: Lane) -> int:
        return sum(waiting.jobs for waiting in self._lanes[lane])

    def _due_lane(self) -> Lane | None:
        now, due = self._seconds(), list[tuple[float, Lane]]()
        for lane, queue in self._lanes.items():
            if queue and (queue[0].goes_at <= now or self._jobs_of(lane) >= self._rules.jobs):
                due.append((queue[0].goes_at, lane))
        # Of two at the same moment, the lane of the higher rank.
        return min(due, key=lambda entry: entry[0])[1] if due else None


def jobs_in(message: object) -> int:
    """Return how many jobs a message seems to hold; nobody has checked it yet, so this decides about its size alone."""
    if not isinstance(message, dict):
        return 1
    jobs, payload = message.get("jobs"), message.get("payload")
    if isinstance(jobs, list):
        return max(1, len(jobs))
    # Within a document that a job holds as text, quotation marks are escaped.
    return max(1, payload.count(_JOB_KEY)) if isinstance(payload, str) else 1


def parse_waits(value: str, variable: str) -> dict[Lane, float]:
    """Read waits by lane, ``green=1,bulk=20``.

    Raises:
        ConfigError: no such lane, or a wait out of range.
    """
    waits = dict(GATHER_WAITS_MS)
    hint = f"Write lane=milliseconds, such as bulk=20, 0 to {LONGEST_WAIT_MS:g}, of {', '.join(LANES)}."
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, _, number = part.partition("=")
        lane = next((lane for lane in LANES if lane == name.strip()), None)
        try:
            wait_ms = float(number)
        except ValueError:
            wait_ms = -1.0
        # NaN compares false with everything, and so is out of range.
        if lane is None or not 0 <= wait_ms <= LONGEST_WAIT_MS:
            raise ConfigError(f"{variable} is {value!r}.", hint=hint)
        waits[lane] = wait_ms
    return waits
