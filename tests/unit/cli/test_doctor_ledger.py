"""`kaipiao doctor` asks the ledger: real servers and files, right ones and wrong ones; it writes nothing."""

import sqlite3
from contextlib import closing

import pytest
import redis

from tests.workers.ledgers import postgres_server
from tests.workers.pool_processes import redis_server
from workers.cli import ledger_probes
from workers.cli.probes import PROBES, State, probe_ledger
from workers.ledger.opening import open_ledger


def finding_of(ledger, **more):
    (finding,) = probe_ledger({"KAIPIAO_LEDGER": ledger} | more)
    assert finding.name == "ledger"
    assert bool(finding.remedy) == (finding.state is State.MISSING)
    return finding


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def test_the_doctor_looks_at_the_ledger():
    assert probe_ledger in PROBES


@pytest.mark.broker
def test_a_redis_is_asked_by_the_ledgers_own_script_and_keeps_nothing_of_it(url):
    for finding in (finding_of(url), next(probe_ledger({"KAIPIAO_BROKER_URL": url}))):
        assert finding.state is State.OK
        assert finding.detail.endswith("answers its script")
    with redis.Redis.from_url(url) as client:
        assert client.dbsize() == 0


@pytest.mark.broker
def test_a_user_who_may_run_no_scripts_has_no_ledger(url):
    with redis.Redis.from_url(url) as client:
        client.acl_setuser("mute", enabled=True, passwords=["+hush"], keys=["*"], commands=["+@all", "-@scripting"])
    finding = finding_of(url.replace("redis://", "redis://mute:hush@"))
    assert finding.state is State.MISSING
    assert "hush" not in finding.detail


@pytest.mark.broker
def test_a_redis_that_is_too_old_for_the_script_is_named(url, monkeypatch):
    monkeypatch.setattr(ledger_probes, "LEAST_REDIS", (99, 0))
    finding = finding_of(url)
    assert finding.state is State.MISSING
    assert finding.remedy == "Use Redis 99.0 or later."


def test_a_redis_that_does_not_answer_is_missing_and_its_password_is_not_shown():
    finding = finding_of("redis://u:hush@127.0.0.1:1/0")
    assert finding.state is State.MISSING
    assert "hush" not in finding.detail + finding.remedy


def test_the_embedded_brokers_ledger_is_asked_and_leaves_nothing(tmp_path_factory, monkeypatch):
    # Short, since it holds a socket.
    tmp_path = tmp_path_factory.mktemp("b")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (finding,) = probe_ledger({})
    assert finding.state is State.OK
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    finding = finding_of(f"sqlite:///{tmp_path}/not/yet.db")
    assert (finding.state, list(tmp_path.iterdir())) == (State.OK, [])


def test_a_file_of_this_version_is_right_and_one_of_another_is_not(tmp_path):
    own, other, text = (tmp_path / name for name in ("own.db", "other.db", "text.db"))
    open_ledger(f"sqlite:///{own}").close()
    assert finding_of(f"sqlite:///{own}").detail.endswith("its tables are of this version")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE jobs (job_id TEXT, state TEXT)")
    strange = finding_of(f"sqlite:///{other}")
    assert strange.state is State.MISSING
    assert "has no at_ms, attempts" in strange.detail
    text.write_text("not a database, but longer than the header of one, which has a hundred bytes " * 2)
    assert finding_of(f"sqlite:///{text}").state is State.MISSING


def test_an_address_without_a_file_or_of_no_kind_is_missing():
    assert finding_of("sqlite://").state is State.MISSING
    assert finding_of("mysql://host/database").state is State.MISSING


def test_a_postgresql_is_asked_for_its_tables():
    with postgres_server() as make_database:
        url = make_database()
        assert finding_of(url).detail.endswith("made when they are first used")
        open_ledger(url).close()
        assert finding_of(url).detail.endswith("of this version")
    gone = finding_of(url)
    assert (gone.state, gone.detail) == (State.MISSING, "PostgreSQL does not answer: OperationalError")


@pytest.mark.parametrize(("text", "numbers"), [("7.0.15", (7, 0)), ("8.1-rc1", (8, 1)), ("255", (255,)), ("", ())])
def test_versions_are_read_as_numbers(text, numbers):
    assert ledger_probes._version(text) == numbers
