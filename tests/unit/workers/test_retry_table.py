"""The table error → action."""

import pytest

from render.errors import (
    BackendUnavailable,
    BrokerError,
    InvoiceInvalid,
    KeyUnavailable,
    Retry,
    StoreConflict,
    StoreError,
)
from workers.retry import GiveUp, TryAgain, action_for

LADDER = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@pytest.mark.parametrize("error", [InvoiceInvalid("x"), StoreConflict("x")])
def test_what_waiting_cannot_mend_is_given_up_at_once(error):
    assert action_for(error, 0, LADDER) == GiveUp()


@pytest.mark.parametrize("error", [StoreError("x"), KeyUnavailable("x"), BrokerError("x"), BackendUnavailable("x")])
def test_the_rest_climbs_the_ladder_and_then_gives_up(error):
    delays = [action_for(error, attempt, LADDER) for attempt in range(7)]
    assert delays == [*(TryAgain(delay) for delay in LADDER), GiveUp()]


def test_every_policy_has_an_action():
    actions = {}
    for policy in Retry:
        error = StoreError("x")
        error.retry = policy
        actions[policy] = action_for(error, 0, LADDER)
    assert actions == {Retry.NEVER: GiveUp(), Retry.LATER: TryAgain(1.0), Retry.ELSEWHERE: TryAgain(1.0)}
