"""The table error → action."""

import random

import pytest

from render.errors import (
    BackendUnavailable,
    BrokerError,
    InvoiceInvalid,
    KaipiaoError,
    KeyUnavailable,
    Retry,
    StoreConflict,
    StoreError,
)
from workers.breaker.errors import StoreResting, WaitingForKey
from workers.ledger.protocol import State
from workers.retry import GiveUp, Ladder, TryAgain, action_for

STEPS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LADDER = Ladder(STEPS, jitter=0.0, random=lambda: 0.5)


@pytest.mark.parametrize(
    ("error", "state"),
    [(InvoiceInvalid("x"), State.REFUSED), (StoreConflict("x"), State.DEAD), (KaipiaoError("x"), State.DEAD)],
)
def test_what_waiting_cannot_mend_is_given_up_at_once(error, state):
    assert action_for(error, 0, LADDER) == GiveUp(state)


@pytest.mark.parametrize("error", [StoreError("x"), KeyUnavailable("x"), BrokerError("x"), BackendUnavailable("x")])
def test_the_rest_climbs_the_ladder_and_then_lies_on_the_desk(error):
    delays = [action_for(error, failures, LADDER) for failures in range(7)]
    assert delays == [*(TryAgain(delay) for delay in STEPS), GiveUp(State.DEAD)]


def test_every_policy_has_an_action():
    actions = {}
    for policy in Retry:
        error = StoreError("x")
        error.retry = policy
        actions[policy] = action_for(error, 0, LADDER)
    assert actions == {Retry.NEVER: GiveUp(State.DEAD), Retry.LATER: TryAgain(1.0), Retry.ELSEWHERE: TryAgain(1.0)}


def test_jitter_shortens_waits_by_at_most_its_part():
    def waits(random):
        return [Ladder(STEPS, jitter=0.25, random=lambda: random).wait_s(step) for step in range(8)]

    assert waits(0.0) == [*STEPS, 32.0, 32.0]
    assert waits(1.0) == [step * 0.75 for step in (*STEPS, 32.0, 32.0)]
    numbers = random.Random(7)
    ladder = Ladder(STEPS, jitter=0.25, random=numbers.random)
    drawn = [ladder.wait_s(5) for _ in range(200)]
    assert 24.0 <= min(drawn) < 25.0 < 31.0 < max(drawn) <= 32.0
    assert len(set(drawn)) > 190


@pytest.mark.parametrize("kind", [WaitingForKey, StoreResting])
def test_what_waits_for_others_waits_as_long_as_it_takes_and_has_not_failed(kind):
    for failures in (0, 6, 1000):
        assert action_for(kind("x"), failures, LADDER) == TryAgain(2.0, counts=False)
    assert action_for(kind("x", retry_after_ms=9000), 0, LADDER) == TryAgain(9.0, counts=False)
