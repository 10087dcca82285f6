"""Processes are killed, frozen or hung at bad moments; every job still ends once, with a record."""

import os
import signal
import subprocess
from collections import Counter

import pytest

from render.errors import BrokerError
from tests.workers.fake_engine import document
from tests.workers.pool_processes import (
    KAIPIAO,
    celery_worker,
    descendants_of,
    embedded_broker,
    kaipiao_worker,
    kill_tree,
    make_pool,
    program_of,
    redis_server,
    wait_until,
)
from workers.broker import answers
from workers.client import PoolClient

pytestmark = [pytest.mark.broker, pytest.mark.timeout(115)]

QUICK = {
    "retry_ladder_s": "0.2,0.4,0.8",
    "visibility_slack_s": 40,
    "restore_interval_s": 0.5,
    "lost_retries": 1,
    "time_limit_s": 2,
    "lease_s": 2,
    "sweep_interval_s": 0.3,
    "stale_s": 2,
}


@pytest.fixture
def pool(tmp_path):
    return make_pool(tmp_path, **QUICK | {"visibility_slack_s": 3})


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Return a pool with a broker and a worker that outlive single tests."""
    pool = make_pool(tmp_path_factory.mktemp("pool"), **QUICK)
    with embedded_broker(pool), celery_worker(pool):
        yield pool


def receipts(pool):
    return list(pool.client.records.store.list("receipts"))


def test_a_worker_killed_in_mid_batch_loses_nothing_and_commits_nothing_twice(pool):
    slow = [document(number, act="sleep:0.1") for number in range(8)]
    with embedded_broker(pool):
        with celery_worker(pool, concurrency=1) as first:
            job_ids = pool.client.submit(slow)
            wait_until(lambda: sum(line.startswith("render") for line in pool.engine_log) >= 3, 60)
            kill_tree(first.pid)
            first.wait()
        assert receipts(pool) == []
        with celery_worker(pool, concurrency=1):
            ended = pool.end_all(job_ids)
    assert Counter(status.state for status in ended.values()) == {"done": 8}
    assert len(receipts(pool)) == 8
    assert {status.receipt.job_id for status in ended.values()} == set(job_ids)
    # Together at first; alone once their worker was lost, so that none could take the others along again.
    sizes = [len(line.split()) - 1 for line in pool.engine_log if line.startswith("batch")]
    assert sizes == [8] + [1] * 8


def test_an_invoice_that_kills_its_process_takes_no_other_along(running):
    documents = [document(number, act="kill" if number == 103 else "") for number in range(100, 106)]
    job_ids = running.client.submit(documents)
    ended = running.end_all(job_ids)
    assert [ended[job_id].state for job_id in job_ids] == ["done"] * 3 + ["failed"] + ["done"] * 2
    # A process that dies before its pool has read that it took the job is noticed by the time limit alone.
    assert ended[job_ids[3]].error.code in {"worker_lost", "job_timeout"}
    assert running.engine_log.count(f"render {103:020d}") <= 1 + 2


def test_an_invoice_that_never_ends_is_stopped_and_takes_no_other_along(running):
    documents = [document(201), document(202, act="sleep:60"), document(203)]
    job_ids = running.client.submit(documents)
    ended = running.end_all(job_ids)
    assert [ended[job_id].state for job_id in job_ids] == ["done", "failed", "done"]
    assert ended[job_ids[1]].error.code == "job_timeout"


def test_only_the_jobs_that_waiting_may_mend_are_tried_again(running):
    documents = [
        document(301),
        document(302, act="later:2"),
        document(303, act="later:9"),
        document(304, act="invalid"),
    ]
    job_ids = running.client.submit(documents)
    ended = running.end_all(job_ids)
    assert [ended[job_id].state for job_id in job_ids] == ["done", "done", "failed", "failed"]
    assert (ended[job_ids[2]].error.code, ended[job_ids[2]].error.attempts) == ("encoder_failed", 4)
    renders = Counter(line for line in running.engine_log if line.startswith(f"render {3:018d}"))
    assert renders == {f"render {301:020d}": 1, f"render {302:020d}": 3, f"render {303:020d}": 4}


def test_killing_the_worker_command_leaves_no_process_at_all(pool):
    with kaipiao_worker(pool, "--concurrency", "1") as worker:
        wait_until(lambda: answers(pool.settings.socket_path), 60)
        (job_id,) = pool.client.submit([document(1)])
        assert pool.end_all([job_id])[job_id].state == "done"
        family = descendants_of(worker.pid)
        assert "valkey-server" in {program_of(member) for member in family}
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    wait_until(lambda: not any(map(program_of, family)), 10)
    assert not answers(pool.settings.socket_path)


def test_jobs_outlive_a_restart_of_the_worker_command(pool):
    with embedded_broker(pool):
        job_ids = pool.client.submit([document(number) for number in range(3)])
    with pytest.raises(BrokerError, match="no broker is running"):
        pool.client.submit([document(9)])
    with kaipiao_worker(pool, "--concurrency", "1") as worker:
        ended = pool.end_all(job_ids)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    assert Counter(status.state for status in ended.values()) == {"done": 3}


def test_a_second_worker_command_shares_the_first_ones_broker(pool):
    with embedded_broker(pool) as broker, kaipiao_worker(pool, "--concurrency", "1"):
        (job_id,) = pool.client.submit([document(1)])
        assert pool.end_all([job_id])[job_id].state == "done"
        assert broker.is_ours
    assert not answers(pool.settings.socket_path)


def test_a_worker_that_cannot_render_says_so_before_it_takes_jobs(pool):
    pool.environment["KAIPIAO_ENGINE"] = "tests.workers.fake_engine:no_such_function"
    with kaipiao_worker(pool) as worker:
        assert worker.wait(90) == 1
    assert "config_invalid" in (pool.home / "worker.log").read_text()


def test_a_broker_that_is_gone_is_a_clear_error(tmp_path):
    with redis_server(tmp_path) as url:
        pool = make_pool(tmp_path, broker_url=url, broker_timeout_s=2)
        assert len(pool.client.submit([document(1)])) == 1
    with pytest.raises(BrokerError, match=r"out of reach.*KAIPIAO_BROKER_URL"):
        pool.client.submit([document(2)])


def test_the_submit_command_waits_copies_files_and_tells_failures(pool, tmp_path):
    for number, act in ((1, ""), (2, "invalid")):
        (tmp_path / f"{number}.json").write_bytes(document(number, act=act))
    files = [str(tmp_path / "1.json"), str(tmp_path / "2.json")]
    command = [*KAIPIAO, "submit", *files, "--out", str(tmp_path / "out"), "--pdf", "--timeout", "60"]

    def submit():
        return subprocess.run(command, env=pool.environment, capture_output=True, text=True, timeout=100, check=False)

    without_broker = submit()
    assert without_broker.returncode == 1
    assert "broker_unavailable" in without_broker.stderr
    with embedded_broker(pool), celery_worker(pool, concurrency=1):
        result = submit()
    assert (result.returncode, result.stdout.strip()) == (1, "1 done, 1 failed")
    assert "2.json: invoice_invalid" in result.stderr
    assert "lines[0].tax: 1 is not 2." in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{1:020d}.pdf"]


def test_a_client_reads_nothing_of_a_job_that_nobody_submitted(pool):
    assert PoolClient(pool.settings).status("0" * 32).state == "queued"


def test_a_process_whose_device_is_lost_is_replaced_and_its_invoices_are_done(running):
    documents = [document(401), document(402, act="device:1"), document(403)]
    job_ids = running.client.submit(documents)
    ended = running.end_all(job_ids)
    assert [ended[job_id].state for job_id in job_ids] == ["done"] * 3
    assert running.engine_log.count(f"render {402:020d}") == 2
    assert '"event": "device.lost"' in (running.home / "worker.log").read_text()
