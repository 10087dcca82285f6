"""Readiness by progress: a pool that looks alive but ends nothing is not ready."""

from datetime import UTC, datetime

import pytest

from render.errors import BrokerError
from tests.workers.ledgers import Clock, entry
from workers.client import PoolClient
from workers.config import WorkerSettings
from workers.health import examine
from workers.ledger.sql_ledger import SqlLedger
from workers.ledger.sqlite import SqliteDatabase

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
PATIENCE_S = 60.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(tmp_path, clock, monkeypatch):
    client = PoolClient(WorkerSettings.from_mapping({"KAIPIAO_HOME": str(tmp_path)}), clock=lambda: NOW)
    client._ledger = SqlLedger(SqliteDatabase(tmp_path / "ledger.db", clock=clock))
    monkeypatch.setattr(PoolClient, "check_broker", lambda self: None)
    yield client
    client.close()


def finish(client, name):
    client.ledger.commit([(grant, "r") for grant in client.ledger.claim([name], "w", 1000)])


def test_an_empty_pool_is_ready(client):
    found = examine(client, PATIENCE_S)
    assert (found.is_ready, found.reasons, found.waiting_s, found.since_end_s) == (True, (), 0.0, None)
    assert set(found.counts.values()) == {0}


def test_work_that_waits_while_nothing_ends_says_that_the_pool_stands_still(client, clock):
    client.ledger.record([entry("a")])
    clock.pass_ms(60_000)
    assert examine(client, PATIENCE_S).is_ready
    clock.pass_ms(1000)
    found = examine(client, PATIENCE_S)
    assert not found.is_ready
    assert "work has waited for 61 s, and no job has ever ended" in found.reasons[0]
    assert found.as_dict()["jobs"]["queued"] == 1


def test_a_long_queue_that_moves_is_ready(client, clock):
    client.ledger.record([entry("a"), entry("b"), entry("c")])
    clock.pass_ms(600_000)
    finish(client, "a")
    found = examine(client, PATIENCE_S)
    assert (found.is_ready, found.waiting_s, found.since_end_s) == (True, 600.0, 0.0)
    clock.pass_ms(61_000)
    assert "the last job ended 61 s ago" in examine(client, PATIENCE_S).reasons[0]
    finish(client, "b")
    assert examine(client, PATIENCE_S).is_ready


def test_an_idle_pool_stays_ready_however_long_ago_work_ended(client, clock):
    client.ledger.record([entry("a")])
    finish(client, "a")
    clock.pass_ms(86_400_000)
    assert examine(client, PATIENCE_S).is_ready


def test_a_broker_a_store_or_a_ledger_that_is_gone_is_named(client, monkeypatch, tmp_path):
    def gone(self):
        raise BrokerError("the broker is out of reach.", hint="Start it.")

    monkeypatch.setattr(PoolClient, "check_broker", gone)
    client.ledger._database._connection.execute("DROP TABLE jobs")
    found = examine(client, PATIENCE_S)
    assert [reason.partition(":")[0] for reason in found.reasons] == ["broker_unavailable", "ledger_unavailable"]
    assert "Start it." in found.reasons[0]
