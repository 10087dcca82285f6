"""One verdict for every job, whatever the list, the ledger and the store say of it."""

import json
from datetime import UTC, datetime

import pytest

from render.errors import MalformedInput, StoreError
from render.sign.sm3 import sm3_hex
from render.store.api import Store, blob_key
from workers.cli.reconcile import read_ids
from workers.errors import WorkerLost
from workers.ledger.entries import entry_of
from workers.ledger.opening import open_ledger
from workers.ledger.protocol import Burial, State
from workers.messages import Job
from workers.receipts import Outcome, OutputReceipt, Receipt
from workers.reconcile import Reconciliation, Verdict
from workers.records import Records

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Places:
    """A ledger in a file and a store in a folder, and jobs at each point of their lives."""

    def __init__(self, folder):
        self.folder = folder / "store"
        self.ledger = open_ledger(f"sqlite:///{folder}/ledger.db")
        self.records = Records(Store(str(self.folder)), lambda: NOW)

    def claim(self, name):
        self.ledger.record([entry_of(Job(job_id=name, created=NOW, signing_time=NOW, invoice="{}"))])
        return self.ledger.claim([name], "w", 60_000)[0]

    def finish(self, name, *, signer="0a", in_ledger=True, receipt_in_ledger=None):
        """Let a job be done; its outputs are a PDF and a PNG."""
        outputs = []
        for kind in ("pdf", "png"):
            data = f"{kind} of {name}".encode()
            digest = f"sm3:{sm3_hex(data)}"
            self.records.put_blobs({digest: data})
            outputs.append(
                OutputReceipt(
                    name=f"{name}.{kind}", kind=kind, media_type="x/y", key=blob_key(digest), digest=digest,
                    size=len(data), backend="cpu", signer=signer if kind == "pdf" else "",
                )
            )  # fmt: skip
        receipt = Receipt(
            key=f"key-{name}", job_id=name, number="1", content="sm3:0", template_id="t", template_version="1",
            template_digest="d", engine_version="1", dpi=300, outputs=tuple(outputs), warnings=(), stage_ms={},
            created=NOW,
        )  # fmt: skip
        job = Job(job_id=name, created=NOW, signing_time=NOW, invoice="{}")
        if in_ledger:
            grant = self.claim(name)
        self.records.commit([receipt])
        self.records.finish([(job, receipt)])
        if in_ledger:
            self.ledger.commit([(grant, receipt_in_ledger or receipt.key)])
        return receipt

    def bury(self, name, state, *, with_record=True):
        grant = self.claim(name)
        if with_record:
            self.records.fail(name, WorkerLost("died."), 1)
        self.ledger.bury([Burial(grant, state, "worker_lost", "")])

    def path(self, key):
        return self.folder / key

    def verdicts(self, issued=None, *, whole_store=False, signed=True, deep=False):
        comparison = Reconciliation(self.ledger, self.records, expects_signatures=signed, reads_outputs=deep)
        found = list(comparison.findings(issued, whole_store=whole_store))
        assert len({finding.job_id for finding in found}) == len(found)
        return {finding.job_id: finding.verdict for finding in found}


@pytest.fixture
def places(tmp_path):
    places = Places(tmp_path)
    yield places
    places.ledger.close()


def test_every_id_has_one_verdict(places):
    places.finish("done")
    places.bury("refused", State.REFUSED)
    places.bury("dead", State.DEAD)
    places.bury("dropped", State.DEAD)
    places.ledger.drop(["dropped"])
    places.claim("claimed")
    places.finish("bare", signer="")
    places.bury("unwritten", State.REFUSED, with_record=False)
    places.finish("twofold", receipt_in_ledger="key-other")
    places.finish("stranger")
    listed = ["done", "refused", "dead", "dropped", "claimed", "bare", "unwritten", "twofold", "lost"]
    assert places.verdicts(listed) == {
        "done": Verdict.OK,
        "refused": Verdict.OK,
        "dropped": Verdict.OK,
        "dead": Verdict.OPEN,
        "claimed": Verdict.OPEN,
        "bare": Verdict.UNSIGNED,
        "unwritten": Verdict.MISSING,
        "lost": Verdict.MISSING,
        "twofold": Verdict.DIFFERS,
        "stranger": Verdict.EXTRA,
    }
    assert places.verdicts(signed=False)["bare"] is Verdict.OK
    assert places.verdicts()["stranger"] is Verdict.OK


@pytest.mark.parametrize("which", ["pdf", "png", "receipt", "outcome"])
def test_something_that_was_removed_from_the_store_is_missed(places, which):
    receipt = places.finish("a")
    keys = {"receipt": f"receipts/{receipt.key}.json", "outcome": "jobs/a.json"}
    keys |= {output.kind: output.key for output in receipt.outputs}
    places.path(keys[which]).unlink()
    assert places.verdicts() == {"a": Verdict.MISSING}


def test_an_output_of_another_size_differs_and_one_of_other_bytes_too_where_they_are_read(places):
    short, changed = places.finish("short"), places.finish("changed")
    places.path(short.outputs[0].key).write_bytes(b"short")
    size = changed.outputs[0].size
    places.path(changed.outputs[0].key).write_bytes(b"x" * size)
    assert places.verdicts() == {"short": Verdict.DIFFERS, "changed": Verdict.OK}
    assert places.verdicts(deep=True) == {"short": Verdict.DIFFERS, "changed": Verdict.DIFFERS}


def test_a_contradiction_between_ledger_and_store_is_told(places):
    places.bury("a", State.REFUSED, with_record=False)
    places.finish("a", in_ledger=False)
    grant = places.claim("b")
    places.records.fail("b", WorkerLost("died."), 1)
    places.ledger.commit([(grant, "key")])
    assert places.verdicts() == {"a": Verdict.DIFFERS, "b": Verdict.DIFFERS}


def test_jobs_that_the_ledger_has_forgotten_are_found_in_the_store(places):
    places.finish("a", in_ledger=False)
    receipt = places.finish("b", in_ledger=False)
    places.path(receipt.outputs[0].key).unlink()
    assert places.verdicts() == {}
    assert places.verdicts(whole_store=True) == {"a": Verdict.OK, "b": Verdict.MISSING}
    assert places.verdicts(["a"]) == {"a": Verdict.OK}


def test_a_store_that_does_not_answer_gives_no_verdicts(places, monkeypatch):
    places.finish("a")

    def gone(key):
        raise StoreError("gone.")

    monkeypatch.setattr(places.records.store, "head", gone)
    with pytest.raises(StoreError, match="gone"):
        places.verdicts()


def test_many_jobs_come_in_pages(places, monkeypatch):
    monkeypatch.setattr("workers.reconcile.PAGE", 3)
    for number in range(8):
        places.finish(f"j{number}")
    assert len(places.verdicts()) == 8


def test_a_list_of_ids_holds_ids_alone(tmp_path):
    path = tmp_path / "ids"
    path.write_text("a1\n\n b-2 \n")
    assert read_ids(path) == ["a1", "b-2"]
    for text in ("a1\n../../etc/passwd\n", "a b\n"):
        path.write_text(text)
        with pytest.raises(MalformedInput, match="no job id"):
            read_ids(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(MalformedInput, match="cannot be read"):
        read_ids(path)


def test_records_stay_readable_as_they_were_written(places):
    places.finish("a")
    assert json.loads(places.records.store.get("jobs/a.json"))["receipt"] == "key-a"
    assert places.records.outcome("a") == Outcome(job_id="a", receipt="key-a", duplicate=False)
