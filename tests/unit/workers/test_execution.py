"""Chunks over a store in memory and a ledger in a file: receipts, duplicates, conflicts, retries, and failures."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from render.budget import BatchFull
from render.errors import ConfigError, DeviceLost, InputError, StoreError
from render.sign.sm3 import sm3_hex
from render.store.api import Store, blob_key
from tests.workers.fake_engine import FakeEngine, document
from workers.custody import Custody
from workers.errors import EngineUnavailable, LedgerUnavailable
from workers.execution import ChunkRunner
from workers.lease import Heart
from workers.ledger.entries import entry_of
from workers.ledger.opening import open_ledger
from workers.ledger.protocol import Recorded, Retry, State, SweepRules
from workers.messages import Chunk, Job, PayloadRef
from workers.receipts import ErrorRecord, Outcome
from workers.records import Records
from workers.retry import Ladder

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
LADDER = Ladder((1.0, 2.0), jitter=0.5, random=lambda: 0.0)
LEASE_S = 60.0


class SilentLog:
    def __getattr__(self, level):
        return lambda event, **fields: None


class RecordingEngine(FakeEngine):
    def __init__(self):
        self.batches = []

    def render_batch(self, requests):
        self.batches.append([json.loads(request.data)["number"] for request in requests])
        return super().render_batch(requests)


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.delenv("FAKE_ENGINE_LOG", raising=False)
    return RecordingEngine()


@pytest.fixture
def records():
    return Records(Store("memory://"), lambda: NOW)


@pytest.fixture
def ledger(tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield ledger
    ledger.close()


def make_runner(engine, records, ledger):
    heart = Heart(ledger, SilentLog(), lease_s=LEASE_S, limit_s=LEASE_S)
    custody = Custody(ledger, records, SilentLog(), lease_ms=heart.lease_ms, ladder=LADDER)
    return ChunkRunner(engine, records, custody=custody, heart=heart, threads=4)


@pytest.fixture
def runner(engine, records, ledger):
    return make_runner(lambda: engine, records, ledger)


def job(job_id, data, **more):
    return Job(job_id=job_id, created=NOW, signing_time=NOW, invoice=data.decode(), **more)


def chunk(*jobs):
    return Chunk(chunk_id="c", jobs=jobs)


def run(runner, chunk, holder="w1"):
    return runner.run(chunk, holder)


def counts(report):
    return report.done, report.duplicates, report.failed, sum(len(each.jobs) for _, each in report.again)


def fail_before(ledger, job, times):
    """Let a job have failed so often before."""
    ledger.record([entry_of(job)])
    for _ in range(times):
        ledger.retry([Retry(grant, 0, "store_failed") for grant in ledger.claim([job.job_id], "earlier", 1000)])


def state(ledger, job_id):
    return ledger.look([job_id])[0].state


def test_a_receipt_holds_what_was_stored(runner, records):
    assert counts(run(runner, chunk(job("a", document(1, "票"), dpi=150)))) == (1, 0, 0, 0)
    outcome = records.outcome("a")
    assert outcome == Outcome(job_id="a", receipt=outcome.receipt, duplicate=False)
    receipt = records.receipt(outcome.receipt)
    assert (receipt.key, receipt.dpi, receipt.created, receipt.template_id) == (outcome.receipt, 150, NOW, "fake")
    assert set(receipt.stage_ms) == {"read", "store"}
    for output in receipt.outputs:
        data = records.store.get(output.key)
        assert (output.size, output.digest) == (len(data), f"sm3:{sm3_hex(data)}")


def test_equal_jobs_in_one_chunk_are_rendered_once(runner, engine, records):
    report = run(runner, chunk(*(job(f"j{number}", document(7)) for number in range(5))))
    assert counts(report) == (1, 4, 0, 0)
    assert engine.batches == [[f"{7:020d}"]]
    assert len({records.outcome(f"j{number}").receipt for number in range(5)}) == 1
    assert [records.outcome(f"j{number}").duplicate for number in range(5)] == [False, True, True, True, True]


def test_conflicting_jobs_in_one_chunk_keep_the_first(runner, engine, records):
    report = run(runner, chunk(job("a", document(7, "one")), job("b", document(7, "two"))))
    assert counts(report) == (1, 0, 1, 0)
    assert records.outcome("b").code == "content_conflict"
    assert engine.batches == [[f"{7:020d}"]]


def test_a_number_says_one_thing_whatever_is_asked_of_it(runner, engine, records):
    run(runner, chunk(job("a", document(7, "one"), outputs=("pdf",))))
    report = run(runner, chunk(job("b", document(7, "two"), outputs=("png",), dpi=72)))
    assert counts(report) == (0, 0, 1, 0)
    assert records.outcome("b").code == "content_conflict"
    assert len(engine.batches) == 1
    assert len([key for key in records.store.list("audit/conflicts") if key.endswith("-b.json")]) == 1


def test_of_two_contents_rendered_at_once_under_one_number_the_first_stands(runner, engine, records):
    report = run(
        runner, chunk(job("a", document(7, "one"), outputs=("pdf",)), job("b", document(7, "two"), outputs=("png",)))
    )
    assert counts(report) == (1, 0, 1, 0)
    assert records.outcome("b").code == "content_conflict"
    assert len(list(records.store.list("receipts"))) == 1


def test_a_number_that_could_not_be_rendered_is_free_for_the_mended_invoice(runner, records):
    mended = job("a", document(7, "one", act="crash"))
    run(runner, chunk(mended))
    assert counts(run(runner, chunk(job("b", document(7, "two"))))) == (1, 0, 0, 0)


def test_other_outputs_of_the_same_invoice_are_other_work(runner, engine):
    run(runner, chunk(job("a", document(7), outputs=("pdf",))))
    report = run(
        runner, chunk(job("b", document(7), outputs=("png",)), job("c", document(7), outputs=("pdf",), dpi=72))
    )
    assert counts(report) == (1, 1, 0, 0)
    assert len(engine.batches) == 2


class CrowdedEngine(RecordingEngine):
    """Has room for two jobs in a batch, and for none that says ``huge``."""

    def render_batch(self, requests):
        results = super().render_batch(requests)
        for place, (request, result) in enumerate(zip(requests, results, strict=True)):
            if json.loads(request.data)["text"] == "huge":
                result.error, result.outputs = InputError("too large."), ()
            elif place > 1:
                result.error, result.outputs = BatchFull("no room."), ()
        return results


def test_jobs_that_find_no_room_in_a_batch_are_rendered_in_the_next(records, ledger):
    engine = CrowdedEngine()
    runner = make_runner(lambda: engine, records, ledger)
    texts = ["", "huge", "", "", "huge", "", ""]
    report = run(runner, chunk(*(job(f"j{n}", document(n, text)) for n, text in enumerate(texts))))
    assert counts(report) == (5, 0, 2, 0)
    assert [len(batch) for batch in engine.batches] == [7, 4, 2]
    assert [n for n in range(7) if isinstance(records.outcome(f"j{n}"), Outcome)] == [0, 2, 3, 5, 6]


def test_a_batch_without_room_for_any_is_tried_again_later(records, ledger):
    class Full(RecordingEngine):
        def render_batch(self, requests):
            results = super().render_batch(requests)
            for result in results:
                result.error = BatchFull("no room.")
            return results

    engine = Full()
    runner = make_runner(lambda: engine, records, ledger)
    assert counts(run(runner, chunk(job("a", document(1)), job("b", document(2))))) == (0, 0, 0, 2)
    assert len(engine.batches) == 1


def test_level_and_mode_reach_the_engine_the_key_and_the_receipt(runner, records):
    report = run(
        runner,
        chunk(
            job("a", document(7), outputs=("png",)),
            job("b", document(7), outputs=("png",), mode="grey", level="small"),
            job("c", document(7), outputs=("png",), mode="indexed"),
        ),
    )
    assert counts(report) == (2, 1, 0, 0)
    grey = records.receipt(records.outcome("b").receipt)
    assert (grey.level, grey.mode) == ("small", "grey")
    assert records.outcome("c").receipt == records.outcome("a").receipt


def test_a_mode_that_a_format_lacks_fails_its_job_alone(runner, records):
    bad = job("a", document(7), outputs=("png", "g4"), mode="grey")
    assert counts(run(runner, chunk(bad, job("b", document(8))))) == (1, 0, 1, 0)
    error = records.outcome("a")
    assert [(fault.path, fault.rule) for fault in error.faults] == [("mode", "request.mode_of_format")]


def test_receipts_from_before_levels_and_modes_are_read(runner, records):
    run(runner, chunk(job("a", document(7))))
    key = f"receipts/{records.outcome('a').receipt}.json"
    old = {name: value for name, value in json.loads(records.store.get(key)).items() if name not in {"level", "mode"}}
    again = Records(Store("memory://"), lambda: NOW)
    again.store.put_if_absent(key, json.dumps(old).encode())
    assert again.receipt(old["key"]) == records.receipt(old["key"])


def test_two_sellers_may_use_the_same_number(runner):
    report = run(runner, chunk(job("a", document(7, seller="A")), job("b", document(7, seller="B"))))
    assert counts(report) == (2, 0, 0, 0)


def test_a_worker_that_comes_second_accepts_the_receipt_of_the_first(runner, engine, records, ledger):
    """Both found no receipt and rendered; the first to commit wins."""
    rival = make_runner(RecordingEngine, records, ledger)
    plain_render = engine.render_batch

    def render_while_another_commits(requests):
        results = plain_render(requests)
        run(rival, chunk(job("rival", document(7))))
        return results

    engine.render_batch = render_while_another_commits
    assert counts(run(runner, chunk(job("a", document(7))))) == (0, 1, 0, 0)
    assert records.outcome("a").duplicate
    assert len(list(records.store.list("receipts"))) == 1


def test_expired_jobs_are_dropped_before_rendering(runner, engine, records):
    late, in_time = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    report = run(runner, chunk(job("a", document(1), expires=late), job("b", document(2), expires=in_time)))
    assert counts(report) == (1, 0, 1, 0)
    assert records.outcome("a").code == "job_expired"
    assert engine.batches == [[f"{2:020d}"]]


def test_only_failures_that_waiting_may_mend_come_back(runner, records, ledger, monkeypatch, tmp_path):
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("FAKE_ENGINE_LOG", str(log))
    jobs = job("a", document(1)), job("b", document(2, act="later:9")), job("c", document(3, act="invalid"))
    report = run(runner, chunk(*jobs))
    assert counts(report) == (1, 0, 1, 1)
    ((delay_s, again),) = report.again
    assert (delay_s, [each.job_id for each in again.jobs]) == (1.0, ["b"])
    ((delay_s, again),) = run(runner, again).again
    assert delay_s == 2.0
    assert counts(run(runner, again)) == (0, 0, 1, 0)
    assert (records.outcome("b").code, records.outcome("b").attempts) == ("encoder_failed", 3)
    assert [state(ledger, name) for name in "abc"] == [State.DONE, State.DEAD, State.REFUSED]


def test_jobs_that_failed_as_often_come_back_in_one_message_and_lost_ones_alone(runner, ledger, monkeypatch, tmp_path):
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("FAKE_ENGINE_LOG", str(log))
    jobs = [job(name, document(number, act="later:9")) for number, name in enumerate("abcd")]
    fail_before(ledger, jobs[2], 1)
    ledger.record([entry_of(jobs[3])])
    ledger.claim(["d"], "dead", 60_000)
    ledger.lose(["d"], "dead", SweepRules(stale_ms=1000, max_losses=3, lease_ms=1000, holder="s"))
    report = run(runner, chunk(*jobs))
    assert [(delay, [each.job_id for each in part.jobs]) for delay, part in report.again] == [
        (1.0, ["a", "b"]), (2.0, ["c"]), (1.0, ["d"]),
    ]  # fmt: skip


def test_a_message_that_comes_twice_repeats_nothing(runner, engine, records):
    jobs = job("a", document(1)), job("b", document(2, act="crash"))
    run(runner, chunk(*jobs))
    before = {key: records.store.get(key) for key in records.store.list()}
    report = run(runner, chunk(*jobs), "w2")
    assert (counts(report), report.suppressed) == ((0, 0, 0, 0), 2)
    assert {key: records.store.get(key) for key in records.store.list()} == before
    assert len(engine.batches) == 1


def test_a_job_that_another_holds_is_left_to_it(runner, engine, ledger):
    held = job("a", document(1))
    ledger.record([entry_of(held)])
    ledger.claim(["a"], "other", 60_000)
    report = run(runner, chunk(held, job("b", document(2))))
    assert (counts(report), report.suppressed) == ((1, 0, 0, 0), 1)
    assert engine.batches == [[f"{2:020d}"]]


def test_a_worker_whose_lease_ended_while_it_rendered_writes_no_records(runner, engine, records, ledger, monkeypatch):
    """It was frozen; the sweep gave its job to another."""
    plain_render = engine.render_batch

    def freeze(requests):
        ledger.lose(["a"], "w1", SweepRules(stale_ms=1, max_losses=5, lease_ms=60_000, holder="s"))
        monkeypatch.setattr("workers.lease.time.monotonic", lambda: 1e9)
        return plain_render(requests)

    engine.render_batch = freeze
    report = run(runner, chunk(job("a", document(1)), job("b", document(2))))
    assert (counts(report), report.suppressed) == ((1, 0, 0, 0), 1)
    assert records.outcome("a") is None
    assert (state(ledger, "a"), state(ledger, "b")) == (State.QUEUED, State.DONE)
    assert {records.receipt(key[9:-5]).job_id for key in records.store.list("receipts")} == {"b"}


def test_a_commit_that_comes_too_late_counts_as_a_suppressed_duplicate(runner, records, ledger, monkeypatch):
    plain_finish = records.finish

    def lose_then_finish(done):
        ledger.lose(["a"], "w1", SweepRules(stale_ms=1, max_losses=5, lease_ms=60_000, holder="s"))
        return plain_finish(done)

    monkeypatch.setattr(records, "finish", lose_then_finish)
    report = run(runner, chunk(job("a", document(1))))
    assert (counts(report), report.suppressed) == ((0, 0, 0, 0), 1)
    monkeypatch.undo()
    assert counts(run(runner, chunk(job("a", document(1))))) == (0, 1, 0, 0)
    assert (state(ledger, "a"), records.outcome("a").duplicate) == (State.DONE, False)


def test_a_ledger_that_is_gone_at_the_end_leaves_the_records_to_be_found(runner, records, ledger, monkeypatch):
    def gone(done):
        raise LedgerUnavailable("gone.")

    monkeypatch.setattr(ledger, "commit", gone)
    report = run(runner, chunk(job("a", document(1))))
    assert (counts(report), report.suppressed) == ((0, 0, 0, 0), 0)
    monkeypatch.undo()
    assert state(ledger, "a") is State.CLAIMED
    ledger.lose(["a"], "w1", SweepRules(stale_ms=1, max_losses=5, lease_ms=60_000, holder="s"))
    assert counts(run(runner, chunk(job("a", document(1))))) == (0, 1, 0, 0)
    assert len(list(records.store.list("receipts"))) == 1


def test_a_job_with_the_id_of_other_work_is_refused_and_audited(runner, engine, records, ledger):
    mine = job("a", document(1))
    assert ledger.record([entry_of(mine)]) == [Recorded.NEW]
    report = run(runner, chunk(job("a", document(2))))
    assert (counts(report), report.suppressed, engine.batches) == ((0, 0, 0, 0), 1, [])
    (entry,) = records.store.list("audit/jobs")
    audited = json.loads(records.store.get(entry))
    assert (audited["event"], audited["job_id"]) == ("job.conflict", "a")
    assert audited["issued_content"] == entry_of(mine).digest != audited["refused_content"]
    assert counts(run(runner, chunk(mine))) == (1, 0, 0, 0)


def test_a_defect_names_its_kind_and_nothing_of_the_invoice(runner, records):
    run(runner, chunk(job("a", document(1, act="crash"))))
    record = records.outcome("a")
    assert isinstance(record, ErrorRecord)
    assert (record.code, record.message) == ("internal", "unexpected ZeroDivisionError.")


def test_an_engine_that_falls_over_sends_its_jobs_to_the_table(records, ledger):
    class Broken(FakeEngine):
        def render_batch(self, requests):
            raise StoreError("out of reach.")

    runner = make_runner(Broken, records, ledger)
    assert counts(run(runner, chunk(job("a", document(1)), job("b", document(2))))) == (0, 0, 0, 2)


def test_an_invoice_whose_defect_breaks_its_batch_ends_alone(records, ledger):
    class Fragile(RecordingEngine):
        def render_batch(self, requests):
            results = super().render_batch(requests)
            if any(json.loads(request.data)["text"] == "fatal" for request in requests):
                raise ZeroDivisionError("secret buyer name")
            return results

    engine = Fragile()
    runner = make_runner(lambda: engine, records, ledger)
    report = run(runner, chunk(*(job(f"j{n}", document(n, "fatal" if n == 1 else "")) for n in range(3))))
    assert counts(report) == (2, 0, 1, 0)
    assert [len(batch) for batch in engine.batches] == [3, 1, 1, 1]
    assert records.outcome("j1").code == "internal"


def test_a_machine_that_cannot_render_gives_its_jobs_to_others(records, ledger):
    def missing():
        raise EngineUnavailable("no fonts.") from ConfigError("no fonts.")

    runner = make_runner(missing, records, ledger)
    report = run(runner, chunk(job("a", document(1)), job("b", document(2))))
    assert counts(report) == (0, 0, 0, 2)
    assert list(records.store.list()) == []


def test_a_payload_that_is_missing_or_damaged_is_tried_again(runner, records):
    data = document(1)
    digest = f"sm3:{sm3_hex(data)}"
    by_reference = Job(job_id="a", created=NOW, signing_time=NOW, payload=PayloadRef(digest=digest, size=len(data)))
    assert counts(run(runner, chunk(by_reference))) == (0, 0, 0, 1)
    key = blob_key(digest)
    records.store.put_if_absent(key, b"x" * len(data))
    assert counts(run(runner, chunk(by_reference))) == (0, 0, 0, 1)
    assert records.store.get(key) == b"x" * len(data)


def test_a_job_whose_failure_cannot_be_written_down_is_not_let_go(runner, records, monkeypatch):
    def full(key, data):
        raise StoreError("no space.")

    monkeypatch.setattr(records.store, "put_if_absent", full)
    monkeypatch.setattr(records.store, "put_many", lambda objects: dict.fromkeys(objects, StoreError("no space.")))
    report = run(runner, chunk(job("a", document(1, act="invalid")), job("b", document(2))))
    assert counts(report) == (0, 0, 0, 2)
    assert [(delay_s, [each.job_id for each in again.jobs]) for delay_s, again in report.again] == [
        (32.0, ["a"]), (1.0, ["b"]),
    ]  # fmt: skip
    monkeypatch.undo()
    assert [counts(run(runner, again)) for _, again in report.again] == [(0, 0, 1, 0), (1, 0, 0, 0)]


def test_a_receipt_is_put_only_after_all_its_outputs(runner, records, monkeypatch):
    real_put = records.store.put_many
    calls = []

    def refuse_one_output(objects):
        calls.append({key.split("/")[0] for key in objects})
        results = real_put(objects)
        refused = min(results) if calls == [{"sm3"}] else ""
        return {key: StoreError("no space.") if key == refused else result for key, result in results.items()}

    monkeypatch.setattr(records.store, "put_many", refuse_one_output)
    report = run(runner, chunk(job("a", document(1)), job("b", document(2))))
    assert counts(report) == (1, 0, 0, 1)
    assert calls == [{"sm3"}, {"numbers"}, {"receipts"}, {"jobs"}]
    assert len(list(records.store.list("receipts"))) == 1
    ((_, again),) = report.again
    assert counts(run(runner, again)) == (1, 0, 0, 0)


def test_a_lost_device_sends_its_jobs_back_and_asks_for_the_end_of_the_process(records, ledger):
    class Broken(RecordingEngine):
        def render_batch(self, requests):
            raise DeviceLost("the context is gone.")

    runner = make_runner(Broken, records, ledger)
    assert not runner.has_lost_device
    assert counts(run(runner, chunk(job("a", document(1)), job("b", document(2))))) == (0, 0, 0, 2)
    assert runner.has_lost_device
