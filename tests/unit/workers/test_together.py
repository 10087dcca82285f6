"""Messages carried out as one batch: each is let in, claimed, settled and answered by itself."""

from datetime import UTC, datetime

import pytest

from render.store.api import Store
from tests.workers.fake_engine import FakeEngine, document
from workers.app import create_app
from workers.config import WorkerSettings
from workers.envelope.keys import KeyFile, add_key
from workers.errors import LedgerUnavailable
from workers.ledger.entries import entry_of
from workers.ledger.protocol import State, SweepRules
from workers.messages import Chunk, Job, encode_message
from workers.records import Records
from workers.together import carry_out_together

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
CHUNK, JOB = "kaipiao.render_chunk", "kaipiao.render_job"


class RecordingEngine(FakeEngine):
    def __init__(self):
        self.batches = []

    def render_batch(self, requests):
        self.batches.append([request.job_id for request in requests])
        return super().render_batch(requests)


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.delenv("FAKE_ENGINE_LOG", raising=False)
    return RecordingEngine()


@pytest.fixture
def make_app(tmp_path, engine, monkeypatch):
    def make(**values):
        values |= {"HOME": str(tmp_path), "LEDGER": f"sqlite:///{tmp_path}/ledger.db", "RETRY_LADDER_S": "0.1"}
        app = create_app(WorkerSettings.from_mapping({f"KAIPIAO_{name}": value for name, value in values.items()}))
        app.__dict__["records"] = Records(Store("memory://"), lambda: NOW)
        monkeypatch.setattr(app, "engine", lambda: engine)
        app.published = []
        monkeypatch.setattr(app, "publish_chunks", lambda chunks, countdown_s=0.0: app.published.extend(chunks))
        return app

    return make


@pytest.fixture
def app(make_app):
    return make_app()


def job(name, number=0, act=""):
    data = document(number or int(name, 36), act=act).decode()
    return Job(job_id=name, created=NOW, signing_time=NOW, invoice=data)


def posted(message, message_id, task=CHUNK):
    request = {"id": message_id, "task": task, "retries": 0, "hostname": "w", "delivery_info": {}}
    return task, request | {"args": [message], "kwargs": {}}


def plain(*jobs):
    return [posted(encode_message(each), f"m-{each.job_id}", JOB) for each in jobs]


def states(app, *names):
    return [record.state for record in app.ledger.look(names)]


def test_messages_of_both_forms_are_one_batch_and_each_job_is_done(app, engine):
    chunk = Chunk(chunk_id="c", jobs=(job("a"), job("b")))
    answers = carry_out_together([posted(encode_message(chunk), "m1"), *plain(job("d"))])
    assert answers == ["done", "done"]
    assert engine.batches == [["a", "b", "d"]]
    assert states(app, "a", "b", "d") == [State.DONE] * 3


def test_claims_are_made_in_the_name_of_each_message(app, monkeypatch):
    holders, claim = [], app.ledger.claim
    monkeypatch.setattr(app.ledger, "claim", lambda *asked: holders.append(asked[1]) or claim(*asked))
    carry_out_together(plain(job("a"), job("b")))
    assert set(holders) == {"w/m-a", "w/m-b"}


def test_a_message_that_cannot_be_read_is_refused_with_a_record_and_the_others_are_done(app, engine):
    answers = carry_out_together([posted({"schema": "nonsense"}, "m0"), *plain(job("a")), posted(None, "m2")])
    assert answers == ["done"] * 3
    assert engine.batches == [["a"]]
    assert len(list(app.records.store.list("errors"))) == 2


def test_only_what_failed_goes_out_again(app):
    answers = carry_out_together(plain(job("a"), job("b", act="keyless:9"), job("c", act="invalid")))
    assert answers == ["done"] * 3
    assert states(app, "a", "b", "c") == [State.DONE, State.QUEUED, State.REFUSED]
    assert [[each.job_id for each in chunk.jobs] for chunk in app.published] == [["b"]]


@pytest.fixture(autouse=True)
def engine_log(tmp_path, monkeypatch, engine):
    monkeypatch.setenv("FAKE_ENGINE_LOG", str(tmp_path / "engine.log"))


def test_a_job_that_lost_a_process_before_is_carried_out_without_company(app, engine):
    suspect, other = job("a"), job("b")
    app.ledger.record([entry_of(suspect)])
    app.ledger.claim(["a"], "dead", 60_000)
    app.ledger.lose(["a"], "dead", SweepRules(stale_ms=1, max_losses=2, lease_ms=1000, holder="s"))
    before = app.ledger.look(["a"])[0]
    assert carry_out_together(plain(suspect, other)) == ["alone", "done"]
    assert engine.batches == [["b"]]
    after = app.ledger.look(["a"])[0]
    assert (after.state, after.attempts, after.losses) == (State.QUEUED, before.attempts, 1), "that was no attempt"
    assert carry_out_together(plain(suspect)) == ["done"]
    assert states(app, "a") == [State.DONE]


def test_a_ledger_that_fails_at_one_message_sends_that_one_back_alone(app, engine, monkeypatch):
    claim = app.ledger.claim

    def fails_at_b(names, *rest):
        if names == ["b"]:
            raise LedgerUnavailable("gone.", hint="Wait.")
        return claim(names, *rest)

    monkeypatch.setattr(app.ledger, "claim", fails_at_b)
    # There is no broker to take a copy, so the message itself goes back.
    monkeypatch.setattr(app.tasks[JOB], "retry", lambda **_: 1 / 0)
    assert carry_out_together(plain(job("a"), job("b"), job("c"))) == ["done", "back", "done"]
    assert engine.batches == [["a", "c"]]


def test_a_lost_device_ends_the_process_when_everything_is_settled(app, engine):
    with pytest.raises(SystemExit) as ended:
        carry_out_together(plain(job("a"), job("b", act="device:9")))
    assert ended.value.code == 70
    assert states(app, "a", "b") == [State.QUEUED] * 2
    assert sum(len(chunk.jobs) for chunk in app.published) == 2


def test_each_envelope_is_checked_by_itself(make_app, tmp_path, engine):
    keys = tmp_path / "envelope.json"
    KeyFile(keys).change(lambda ring: add_key(ring, "issuance", now=NOW, secret=bytes(32)))
    app = make_app(ENVELOPE_KEYS=str(keys))
    chunks = [Chunk(chunk_id=name, jobs=(job(name),)) for name in "abc"]
    sealed = [app.safeguards.wrapped(each, task=CHUNK, message_id=f"m-{each.chunk_id}") for each in chunks]
    sealed[1]["payload"] += " "
    messages = [posted(message, f"m-{name}") for name, message in zip("abc", sealed, strict=True)]
    assert carry_out_together([*messages, messages[0]]) == ["done"] * 4, "a copy finds its jobs taken"
    assert engine.batches == [["a", "c"]]
    assert len(list(app.records.store.list("audit"))) == 1
