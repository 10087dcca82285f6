"""What a breaker must be able to do, and the words that it speaks.

closed      work passes; once a window has seen enough of it and a share of it went wrong, the breaker opens
open        nothing passes for a while; jobs are held, or done another way
half-open   a few probes pass; when enough went well, the breaker closes; one that goes wrong opens it again
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class BreakerState(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens and closes.

    Attributes:
        ratio: share of calls that must go wrong, of at least ``minimum`` calls within ``window_ms``.
        slots: parts of the window that are forgotten one by one.
        open_ms: how long nothing passes; doubled each time that a probe goes wrong, up to ``longest_open_ms``.
        probes: how many pass at a time in the half-open state, and how many must go well.
        probe_ms: a probe that was not heard of for so long counts as never sent.
    """

    ratio: float = 0.3
    minimum: int = 20
    window_ms: int = 30_000
    slots: int = 10
    open_ms: int = 5_000
    longest_open_ms: int = 40_000
    probes: int = 2
    probe_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Permit:
    """The answer to who asks to pass.

    Attributes:
        passes: whether the call may be made; ``probe``: it is a probe of this name, to be given back with its report.
        retry_after_ms: when to ask again, where it may not.
        entered: the state that the breaker went over to by this question, if it did.
    """

    passes: bool
    probe: str = ""
    retry_after_ms: int = 0
    entered: BreakerState | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A breaker went over to another state; ``good`` and ``bad``: calls in the window that decided it."""

    entered: BreakerState
    good: int
    bad: int
    open_ms: int = 0


class Breaker(Protocol):
    """Watches calls to named parts, for all who share it."""

    def admit(self, part: str) -> Permit:
        """Tell whether a call may be made.

        Raises:
            BreakerUnavailable: what the breaker is shared through does not answer.
        """

    def report(self, part: str, *, good: int, bad: int, probe: str = "") -> Change | None:
        """Count calls that went well and calls that went wrong; return the change that follows, once for all.

        Raises:
            BreakerUnavailable: what the breaker is shared through does not answer.
        """

    def state(self, part: str) -> BreakerState:
        """Tell how a breaker stands; an open one whose time has passed is still open until somebody asks to pass.

        Raises:
            BreakerUnavailable: what the breaker is shared through does not answer.
        """
