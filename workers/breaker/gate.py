"""The gate before a part: asks the breaker, counts what becomes of calls, and tells of every change once.

While the breaker is closed, its answer is kept for a moment and good calls are reported together, so that a gate
costs next to nothing where all goes well. Where the breaker itself cannot be asked, work passes: a broken breaker
must not stop a sound part.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from workers.breaker.errors import BreakerUnavailable
from workers.breaker.protocol import Breaker, BreakerState, Change, Permit
from workers.logging import Logger

KEPT_S = 0.25
_Answer = TypeVar("_Answer")
_PASS = Permit(passes=True)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was let through; report on it once."""

    gate: Gate
    probe: str = ""

    def ended(self, *, good: int = 0, bad: int = 0) -> None:
        """Tell how many of the call's parts went well and how many wrong; none at all says nothing."""
        self.gate.count(good, bad, self.probe)


class Gate:
    """Stands before one part in one process.

    Args:
        breaker: shared by all gates before the part.
        part: ``signer``, ``store`` or ``device``.
        log: takes the events ``breaker.opened``, ``breaker.probing``, ``breaker.closed``, ``breaker.unreachable``.
        seconds: a clock that never goes back.
    """

    def __init__(self, breaker: Breaker, part: str, log: Logger, seconds: Callable[[], float]) -> None:
        self.part = part
        self._breaker = breaker
        self._log = log
        self._seconds = seconds
        self._lock = threading.Lock()
        self._passes_until = 0.0
        self._report_at = 0.0
        self._good = 0
        self._is_reachable = True

    def enter(self) -> Call | Permit:
        """Return the call that may now be made, or the permit that refuses it."""
        if self._seconds() < self._passes_until:
            return Call(self)
        permit = self._ask(lambda: self._breaker.admit(self.part)) or _PASS
        if permit.entered is BreakerState.HALF_OPEN:
            self._log.warning("breaker.probing", breaker=self.part)
        if not permit.passes:
            return permit
        if not permit.probe:
            self._passes_until = self._seconds() + KEPT_S
        return Call(self, permit.probe)

    def count(self, good: int, bad: int, probe: str = "") -> None:
        """Count calls; good ones alone may wait a moment before they are reported."""
        with self._lock:
            if not probe:
                self._good += good
                if not bad and self._seconds() < self._report_at:
                    return
                good, self._good = self._good, 0
                self._report_at = self._seconds() + KEPT_S
        if not good and not bad and not probe:
            return
        change = self._ask(lambda: self._breaker.report(self.part, good=good, bad=bad, probe=probe))
        if bad:
            self._passes_until = 0.0
        if change is not None:
            self._tell(change)

    def _tell(self, change: Change) -> None:
        if change.entered is BreakerState.OPEN:
            self._log.error(
                "breaker.opened", breaker=self.part, good=change.good, bad=change.bad, delay_s=change.open_ms / 1000
            )
        else:
            self._log.warning("breaker.closed", breaker=self.part)

    def _ask(self, question: Callable[[], _Answer]) -> _Answer | None:
        try:
            answer = question()
        except BreakerUnavailable as error:
            if self._is_reachable:
                self._log.error("breaker.unreachable", breaker=self.part, error_type=str(error))
            self._is_reachable = False
            return None
        self._is_reachable = True
        return answer
