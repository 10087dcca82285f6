"""The one place that decides what happens after an error: policy is data on the error, the action is told here.

error.retry   action
NEVER         the job has failed; its error record says what to change
LATER         wait for the ladder's next step, then try this job again; failed after the last step
ELSEWHERE     the same: whichever worker takes it next may have what this one lacks
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from render.errors import KaipiaoError, Retry

MAX_DELAY_S = 32.0
_WAITS = {Retry.NEVER: False, Retry.LATER: True, Retry.ELSEWHERE: True}


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job has failed for good."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The job is published again after a delay."""

    delay_s: float


Action = GiveUp | TryAgain


def action_for(error: KaipiaoError, attempt: int, ladder_s: Sequence[float]) -> Action:
    """Return what to do with a job that raised this error.

    Args:
        error: what stopped the job.
        attempt: how many attempts failed before this one.
        ladder_s: waits before the 2nd, 3rd, … attempt, in seconds.
    """
    if _WAITS[error.retry] and attempt < len(ladder_s):
        return TryAgain(ladder_s[attempt])
    return GiveUp()
