"""The commands that look after a pool, beside a real worker."""

import json
import sys

import pytest

from tests.workers.fake_engine import document
from tests.workers.pool_processes import celery_worker, embedded_broker, make_pool
from workers.cli.commands import build

pytestmark = pytest.mark.broker


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs a command in this process: its exit status and what it printed, JSON as values."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(pool, *arguments):
        for name, value in pool.environment.items():
            if name.startswith("KAIPIAO_"):
                monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            build().main(list(arguments), prog_name="kaipiao")
        sys.stdout.flush()
        printed = capsys.readouterr()
        status = int(ended.value.code or 0)
        try:
            return status, json.loads(printed.out)
        except ValueError:
            return status, " ".join((printed.out + printed.err).split())

    return run


def test_the_dead_are_shown_replayed_and_dropped_and_every_job_is_accounted_for(tmp_path, run):
    pool = make_pool(tmp_path, retry_ladder_s="0.1")
    pool.environment |= {"KAIPIAO_SIGNING": "off"}
    with embedded_broker(pool):
        with celery_worker(pool, concurrency=1):
            documents = [document(1), document(2, act="later:2"), document(3, act="crash"), document(4, act="invalid")]
            job_ids = pool.client.submit(documents)
            pool.end_all(job_ids, 80)
            _, mended, broken, refused = job_ids

            status, listed = run(pool, "dead", "list", "--json")
            assert (status, [each["job_id"] for each in listed]) == (0, [broken, mended])
            assert {each["code"] for each in listed} == {"internal", "encoder_failed"}
            status, shown = run(pool, "dead", "show", mended, "--json", "--document")
            assert (status, shown[0]["attempts"], shown[0]["lane"]) == (0, 2, "issue")
            assert shown[0]["document"] == document(2, act="later:2").decode()

            status, replayed = run(pool, "dead", "replay", mended, refused, "--json")
            assert (status, replayed) == (1, {"replayed": [mended], "not_on_desk": [refused]})
            assert pool.end_all([mended], 60)[mended].state == "done"
            assert run(pool, "dead", "drop", "--all") == (0, "1 dropped")
            assert run(pool, "dead", "list") == (0, "The desk is empty.")
            status, text = run(pool, "dead", "show", broken)
            assert (status, "it is dropped" in text) == (2, True)
            assert run(pool, "dead", "drop")[0] == 2

            status, health = run(pool, "health", "--json")
            assert (status, health["ready"], health["jobs"]["done"]) == (0, True, 2)
        (waiting,) = pool.client.submit([document(5)])
        (tmp_path / "ids").write_text("\n".join([*job_ids, waiting, "0" * 32]))
        status, found = run(pool, "reconcile", "--issued", str(tmp_path / "ids"), "--deep", "--json")
        assert status == 1
        assert found["counts"] == {"ok": 4, "missing": 1, "extra": 0, "differs": 0, "unsigned": 0, "open": 1}
        assert {each["job_id"]: each["verdict"] for each in found["findings"]} == {"0" * 32: "missing", waiting: "open"}
        assert run(pool, "reconcile")[0] == 0
    status, health = run(pool, "health", "--json")
    assert (status, health["ready"]) == (1, False)
    assert health["reasons"][0].startswith("broker_unavailable")
