"""What the ledger is for: messages that vanish, workers that die whole or wake up late, a broker that forgets."""

import json
import signal
import threading
from collections import Counter

import pytest
import redis

from tests.workers.fake_engine import document
from tests.workers.pool_processes import (
    RedisServer,
    celery_worker,
    kill_tree,
    make_pool,
    redis_server,
    signal_tree,
    wait_until,
)
from workers.ledger.protocol import State

pytestmark = [pytest.mark.broker, pytest.mark.timeout(115)]

QUICK = {
    "retry_ladder_s": "0.2,0.4",
    "lost_retries": 1,
    "lease_s": 1.5,
    "sweep_interval_s": 0.3,
    "stale_s": 1.5,
    # So that no message comes back by Celery's own means while a test runs.
    "visibility_slack_s": 3000,
}


def is_idle(url):
    """Tell whether no message waits or is under way."""
    with redis.Redis.from_url(url) as client:
        return client.llen("kaipiao.issue") == 0 and client.hlen("unacked") == 0


def counts(statuses):
    return Counter(status.state for status in statuses.values())


def test_a_message_that_vanishes_between_the_queue_and_the_worker_comes_back(tmp_path):
    """The worker is frozen while it waits for a message: the broker hands it one, and nobody has it any more."""
    with redis_server(tmp_path) as url:
        pool = make_pool(tmp_path, broker_url=url, **QUICK)
        with celery_worker(pool, concurrency=1) as frozen:
            (warm_up,) = pool.client.submit([document(0)])
            assert pool.end_all([warm_up])[warm_up].state == "done"
            wait_until(lambda: is_idle(url), 20)
            signal_tree(frozen.pid, signal.SIGSTOP)
            job_ids = pool.client.submit([document(number) for number in range(1, 6)])
            wait_until(lambda: is_idle(url), 20)
            kill_tree(frozen.pid)
        assert pool.client.ledger.census()[State.QUEUED] == 5
        with celery_worker(pool, concurrency=1):
            ended = pool.end_all(job_ids, 80)
        republished = [record.republished for record in pool.client.ledger.look(job_ids)]
    assert counts(ended) == {"done": 5}
    assert min(republished) >= 1


def test_an_invoice_that_kills_whole_workers_ends_on_the_desk_and_takes_no_other_along(tmp_path):
    with redis_server(tmp_path) as url:
        pool = make_pool(tmp_path, broker_url=url, **QUICK)
        documents = [document(number, act="kill-worker" if number == 2 else "") for number in range(6)]
        job_ids = pool.client.submit(documents)
        with supervised_worker(pool) as starts:
            ended = pool.end_all(job_ids, 100)
        (record,) = pool.client.ledger.standing(State.DEAD, 10)
    assert [ended[job_id].state for job_id in job_ids] == ["done"] * 2 + ["failed"] + ["done"] * 3
    assert ended[job_ids[2]].error.code == "worker_lost"
    assert (record.job_id, record.attempts, record.losses) == (job_ids[2], 2, 2)
    assert (len(starts), pool.engine_log.count(f"render {2:020d}")) == (3, 2)


class supervised_worker:  # noqa: N801 used like a function
    """A worker that is started again whenever it dies; gives the list of its starts."""

    def __init__(self, pool):
        self._pool = pool
        self._starts = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self._starts

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()

    def _run(self):
        while not self._stopping.is_set():
            with celery_worker(self._pool, concurrency=1) as worker:
                self._starts.append(worker.pid)
                while worker.poll() is None and not self._stopping.wait(0.1):
                    pass


def test_a_broker_that_forgets_everything_is_refilled_from_a_ledger_that_does_not(tmp_path):
    server = RedisServer(tmp_path)
    pool = make_pool(tmp_path, broker_url=server.url, ledger=f"sqlite:///{tmp_path}/ledger.db", chunk_jobs=4, **QUICK)
    server.start()
    try:
        with celery_worker(pool, concurrency=1):
            job_ids = pool.client.submit([document(number, act="sleep:0.1") for number in range(40)])
            wait_until(lambda: pool.client.ledger.census()[State.DONE] >= 4, 60)
            with redis.Redis(port=server.port) as client:
                client.set("mark", 1)
            server.kill()
            assert pool.client.ledger.census()[State.DONE] < 40
            server.start()
            with redis.Redis(port=server.port) as client:
                # The queue may be refilled before anybody looks at it.
                assert not client.exists("mark")
            ended = pool.end_all(job_ids, 90)
    finally:
        server.kill()
    assert counts(ended) == {"done": 40}
    assert len(list(pool.client.records.store.list("receipts"))) == 40
    assert {status.receipt.job_id for status in ended.values()} == set(job_ids)


def test_a_worker_that_wakes_up_after_its_lease_changes_nothing(tmp_path):
    with redis_server(tmp_path) as url:
        pool = make_pool(tmp_path, broker_url=url, **QUICK)
        with celery_worker(pool, concurrency=1) as sleeper:
            (job_id,) = pool.client.submit([document(1, act="sleep:0.5")])
            wait_until(lambda: len(pool.engine_log) >= 2, 60)
            signal_tree(sleeper.pid, signal.SIGSTOP)
            with celery_worker(pool, concurrency=1):
                status = pool.end_all([job_id], 80)[job_id]
                before = {key: pool.client.records.store.get(key) for key in pool.client.records.store.list()}
                signal_tree(sleeper.pid, signal.SIGCONT)
                wait_until(lambda: suppressed(pool) == [job_id], 20)
        (record,) = pool.client.ledger.look([job_id])
    assert (status.state, status.duplicate) == ("done", False)
    assert {key: pool.client.records.store.get(key) for key in pool.client.records.store.list()} == before
    assert record.losses == 1


def suppressed(pool):
    """Return the jobs that a worker was told are no longer its own."""
    lines = [json.loads(line) for line in (pool.home / "worker.log").read_text().splitlines() if line.startswith("{")]
    return [line["job_id"] for line in lines if line["event"] == "job.suppressed" and line["reason"] == "fenced"]
