"""Envelopes, holding and admission in a real pool: real broker, real worker processes."""

import base64
import json
import os

import pytest
import redis

from tests.workers.fake_engine import document
from tests.workers.pool_processes import celery_worker, embedded_broker, make_pool, wait_until
from workers.admission import QueueFull
from workers.app import create_app, queue_of
from workers.client import JobOptions, PoolClient
from workers.envelope.keys import KeyFile, add_key
from workers.ledger.opening import open_ledger
from workers.ledger.protocol import State

pytestmark = [pytest.mark.broker, pytest.mark.timeout(115)]

QUICK = {"retry_ladder_s": "0.2,0.3", "restore_interval_s": 0.5, "visibility_slack_s": 5, "time_limit_s": 10}


def with_keys(pool):
    from datetime import UTC, datetime

    file = KeyFile(pool.settings.envelope_file)
    file.change(lambda ring: add_key(ring, "pool", now=datetime.now(UTC), secret=os.urandom(32), is_test=True))
    return file


@pytest.fixture
def sealed_pool(tmp_path):
    pool = make_pool(tmp_path, **QUICK)
    with_keys(pool)
    with embedded_broker(pool):
        yield pool


def broker_of(pool):
    return redis.Redis(unix_socket_path=str(pool.settings.socket_path))


def entries(pool):
    with broker_of(pool) as client:
        return [json.loads(entry) for entry in client.lrange(queue_of("issue"), 0, -1)]


def push(pool, entry):
    with broker_of(pool) as client:
        client.lpush(queue_of("issue"), json.dumps(entry))


def changed(entry, **headers):
    return entry | {"headers": entry["headers"] | headers}


def audit(pool):
    return sorted(name.split("/")[2].split("-")[0] for name in pool.client.records.store.list("audit/envelopes"))


def test_sealed_jobs_are_done_and_copies_swaps_and_strangers_are_refused_and_audited(sealed_pool):
    pool = sealed_pool
    job_ids = pool.client.submit([document(number) for number in range(3)])
    (entry,) = entries(pool)
    envelope = json.loads(base64.b64decode(entry["body"]))[0][0]
    assert envelope["schema"] == "kaipiao.envelope/1"
    with celery_worker(pool, concurrency=1):
        assert {status.state for status in pool.end_all(job_ids).values()} == {"done"}
        # Delivered once more after it was carried out; under another id; as another task; and without envelope.
        bare = base64.b64encode(json.dumps([[json.loads(envelope["payload"])], {}, {}]).encode()).decode()
        for copy in (
            entry,
            changed(entry, id="another"),
            changed(entry, task="kaipiao.render_job"),
            entry | {"body": bare},
        ):
            push(pool, copy)
        wait_until(lambda: len(audit(pool)) == 3, 30)
    codes = {"envelope_header_differs", "envelope_missing", "envelope_replayed"}
    assert set(audit(pool)) == codes
    refusals = [json.loads(line)["code"] for line in worker_log(pool) if '"envelope.refused"' in line]
    assert sorted(refusals) == sorted([*codes, "envelope_header_differs"])
    assert sum(line.startswith("render") for line in pool.engine_log) == 3


def worker_log(pool):
    return (pool.home / "worker.log").read_text().splitlines()


def test_a_job_whose_key_is_away_longer_than_the_ladder_is_held_and_done_in_the_end(tmp_path):
    """A ladder of two steps would bury it at the third failure; the engine's key comes back at the sixth."""
    pool = make_pool(tmp_path, **QUICK)
    with embedded_broker(pool), celery_worker(pool, concurrency=1):
        (job_id,) = pool.client.submit([document(1, act="keyless:5")])
        ledger = open_ledger(pool.settings.effective_ledger)
        wait_until(lambda: ledger.look([job_id])[0].code == "waiting_for_key", 60)
        assert ledger.look([job_id])[0].state in {State.QUEUED, State.CLAIMED}
        ended = pool.end_all([job_id])
        record = ledger.look([job_id])[0]
    assert ended[job_id].state == "done"
    assert (record.state, record.attempts) == (State.DONE, 1)


def test_a_full_queue_turns_a_submission_away_before_anything_is_written(tmp_path):
    pool = make_pool(tmp_path, **QUICK, queue_limit=2, chunk_jobs=1)
    with embedded_broker(pool):
        pool.client.submit([document(1), document(2)])
        with pytest.raises(QueueFull) as caught:
            pool.client.submit([document(3)])
        assert caught.value.retry_after_s > 0
        PoolClient(pool.settings).submit([document(4)], JobOptions(lane="green"))
        ledger = open_ledger(pool.settings.effective_ledger)
        assert ledger.census()[State.QUEUED] == 3


def test_a_worker_whose_lane_is_bounded_leaves_it_alone_when_the_bucket_is_empty(tmp_path):
    pool = make_pool(tmp_path, **QUICK, lane_rates="bulk=0.02", chunk_jobs=1)
    with embedded_broker(pool), celery_worker(pool, concurrency=1):
        bulk = PoolClient(pool.settings).submit([document(1), document(2)], JobOptions(lane="bulk"))
        wait_until(lambda: any(pool.client.status(job_id).state == "done" for job_id in bulk), 60)
        issue = pool.client.submit([document(3)])
        assert {status.state for status in pool.end_all(issue).values()} == {"done"}
        assert sorted(pool.client.status(job_id).state for job_id in bulk) == ["done", "queued"]


def test_the_settings_of_a_pool_with_keys_travel_to_its_children(sealed_pool):
    app = create_app(sealed_pool.settings)
    rebuild, arguments = app.__reduce__()
    twin = rebuild(*arguments)
    assert twin.safeguards.sealer() is not None
    for each in (app, twin):
        each.close()
