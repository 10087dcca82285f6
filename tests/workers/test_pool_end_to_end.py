"""Jobs through a real broker and real worker processes, with both kinds of broker."""

import json

import pytest

from tests.workers.fake_engine import document
from tests.workers.pool_processes import celery_worker, embedded_broker, make_pool, redis_server
from workers.app import RENDER_CHUNK, RENDER_JOB, create_app
from workers.client import JobOptions
from workers.messages import encode_message

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module", params=["embedded", "redis-server"])
def pool(request, tmp_path_factory):
    home = tmp_path_factory.mktemp("pool")
    if request.param == "embedded":
        pool = make_pool(home)
        with embedded_broker(pool), celery_worker(pool):
            yield pool
    else:
        with redis_server(home) as url:
            pool = make_pool(home, broker_url=url)
            with celery_worker(pool):
                yield pool


@pytest.fixture
def numbers(request, pool):
    """Give each test invoice numbers that no other test uses."""
    pool.environment.setdefault("NEXT", "1")
    first = int(pool.environment["NEXT"])
    pool.environment["NEXT"] = str(first + 1000)
    return range(first, first + 1000)


def test_a_single_job_ends_with_a_receipt_for_its_outputs(pool, numbers):
    (job_id,) = pool.client.submit([document(numbers[0], "票")])
    status = pool.end_all([job_id])[job_id]
    assert (status.state, status.duplicate) == ("done", False)
    receipt = status.receipt
    assert [output.kind for output in receipt.outputs] == ["pdf", "png"]
    assert receipt.job_id == job_id
    assert receipt.outputs[0].signer == "0a"
    for output in receipt.outputs:
        assert len(pool.client.records.store.get(output.key)) == output.size


def test_one_bad_invoice_in_a_chunk_of_32_leaves_31_good_and_one_clear_error(pool, numbers):
    documents = [document(number, act="invalid" if number == numbers[7] else "") for number in numbers[:32]]
    job_ids = pool.client.submit(documents)
    ended = pool.end_all(job_ids)
    assert [ended[job_id].state for job_id in job_ids].count("done") == 31
    error = ended[job_ids[7]].error
    assert (error.code, error.attempts) == ("invoice_invalid", 1)
    assert [(fault.path, fault.rule) for fault in error.faults] == [("lines[0].tax", "line.tax_arithmetic")]
    batches = [line for line in pool.engine_log if line.startswith("batch") and job_ids[0] in line]
    assert len(batches) == 1
    assert len(batches[0].split()) == 1 + 31


def test_the_same_documents_again_are_answered_by_the_first_receipts(pool, numbers):
    documents = [document(number) for number in numbers[:5]]
    first = pool.end_all(pool.client.submit(documents))
    again = pool.end_all(pool.client.submit(documents))
    assert all(status.duplicate for status in again.values())
    assert [s.receipt for s in sorted(again.values(), key=lambda s: s.receipt.number)] == [
        s.receipt for s in sorted(first.values(), key=lambda s: s.receipt.number)
    ]
    for number in numbers[:5]:
        assert pool.engine_log.count(f"render {number:020d}") == 1


def test_a_number_with_other_content_is_refused_audited_and_overwrites_nothing(pool, numbers):
    (first,) = pool.client.submit([document(numbers[0], "right")])
    receipt = pool.end_all([first])[first].receipt
    store = pool.client.records.store
    before = list(store.list("sm3"))
    (second,) = pool.client.submit([document(numbers[0], "wrong")])
    status = pool.end_all([second])[second]
    assert status.error.code == "content_conflict"
    assert list(store.list("sm3")) == before
    assert pool.client.status(first).receipt == receipt
    (entry,) = [key for key in store.list("audit/conflicts") if second in key]
    audited = json.loads(store.get(entry))
    assert (audited["event"], audited["job_id"]) == ("content.conflict", second)
    assert audited["issued_content"] == receipt.content != audited["refused_content"]


def test_a_large_document_travels_by_reference(pool, numbers):
    (job_id,) = pool.client.submit([document(numbers[0], "大" * 50_000)], JobOptions(outputs=("pdf",)))
    receipt = pool.end_all([job_id])[job_id].receipt
    assert receipt.outputs[0].size > 50_000


def test_a_lone_job_message_needs_no_chunk(pool, numbers):
    client = pool.client
    job = client._job(document(numbers[0]), JobOptions())
    app = create_app(pool.settings)
    app.send_task(RENDER_JOB, args=(encode_message(job),), queue="kaipiao.green")
    app.close()
    assert pool.end_all([job.job_id])[job.job_id].state == "done"


def test_an_undecodable_message_leaves_an_error_and_the_worker_alive(pool, numbers):
    app = create_app(pool.settings)
    app.send_task(RENDER_CHUNK, args=({"schema": "kaipiao.chunk/1", "jobs": "../../etc"},), queue="kaipiao.issue")
    app.close()
    (job_id,) = pool.client.submit([document(numbers[0])])
    assert pool.end_all([job_id])[job_id].state == "done"
    store = pool.client.records.store
    (entry,) = [key for key in store.list("errors") if "message-" in key]
    assert json.loads(store.get(entry))["code"] == "message_invalid"


def test_the_log_has_one_canonical_line_a_job_and_no_personal_data(pool, numbers):
    seller = "91440300MA5FAKE00X"
    documents = [document(numbers[0], "购买方某某", seller=seller), document(numbers[1], act="crash", seller=seller)]
    done, failed = pool.client.submit(documents)
    ended = pool.end_all([done, failed])
    assert ended[failed].error.code == "internal"
    text = (pool.home / "worker.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    events = [(line["event"], line["job_id"]) for line in lines if line.get("job_id") in (done, failed)]
    assert sorted(events) == sorted([("job.done", done), ("job.failed", failed)])
    for secret in (seller, "购买方", "secret buyer name", f"{numbers[0]:020d}"):
        assert secret not in text


def test_nothing_temporary_stays_in_the_store(pool, numbers):
    pool.end_all(pool.client.submit([document(numbers[0])]))
    root = pool.home / "store"
    kinds = {path.relative_to(root).parts[0] for path in root.rglob("*")}
    assert kinds <= {"sm3", "receipts", "jobs", "errors", "audit", "numbers"}
