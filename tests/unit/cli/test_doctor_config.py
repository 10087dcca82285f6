"""`kaipiao doctor --config` refuses what loses jobs silently; the servers are real and really so configured."""

import json
from dataclasses import replace

import pytest
import redis

from tests.workers.pool_processes import redis_server
from workers.app import create_app
from workers.cli import broker_probes
from workers.cli.broker_probes import ask_server, examine_config, judge_delivery, judge_server
from workers.cli.probes import State
from workers.config import WorkerSettings

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def server(url):
    """A Redis with safe settings, for the test to spoil."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
        client.config_resetstat()
        client.config_set("maxmemory", "0")
        client.config_set("appendonly", "yes")
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("appendfsync", "everysec")
        yield client


def found(url, **settings):
    values = {"KAIPIAO_BROKER_URL": url} | {f"KAIPIAO_{name.upper()}": value for name, value in settings.items()}
    return {finding.name: finding for finding in examine_config(values)}


def unsafe(findings):
    return {name for name, finding in findings.items() if finding.state in (State.UNSAFE, State.MISSING)}


def test_safe_settings_are_found_safe(server, url):
    findings = found(url)
    assert unsafe(findings) == set()
    assert findings["broker persistence"].detail == "append-only file, fsync everysec"
    assert findings["visibility timeout"].state is State.OK
    assert findings["envelopes"].state is State.LIMITED


def test_an_embedded_broker_is_safe_and_leaves_nothing(tmp_path_factory, monkeypatch):
    # Short, since it holds a socket.
    tmp_path = tmp_path_factory.mktemp("b")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    findings = {finding.name: finding for finding in examine_config({"KAIPIAO_HOME": str(tmp_path / "home")})}
    assert unsafe(findings) == set()
    assert findings["broker eviction"].state is State.OK
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_an_eviction_policy_is_refused(server, url, policy):
    server.config_set("maxmemory-policy", policy)
    finding = found(url)["broker eviction"]
    assert (finding.state, finding.detail) == (State.UNSAFE, policy)
    assert "noeviction" in finding.remedy


def test_keys_that_were_evicted_are_told(server, url):
    server.config_set("maxmemory-policy", "allkeys-lru")
    used = server.info("memory")["used_memory"]
    # Room enough for keys to be evicted, rather than a write refused for want of them.
    server.config_set("maxmemory", used + 8_000_000)
    for number in range(1500):
        server.set(f"k{number}", "x" * 10_000)
    server.config_set("maxmemory", "0")
    server.config_set("maxmemory-policy", "noeviction")
    assert unsafe(found(url)) == {"broker evictions"}


def test_without_append_only_file_a_ledger_in_redis_is_refused_and_one_in_sql_is_not(server, url, tmp_path):
    server.config_set("appendonly", "no")
    assert unsafe(found(url)) == {"broker persistence"}
    assert unsafe(found(url, ledger=f"sqlite:///{tmp_path}/ledger.db")) == set()
    assert found(url, ledger=f"sqlite:///{tmp_path}/ledger.db")["broker persistence"].state is State.LIMITED


def test_a_ledger_of_its_own_is_examined_as_well(server, url, tmp_path):
    with redis_server(tmp_path) as other:
        findings = found(url, ledger=other)
    assert unsafe(findings) == {"ledger persistence"}
    assert findings["broker persistence"].state is State.OK


def test_a_broker_without_the_ledger_may_forget(server, url, tmp_path):
    with redis_server(tmp_path) as forgetful:
        findings = found(forgetful, ledger=url)
    assert unsafe(findings) == set()
    assert findings["broker persistence"].state is State.LIMITED


def test_a_visibility_timeout_below_the_longest_batch_is_refused(server, url):
    settings = WorkerSettings(broker_url=url)
    app = create_app(settings)
    try:
        app.conf.broker_transport_options = app.conf.broker_transport_options | {"visibility_timeout": 30}
        visibility_s = broker_probes._visibility_s(app)
        assert visibility_s == 30
        findings = {finding.name: finding for finding in judge_delivery(app.conf, visibility_s, settings)}
        assert unsafe(findings) == {"visibility timeout"}
        assert "30 s; the longest batch with its longest wait takes 92 s" in findings["visibility timeout"].detail
        app.conf.task_acks_late = False
        assert "acknowledgement" in unsafe({each.name: each for each in judge_delivery(app.conf, 999.0, settings)})
    finally:
        app.close()


def test_a_user_who_may_not_ask_is_told_what_to_look_at(server, url):
    server.acl_setuser("shy", enabled=True, passwords=["+hush"], keys=["*"], commands=["+@all", "-config"])
    findings = found(url.replace("redis://", "redis://shy:hush@"))
    assert findings["broker configuration"].state is State.LIMITED
    assert "noeviction" in findings["broker configuration"].remedy
    assert unsafe(findings) == set()


def test_a_replica_is_refused(server, url, tmp_path):
    with redis_server(tmp_path) as other, redis.Redis.from_url(other) as replica:
        replica.replicaof("127.0.0.1", url.rpartition(":")[2].partition("/")[0])
        answer = ask_server(other, "broker", is_only_ledger=True)
        assert "broker role" in {each.name for each in judge_server(answer) if each.state is State.UNSAFE}


def test_what_only_a_failing_disk_shows_is_judged(server, url):
    answer = ask_server(url, "broker", is_only_ledger=True)
    broken = replace(answer, info=dict(answer.info) | {"aof_last_write_status": "err"})
    assert {each.name for each in judge_server(broken) if each.state is State.UNSAFE} == {"broker disk"}


def test_a_store_in_memory_and_keys_that_others_can_read_are_refused(server, url, tmp_path):
    keys = tmp_path / "envelope.json"
    keys.write_text("{}")
    keys.chmod(0o644)
    assert unsafe(found(url, store="memory://", envelope_keys=str(keys))) == {"store", "envelopes"}


def test_a_server_that_does_not_answer_is_missing_and_its_password_is_not_shown():
    findings = found("redis://u:hush@127.0.0.1:1/0")
    assert findings["broker"].state is State.MISSING
    assert "hush" not in str(findings)


def test_the_command_ends_with_1_where_jobs_can_be_lost(server, url, kaipiao, monkeypatch):
    monkeypatch.setenv("KAIPIAO_BROKER_URL", url)
    assert kaipiao("doctor", "--config").code == 0
    server.config_set("maxmemory-policy", "allkeys-lru")
    ended = kaipiao("doctor", "--config")
    assert ended.code == 1
    assert "Unsafe: broker eviction" in ended.words
    states = {each["name"]: each["state"] for each in json.loads(kaipiao("doctor", "--config", "--json").out)}
    assert states["broker eviction"] == "unsafe"
