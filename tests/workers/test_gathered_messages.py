"""Messages that travel alone and are rendered together: each keeps its own custody, whatever happens to the others."""

import signal
from collections import Counter

import pytest
import redis

from tests.workers.fake_engine import document
from tests.workers.pool_processes import celery_worker, make_pool, redis_server, wait_until
from workers.client import JobOptions
from workers.ledger.protocol import State

pytestmark = [pytest.mark.broker, pytest.mark.timeout(90)]

QUICK = {
    "gather": "on",
    "chunk_jobs": 1,
    "retry_ladder_s": "0.2,0.4",
    "lost_retries": 1,
    "time_limit_s": 2,
    "lease_s": 1,
    "sweep_interval_s": 0.1,
    "stale_s": 4,
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("b")) as url:
        yield url


@pytest.fixture(scope="module")
def running(tmp_path_factory, broker):
    """Return a pool of one process whose every message holds one job."""
    pool = make_pool(tmp_path_factory.mktemp("b"), broker_url=broker, **QUICK)
    with celery_worker(pool, concurrency=1):
        yield pool


def batches(pool, job_ids):
    """Return the sizes of the batches that the engine was given of these jobs, in order."""
    lines = [set(line.split()[1:]) for line in pool.engine_log if line.startswith("batch")]
    return [len(line) for line in lines if line & set(job_ids)]


def renders(pool, *numbers):
    return [pool.engine_log.count(f"render {number:020d}") for number in numbers]


def submit_behind(pool, number, documents, options=None):
    """Submit documents while the only process is busy, so that they are gathered; return all ids."""
    (first,) = pool.client.submit([document(number, act="sleep:0.7")])
    wait_until(lambda: renders(pool, number) == [1], 30)
    return [first, *pool.client.submit(documents, options)]


def states(ended):
    return Counter(status.state for status in ended.values())


def test_single_messages_are_rendered_in_one_batch_and_each_is_settled_by_itself(running):
    documents = [document(number, act="invalid" if number == 13 else "") for number in range(10, 20)]
    job_ids = submit_behind(running, 1, documents)
    ended = running.end_all(job_ids)
    assert states(ended) == {"done": 10, "failed": 1}
    assert ended[job_ids[4]].error.code == "invoice_invalid"
    assert batches(running, job_ids[1:]) == [9], "the process was busy, so they waited together"


def test_a_message_that_nobody_joins_goes_by_itself(running):
    (job_id,) = running.client.submit([document(30)], JobOptions(lane="bulk"))
    assert running.end_all([job_id])[job_id].state == "done"
    assert batches(running, [job_id]) == [1]


def test_lanes_do_not_share_a_batch(running):
    first, *bulk = submit_behind(running, 40, [document(n) for n in range(41, 45)], JobOptions(lane="bulk"))
    green = running.client.submit([document(n) for n in range(45, 48)], JobOptions(lane="green"))
    assert states(running.end_all([first, *bulk, *green])) == {"done": 8}
    assert (batches(running, bulk), batches(running, green)) == ([4], [3])


def test_what_fails_once_in_a_batch_is_tried_again_and_nothing_else_is(running):
    documents = [document(50), document(51, act="later:1"), document(52, act="later:9"), document(53)]
    job_ids = submit_behind(running, 49, documents)
    ended = running.end_all(job_ids)
    assert [ended[job_id].state for job_id in job_ids] == ["done", "done", "done", "failed", "done"]
    assert renders(running, 50, 51, 52, 53) == [1, 2, 3, 1]


def test_the_same_invoice_in_two_messages_of_a_batch_is_rendered_once(running):
    job_ids = submit_behind(running, 60, [document(61), document(61), document(62)])
    ended = running.end_all(job_ids)
    assert states(ended) == {"done": 4}
    assert sorted(ended[job_id].duplicate for job_id in job_ids[1:]) == [False, False, True]
    assert renders(running, 61, 62) == [1, 1]


def test_what_was_gathered_goes_back_when_the_worker_is_stopped(tmp_path_factory, broker):
    pool = make_pool(tmp_path_factory.mktemp("b"), broker_url=f"{broker[:-1]}1", **QUICK | {"stale_s": 60})
    with celery_worker(pool, concurrency=1) as worker, redis.Redis.from_url(pool.settings.broker_url) as client:
        submit_behind(pool, 1, [document(n) for n in range(2, 8)])
        wait_until(lambda: client.llen("kaipiao.issue") == 0, 10)
        assert client.hlen("unacked") == 7, "fetched, and not yet begun but for one"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert (client.llen("kaipiao.issue"), client.hlen("unacked")) == (6, 0)
    assert renders(pool, *range(1, 8)) == [1, 0, 0, 0, 0, 0, 0]
    assert pool.client.ledger.census()[State.QUEUED] == 6
