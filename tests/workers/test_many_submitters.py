"""A hundred submitters of one invoice at the same moment, in threads of several processes: one commit."""

import json
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from render.errors import ContentConflict
from tests.workers.fake_engine import document
from tests.workers.pool_processes import celery_worker, embedded_broker, make_pool
from workers.client import JobOptions, PoolClient
from workers.ledger.protocol import Recorded, State

pytestmark = pytest.mark.broker

PROCESSES, THREADS = 4, 25


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    pool = make_pool(tmp_path_factory.mktemp("pool"), chunk_jobs=1)
    with embedded_broker(pool), celery_worker(pool, concurrency=2):
        yield pool


def submit_at_once(settings, number, texts):
    """Submit a document from a thread for each text, all at the same moment, and return the ids with their texts."""
    clients = [PoolClient(settings) for _ in texts]

    def submit(place):
        return clients[place].submit([document(number, texts[place])])[0], texts[place]

    with ThreadPoolExecutor(len(texts)) as threads:
        return list(threads.map(submit, range(len(texts))))


@pytest.fixture(scope="module")
def submit_everywhere(pool):
    """Return a function that submits texts under one number from all processes."""
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as processes:

        def submit(number, texts):
            parts = [texts[start::PROCESSES] for start in range(PROCESSES)]
            futures = [processes.submit(submit_at_once, pool.settings, number, part) for part in parts]
            return dict(pair for future in futures for pair in future.result())

        yield submit


def test_a_hundred_submitters_of_one_invoice_get_one_receipt(pool, submit_everywhere):
    submitted = submit_everywhere(1, ["same"] * (PROCESSES * THREADS))
    ended = pool.end_all(list(submitted), 100)
    assert Counter(status.state for status in ended.values()) == {"done": 100}
    assert len({status.receipt.key for status in ended.values()}) == 1
    assert [status.duplicate for status in ended.values()].count(False) == 1
    assert set(pool.client.ledger.states(list(submitted))) == {State.DONE}
    records = pool.client.records
    receipts = [records.receipt(key[len("receipts/") : -len(".json")]) for key in records.store.list("receipts")]
    assert [receipt.number for receipt in receipts].count(f"{1:020d}") == 1


def test_of_two_contents_under_one_number_one_stands_and_every_other_job_is_audited(pool, submit_everywhere):
    submitted = submit_everywhere(2, ["right", "wrong"] * 20)
    ended = pool.end_all(list(submitted), 100)
    done = {submitted[job_id] for job_id, status in ended.items() if status.state == "done"}
    failed = {job_id: status for job_id, status in ended.items() if status.state == "failed"}
    assert len(done) == 1
    assert {submitted[job_id] for job_id in failed} == {"right", "wrong"} - done
    assert {status.error.code for status in failed.values()} == {"content_conflict"}
    assert len({status.receipt.key for status in ended.values() if status.receipt}) == 1
    store = pool.client.records.store
    audited = [json.loads(store.get(key)) for key in store.list("audit/conflicts")]
    assert {entry["job_id"] for entry in audited} == set(failed)


def test_a_job_that_is_handed_over_again_is_not_done_again(pool):
    client = pool.client
    jobs = [client._job(document(number), JobOptions()) for number in range(10, 15)]
    assert client.enqueue(jobs) == [Recorded.NEW] * 5
    assert set(client.enqueue(jobs)) <= {Recorded.KNOWN, Recorded.ENDED}
    pool.end_all([job.job_id for job in jobs])
    assert client.enqueue(jobs) == [Recorded.ENDED] * 5
    assert [pool.engine_log.count(f"render {number:020d}") for number in range(10, 15)] == [1] * 5


def test_an_id_that_stands_for_other_work_is_refused_and_audited_while_the_others_go_out(pool):
    client = pool.client
    first, other = (client._job(document(number), JobOptions()) for number in (20, 21))
    client.enqueue([first])
    stolen = client._job(document(22), JobOptions())
    stolen = type(stolen)(
        **{name: getattr(stolen, name) for name in stolen.__struct_fields__} | {"job_id": first.job_id}
    )
    with pytest.raises(ContentConflict) as caught:
        client.enqueue([stolen, other])
    assert [fault.path for fault in caught.value.faults] == [first.job_id]
    ended = pool.end_all([first.job_id, other.job_id])
    assert {status.state for status in ended.values()} == {"done"}
    assert ended[first.job_id].receipt.number == f"{20:020d}"
    assert len([key for key in client.records.store.list("audit/jobs") if first.job_id in key]) == 1
