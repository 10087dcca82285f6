"""The one place that decides what happens after an error: policy is data on the error, the action is told here.

error.retry   action
NEVER         the job has ended: refused where its input must change, else dead
LATER         wait for the ladder's next step, then try this job again; dead after the last step
ELSEWHERE     the same: whichever worker takes it next may have what this one lacks

A job that waits for the key or for a store that is left alone has not failed: it waits as long as it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from render.errors import InputError, KaipiaoError, Retry
from workers.breaker.errors import StoreResting, WaitingForKey
from workers.ledger.protocol import State

MAX_DELAY_S = 32.0
_HOLDING_STEP = 1
_WAITS = {Retry.NEVER: False, Retry.LATER: True, Retry.ELSEWHERE: True}


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job has ended without outputs, in this state."""

    state: State


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The job is published again after a delay; ``counts``: it has failed once more."""

    delay_s: float
    counts: bool = True


Action = GiveUp | TryAgain


@dataclass(frozen=True, slots=True)
class Ladder:
    """The waits between attempts.

    Attributes:
        steps_s: waits before the 2nd, 3rd, … attempt, in seconds.
        jitter: each wait is shortened by up to this part, so that jobs which failed together do not return together.
        random: gives a number from 0 to 1.
    """

    steps_s: tuple[float, ...]
    jitter: float
    random: Callable[[], float]

    def wait_s(self, step: int) -> float:
        """Return a wait; steps above the last are as long as the last."""
        longest = self.steps_s[min(step, len(self.steps_s) - 1)] if self.steps_s else MAX_DELAY_S
        return longest * (1.0 - self.jitter * self.random())


def action_for(error: KaipiaoError, failures: int, ladder: Ladder) -> Action:
    """Return what to do with a job that raised this error.

    Args:
        error: what stopped the job.
        failures: how many attempts failed before this one.
        ladder: the waits.
    """
    if isinstance(error, WaitingForKey | StoreResting):
        return TryAgain(max(ladder.wait_s(_HOLDING_STEP), error.retry_after_ms / 1000), counts=False)
    if _WAITS[error.retry] and failures < len(ladder.steps_s):
        return TryAgain(ladder.wait_s(failures))
    return GiveUp(State.REFUSED if isinstance(error, InputError) else State.DEAD)
