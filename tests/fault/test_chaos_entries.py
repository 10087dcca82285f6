"""A slice of the fault suite: queues that are killed with their server, and entries that nobody may have written."""

import pytest

from tests.chaos import brokers, forgery
from tests.chaos.suite import Context

pytestmark = [pytest.mark.broker, pytest.mark.timeout(115)]

QUICK = {"lease_s": 2, "sweep_interval_s": 0.3, "stale_s": 2}


@pytest.fixture
def context(tmp_path_factory):
    return Context(tmp_path_factory.mktemp("b"), seed=1, is_small=True, patience_s=60, settings=QUICK)


def test_a_redis_that_is_killed_loses_and_doubles_nothing_with_its_file_or_with_a_ledger_in_sql(context):
    rows = list(brokers.redis_kills(context))
    assert [row.scenario for row in rows] == ["Redis killed, AOF", "Redis killed, no AOF, SQLite ledger"]
    for row in rows:
        assert row.is_clean, row
        assert (row.submitted, row.committed, row.failed) == (300, 300, 0)
        assert row.faults["kill.redis"] == 1
        assert row.faults["jobs.open_at_kill"] > 0


def test_forged_entries_are_refused_and_audited_and_none_is_rendered(context):
    (row,) = forgery.forged_entries(context)
    assert row.is_clean, row
    assert (row.submitted, row.committed, row.failed) == (20, 20, 0)
    assert {code for code, times in row.faults.items() if times > 0} == {
        "entry_unreadable",
        "envelope_expired",
        "envelope_forged",
        "envelope_header_differs",
        "envelope_key_unknown",
        "envelope_malformed",
        "envelope_missing",
        "envelope_payload_changed",
        "envelope_replayed",
        "envelope_too_early",
    }
    assert row.notes == f"{sum(row.faults.values())} injected, {sum(row.faults.values())} refused, 0 rendered"
