"""Whether the pool moves: judged by progress, since a worker that has silently stopped still looks alive."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from render.errors import KaipiaoError
from workers.breaker.errors import BreakerUnavailable
from workers.breaker.protocol import BreakerState
from workers.client import PoolClient
from workers.safeguards import Safeguards


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """How a device does: batches that were rendered without it since they are counted, and its breaker's state."""

    fallbacks: int
    breaker: BreakerState


@dataclass(frozen=True, slots=True)
class Health:
    """What was found.

    Attributes:
        reasons: why the pool is not ready; none = it is.
        counts: jobs by state.
        waiting_s: how long the due job has waited that nobody took for longest.
        since_end_s: how long ago a job last ended; None = none ever did.
        devices: those that batches fell back from. A pool goes on without its devices, so they are no reason.
    """

    reasons: tuple[str, ...]
    counts: dict[str, int]
    waiting_s: float
    since_end_s: float | None
    devices: dict[str, DeviceFigures] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Tell whether jobs that are submitted now will be carried out."""
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as JSON-ready values."""
        return {
            "ready": self.is_ready,
            "reasons": list(self.reasons),
            "jobs": self.counts,
            "waiting_s": self.waiting_s,
            "since_end_s": self.since_end_s,
            "devices": {name: asdict(figures) for name, figures in self.devices.items()},
        }


def examine(client: PoolClient, stalled_after_s: float) -> Health:
    """Look at broker, ledger and store, and at when work last ended.

    Args:
        client: of the pool.
        stalled_after_s: work that has been due for so long, while nothing ended, says that the pool stands still.
    """
    reasons: list[str] = []
    for check in (client.check_broker, lambda: client.records.store.exists("jobs/health.json")):
        try:
            check()
        except KaipiaoError as error:
            reasons.append(f"{error.code}: {error}")
    try:
        counts = {state.value: number for state, number in client.ledger.census().items()}
        pulse = client.ledger.pulse()
    except KaipiaoError as error:
        return Health((*reasons, f"{error.code}: {error}"), {}, 0.0, None)
    waiting_s = max(0.0, (pulse.now_ms - pulse.due_ms) / 1000) if pulse.due_ms else 0.0
    since_end_s = (pulse.now_ms - pulse.ended_ms) / 1000 if pulse.ended_ms else None
    if waiting_s > stalled_after_s and (since_end_s is None or since_end_s > stalled_after_s):
        last = "no job has ever ended" if since_end_s is None else f"the last job ended {since_end_s:.0f} s ago"
        reasons.append(f"stalled: work has waited for {waiting_s:.0f} s, and {last}. Look at the workers' logs.")
    since_end_s = None if since_end_s is None else round(since_end_s, 3)
    return Health(tuple(reasons), counts, round(waiting_s, 3), since_end_s, _devices(client))


def _devices(client: PoolClient) -> dict[str, DeviceFigures]:
    safeguards = Safeguards(client.settings, lambda: client.ledger)
    try:
        breaker, fallbacks = safeguards.device_breaker(), safeguards.fallbacks.read()
        return {name: DeviceFigures(count, breaker.state(name)) for name, count in fallbacks.items()}
    except BreakerUnavailable:
        # What it is shared through is the broker's Redis or the ledger's, of which the reasons speak.
        return {}
    finally:
        safeguards.close()
