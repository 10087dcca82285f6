"""The same breaker for one process, where there is no Redis to share one through."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from workers.breaker.protocol import BreakerRules, BreakerState, Change, Permit


@dataclass(slots=True)
class _Part:
    """How a part stands; calls by slot of the window, good and bad; probes under way and when each is given up."""

    open_ms: int
    state: BreakerState = BreakerState.CLOSED
    until: int = 0
    passed: int = 0
    probed: int = 0
    calls: dict[int, list[int]] = field(default_factory=dict)
    probes: dict[str, int] = field(default_factory=dict)


class LocalBreaker:
    """Counts the calls of this process.

    Args:
        rules: when it opens and closes.
        clock: milliseconds; must not go back.
    """

    def __init__(self, rules: BreakerRules, clock: Callable[[], int]) -> None:
        self._rules = rules
        self._clock = clock
        self._parts: dict[str, _Part] = defaultdict(lambda: _Part(rules.open_ms))
        self._lock = threading.Lock()

    def admit(self, part: str) -> Permit:
        """Tell whether a call may be made."""
        with self._lock:
            stands, now = self._parts[part], self._clock()
            if stands.state is BreakerState.CLOSED:
                return Permit(passes=True)
            entered = None
            if stands.state is BreakerState.OPEN:
                if now < stands.until:
                    return Permit(passes=False, retry_after_ms=stands.until - now)
                entered = self._enter(stands, BreakerState.HALF_OPEN)
            stands.probes = {name: ends for name, ends in stands.probes.items() if ends > now}
            if len(stands.probes) >= self._rules.probes:
                wait_ms = min(self._rules.open_ms, self._rules.probe_ms)
                return Permit(passes=False, retry_after_ms=wait_ms, entered=entered)
            stands.probed += 1
            probe = str(stands.probed)
            stands.probes[probe] = now + self._rules.probe_ms
            return Permit(passes=True, probe=probe, entered=entered)

    def report(self, part: str, *, good: int, bad: int, probe: str = "") -> Change | None:
        """Count calls; return the change that follows."""
        with self._lock:
            stands = self._parts[part]
            if probe:
                return self._report_probe(stands, good, bad, probe)
            if stands.state is not BreakerState.CLOSED:
                return None
            slot = self._clock() // (self._rules.window_ms // self._rules.slots)
            counts = stands.calls.setdefault(slot, [0, 0])
            counts[0] += good
            counts[1] += bad
            stands.calls = {at: calls for at, calls in stands.calls.items() if at > slot - self._rules.slots}
            goods, bads = (sum(calls[index] for calls in stands.calls.values()) for index in (0, 1))
            total = goods + bads
            if not bads or total < self._rules.minimum or bads < self._rules.ratio * total:
                return None
            return self._open(stands, goods, bads)

    def state(self, part: str) -> BreakerState:
        """Tell how a breaker stands."""
        with self._lock:
            return self._parts[part].state

    def _report_probe(self, stands: _Part, good: int, bad: int, probe: str) -> Change | None:
        if stands.probes.pop(probe, None) is None or stands.state is not BreakerState.HALF_OPEN:
            return None
        if bad:
            return self._open(stands, good, bad)
        stands.passed += good > 0
        if stands.passed < self._rules.probes:
            return None
        self._enter(stands, BreakerState.CLOSED)
        stands.open_ms = self._rules.open_ms
        return Change(BreakerState.CLOSED, good, 0)

    def _open(self, stands: _Part, good: int, bad: int) -> Change:
        open_ms = stands.open_ms
        self._enter(stands, BreakerState.OPEN)
        stands.until = self._clock() + open_ms
        stands.open_ms = min(open_ms * 2, self._rules.longest_open_ms)
        return Change(BreakerState.OPEN, good, bad, open_ms)

    def _enter(self, stands: _Part, state: BreakerState) -> BreakerState:
        stands.state, stands.passed = state, 0
        stands.probes.clear()
        stands.calls.clear()
        return state
