"""The producer's entries are Celery's own, every outcome is told, and what is unknown may be published again."""

import base64
import dataclasses
import itertools
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import redis
from kombu import Connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.fault.fault_proxy import FaultProxy, Faults
from tests.workers.pool_processes import redis_server
from workers.admission import Admission
from workers.app import RENDER_JOB, create_app, queue_of
from workers.config import WorkerSettings
from workers.envelope.keys import KeyRing, KeyState, ProducerKey
from workers.envelope.mac import MacSecret
from workers.envelope.seal import Sealer
from workers.ledger.protocol import State
from workers.ledger.redis_ledger import RedisLedger
from workers.messages import Job, encode_message
from workers.producer.form import EntryForm
from workers.producer.publishing import Desk, Outcome, Producer

pytestmark = pytest.mark.broker

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
KEY = ProducerKey(key_id="TEST-p.1", producer="p", state=KeyState.CURRENT, created="", secret=MacSecret(b"TEST" * 8))


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def client(url):
    with redis.Redis.from_url(url) as client:
        client.flushall()
        yield client


@pytest.fixture
def app(url, tmp_path):
    app = create_app(WorkerSettings(home=tmp_path, broker_url=url))
    yield app
    app.close()


def job(number, **options):
    return Job(job_id=f"job-{number}", created=NOW, signing_time=NOW, **{"invoice": f'{{"number":{number}}}'} | options)


def producer(app, url, client, *, batch_jobs=250, **options):
    ids = itertools.count()
    desk = Desk(
        client=client,
        ledger=RedisLedger(url, timeout_s=2),
        queue_of=queue_of,
        task=RENDER_JOB,
        clock=lambda: NOW,
        new_id=lambda: f"id-{next(ids)}",
    )
    return Producer(app, dataclasses.replace(desk, **options), batch_jobs=batch_jobs)


def drained(url, lane="issue"):
    """Take every message as a worker's kombu does, and return arguments and headers."""
    took = []
    with Connection(url) as connection, connection.SimpleQueue(queue_of(lane)) as queue:
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return took
            took.append((message.payload, message.headers, message.properties))
            message.ack()


def test_an_entry_is_what_celery_itself_would_publish(app, url, client):
    app.send_task(
        RENDER_JOB,
        args=(encode_message(job(1)),),
        task_id="m-1",
        queue="kaipiao.issue",
        argsrepr="job-1",
        kwargsrepr="",
    )
    theirs = json.loads(client.rpop("kaipiao.issue"))
    ours = json.loads(
        EntryForm(app, RENDER_JOB, lambda: "tag").entry(job(1), message_id="m-1", name="job-1", queue="kaipiao.issue")
    )
    # Celery repeats two headers among the properties, names its mailbox, and copies limits that workers know anyway.
    theirs["properties"] = {
        name: value for name, value in theirs["properties"].items() if name not in {"argsrepr", "kwargsrepr"}
    }
    for entry in (theirs, ours):
        for name in ("origin", "timelimit", "ignore_result"):
            entry["headers"].pop(name)
        for name in ("delivery_tag", "reply_to"):
            entry["properties"].pop(name)
        entry["body"] = json.loads(base64.b64decode(entry["body"]))
    assert ours == theirs


def test_jobs_are_written_down_and_pushed_in_order(app, url, client):
    jobs = [job(number) for number in range(600)]
    report = producer(app, url, client).publish(jobs)
    assert report.counts == {Outcome.QUEUED: 600}
    assert [each.job_id for each in report.jobs] == [each.job_id for each in jobs]
    took = drained(url)
    assert [msgspec.convert(payload[0][0], type=Job) for payload, _, _ in took] == jobs
    assert {headers["task"] for _, headers, _ in took} == {RENDER_JOB}
    assert len({headers["id"] for _, headers, _ in took}) == 600
    assert RedisLedger(url).census()[State.QUEUED] == 600


def test_each_lane_has_its_queue(app, url, client):
    lanes = ["bulk", "green", "issue", "preview", "bulk"]
    report = producer(app, url, client).publish(job(number, lane=lane) for number, lane in enumerate(lanes))
    assert [each.outcome for each in report.jobs] == [Outcome.QUEUED] * 5
    assert {lane: client.llen(queue_of(lane)) for lane in lanes} == Counter(lanes)


def test_publishing_again_is_told_apart_and_another_work_under_an_id_is_refused(app, url, client):
    own = producer(app, url, client)
    own.publish([job(1), job(2), job(3)])
    ledger = RedisLedger(url)
    (grant,) = ledger.claim(["job-2"], "w", 1000)
    ledger.commit([(grant, "receipt")])
    report = own.publish([job(1), job(2), job(3, dpi=72), job(4)])
    assert [each.outcome for each in report.jobs] == [
        Outcome.KNOWN,
        Outcome.ENDED,
        Outcome.CONFLICT,
        Outcome.QUEUED,
    ]
    assert client.llen("kaipiao.issue") == 3 + 2


def test_what_has_expired_is_neither_written_down_nor_pushed(app, url, client):
    late = job(1, expires=NOW)
    soon = job(2, expires=NOW + timedelta(seconds=1))
    report = producer(app, url, client).publish([late, soon])
    assert [each.outcome for each in report.jobs] == [Outcome.EXPIRED, Outcome.QUEUED]
    assert RedisLedger(url).look(["job-1"]) == [None]


def test_a_full_queue_turns_jobs_away_without_a_trace_and_says_when_to_come_again(app, url, client):
    own = producer(app, url, client, admission=Admission(client, 10), batch_jobs=8)
    report = own.publish(job(number, lane="bulk") for number in range(20))
    assert report.counts == {Outcome.QUEUED: 8, Outcome.FULL: 12}
    assert report.retry_after_s > 0
    assert report.cause == ""
    assert RedisLedger(url).look(report.ids(Outcome.FULL)) == [None] * 12
    assert own.publish([job(99, lane="issue")]).counts == {Outcome.QUEUED: 1}


def test_messages_are_sealed_where_there_is_a_key(app, url, client):
    from workers.envelope.guard import EnvelopeGuard

    nonces = (f"{number:032x}" for number in itertools.count())
    sealer = Sealer(KEY, lambda: NOW, lambda: next(nonces), 60.0)
    producer(app, url, client, sealer=sealer).publish([job(1), job(2)])
    guard = EnvelopeGuard(lambda: KeyRing([KEY]), RedisLedger(url), lambda: NOW)
    for number, (payload, headers, _) in enumerate(drained(url), start=1):
        opened = guard.unseal(payload[0][0], task=headers["task"], message_id=headers["id"])
        assert opened.chunk.jobs == (job(number),)
        assert guard.spend(opened)


@pytest.fixture
def proxy(url):
    with FaultProxy(int(url.rpartition(":")[2].partition("/")[0]), seed=5) as proxy:
        yield proxy


@pytest.fixture
def far(proxy):
    """A client that reaches the broker through the proxy, and does not try again by itself."""
    options = {"socket_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}
    with redis.Redis(port=proxy.port, **options) as client:
        yield client


def test_a_lost_answer_is_unknown_the_rest_is_unsent_and_publishing_again_is_safe(app, url, client, proxy, far):
    own = producer(app, url, far, batch_jobs=4)
    far.ping()
    proxy.set(Faults(black_hole="down"))
    report = own.publish([job(number) for number in range(10)])
    assert report.counts == {Outcome.UNKNOWN: 4, Outcome.UNSENT: 6}
    assert report.cause == "TimeoutError"
    assert client.llen("kaipiao.issue") == 4, "the messages arrived; the producer cannot know"
    proxy.set()
    again = own.publish([job(number) for number in range(10)])
    assert again.counts == {Outcome.KNOWN: 4, Outcome.QUEUED: 6}
    assert RedisLedger(url).census()[State.QUEUED] == 10


def test_a_ledger_that_is_away_leaves_no_message(app, url, client):
    away = RedisLedger("redis://127.0.0.1:1/0", timeout_s=0.2)
    report = producer(app, url, client, ledger=away).publish([job(1)])
    assert report.counts == {Outcome.UNKNOWN: 1}
    assert report.cause == "LedgerUnavailable"
    assert client.llen("kaipiao.issue") == 0
