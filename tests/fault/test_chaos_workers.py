"""A slice of the fault suite: real workers killed and poisoned at small scale, judged by what the store holds."""

import pytest

from tests.chaos import kills
from tests.chaos.suite import Context

pytestmark = [pytest.mark.broker, pytest.mark.timeout(115)]

QUICK = {"lease_s": 2, "sweep_interval_s": 0.3, "stale_s": 2}


@pytest.fixture
def context(tmp_path_factory):
    return Context(tmp_path_factory.mktemp("b"), seed=1, is_small=True, patience_s=60, settings=dict(QUICK))


def test_workers_killed_whole_without_their_children_and_frozen_lose_and_double_nothing(context):
    (row,) = kills.worker_kills(context)
    assert row.is_clean, row
    assert (row.submitted, row.committed, row.failed) == (303, 303, 0)
    assert row.faults == {"kill.tree": 1, "kill.children": 1, "kill.frozen": 1}
    # Work was under way when they died; every second rendering of an invoice ended without a second receipt.
    assert row.redelivered > 0
    assert row.recover_s


def test_poison_ends_on_the_desk_under_its_code_and_takes_no_other_along(context):
    context.settings |= {"lost_retries": 1}
    (row,) = kills.poison(context)
    assert row.is_clean, row
    assert (row.committed, row.failed) == (20, 4)
    assert row.faults["worker.died"] > 0
