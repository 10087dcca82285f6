"""``kaipiao doctor --config``: settings that lose jobs without a word, found by asking the servers themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from render.errors import ConfigError, KaipiaoError
from workers.cli.probes import Finding, State
from workers.config import WorkerSettings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PLAIN_SCHEMES = frozenset({"redis", "amqp"})
_ANSWER_S = 3.0


@dataclass(frozen=True, slots=True)
class Server:
    """What a Redis says of itself; ``config`` is None where it keeps that to itself."""

    name: str
    info: Mapping[str, Any]
    config: Mapping[str, str] | None
    is_only_ledger: bool


def examine_config(values: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each setting on which it depends whether jobs can be lost.

    Args:
        values: the environment, with the ``KAIPIAO_*`` settings.
    """
    try:
        settings = WorkerSettings.from_mapping(values)
    except ConfigError as error:
        yield Finding("settings", State.MISSING, error.message, error.hint)
        return
    yield Finding("settings", State.OK, "every name is known, no two contradict each other")
    with ExitStack() as running:
        live = settings
        if not settings.broker_url:
            from workers.broker import EmbeddedBroker

            # One like it, since the options are ours and nothing of the real one need be touched.
            home = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="kaipiao-")))
            live = replace(settings, home=home)
            try:
                running.enter_context(EmbeddedBroker(live))
            except KaipiaoError as error:
                yield Finding("broker", State.MISSING, error.message, error.hint)
                return
        servers = list(probe_servers(live))
        yield from servers
        if not any(finding.state is State.MISSING for finding in servers):
            yield from probe_delivery(live)
    yield from probe_store(settings)
    yield from probe_envelopes(settings)


def probe_servers(settings: WorkerSettings) -> Iterator[Finding]:
    """Ask the Redis of the broker, and that of the ledger, how they keep what they are given."""
    from workers.ledger.opening import can_hold_a_ledger

    broker, ledger = settings.effective_broker_url, settings.effective_ledger
    has_sql_ledger = not can_hold_a_ledger(ledger)
    named = {broker: "broker"} if ledger == broker or has_sql_ledger else {broker: "broker", ledger: "ledger"}
    for url, name in named.items():
        yield from _probe_address(url, name)
        if not can_hold_a_ledger(url):
            yield Finding(name, State.LIMITED, "no Redis: it is not examined", "See its own documentation.")
            continue
        try:
            server = ask_server(url, name, is_only_ledger=not has_sql_ledger and url == ledger)
        except (redis.RedisError, ConfigError) as error:
            yield Finding(
                name, State.MISSING, f"does not answer: {type(error).__name__}", "Start it, or correct its URL."
            )
            continue
        yield from judge_server(server)


def ask_server(url: str, name: str, *, is_only_ledger: bool) -> Server:
    """Ask a Redis for its state and its configuration.

    Raises:
        redis.RedisError: it does not answer; ConfigError: no such address.
    """
    from workers.redis_address import connect_redis

    with connect_redis(url, _ANSWER_S) as client:
        info = client.info()
        try:
            config = client.config_get("maxmemory*", "append*", "min-replicas-to-write")
        except redis.ResponseError:
            config = None
    return Server(name, info, config, is_only_ledger)


def judge_server(server: Server) -> Iterator[Finding]:
    """Say of each setting of a Redis whether jobs can be lost by it."""
    name, info, config = server.name, server.info, server.config
    if info.get("role") != "master":
        yield Finding(f"{name} role", State.UNSAFE, "a replica: what is written here is lost", "Name the master.")
    if int(info.get("evicted_keys", 0)):
        evicted = f"{info['evicted_keys']} keys were evicted since it started"
        yield Finding(f"{name} evictions", State.UNSAFE, evicted, "Run `kaipiao reconcile`: jobs may be gone.")
    if info.get("aof_last_write_status", "ok") != "ok":
        yield Finding(
            f"{name} disk", State.UNSAFE, "its last write to the append-only file failed", "Look at its disk."
        )
    if config is None:
        remedy = "Check by hand: maxmemory-policy noeviction, appendonly yes; or permit CONFIG GET to this user."
        yield Finding(f"{name} configuration", State.LIMITED, "it does not say: CONFIG GET is refused", remedy)
        return
    policy = config.get("maxmemory-policy", "")
    if policy == "noeviction":
        yield Finding(f"{name} eviction", State.OK, "noeviction")
    else:
        remedy = "Set maxmemory-policy noeviction: others delete whole queues without a word when memory is short."
        yield Finding(f"{name} eviction", State.UNSAFE, policy, remedy)
    yield _judge_persistence(server, config)
    if int(info.get("connected_slaves", 0)) and config.get("min-replicas-to-write", "0") == "0":
        remedy = "Set min-replicas-to-write 1, min-replicas-max-lag 10: a master that is cut off then refuses writes."
        yield Finding(f"{name} replicas", State.LIMITED, "it acknowledges what no replica has", remedy)


def _judge_persistence(server: Server, config: Mapping[str, str]) -> Finding:
    name = f"{server.name} persistence"
    if config.get("appendonly") != "yes":
        if server.is_only_ledger:
            remedy = (
                "Set appendonly yes, or KAIPIAO_LEDGER=postgresql://… or sqlite:////…: a restart forgets every job."
            )
            return Finding(name, State.UNSAFE, "appendonly no, and no SQL ledger", remedy)
        detail = "appendonly no: a restart empties the queues; the SQL ledger publishes anew"
        return Finding(name, State.LIMITED, detail, "Set appendonly yes to spare the wait.")
    if config.get("appendfsync") == "no":
        return Finding(
            name, State.LIMITED, "appendfsync no: a power cut loses half a minute", "Set appendfsync everysec."
        )
    return Finding(name, State.OK, f"append-only file, fsync {config.get('appendfsync')}")


def probe_delivery(settings: WorkerSettings) -> Iterator[Finding]:
    """Compare what Celery will really do with what the pool relies on."""
    from workers.app import create_app

    app = create_app(settings)
    try:
        yield from judge_delivery(app.conf, _visibility_s(app), settings)
    finally:
        app.close()


def judge_delivery(conf: Any, visibility_s: float | None, settings: WorkerSettings) -> Iterator[Finding]:  # noqa: ANN401 Celery is untyped
    """Say whether messages outlive those who carry them out, and are not given twice meanwhile.

    Args:
        conf: of the Celery application.
        visibility_s: after how long the broker delivers again; None = it does not.
        settings: of the pool.
    """
    wrong = [name for name in ("task_acks_late", "task_reject_on_worker_lost") if not conf[name]]
    if wrong:
        yield Finding(
            "acknowledgement", State.UNSAFE, f"{', '.join(wrong)} off", "Leave them on: a killed worker's jobs."
        )
    else:
        yield Finding("acknowledgement", State.OK, "after the work, not before")
    longest_s = settings.time_limit_s + max(settings.retry_ladder_s, default=0.0)
    if visibility_s is None:
        return
    detail = f"{visibility_s:g} s; the longest batch with its longest wait takes {longest_s:g} s"
    if visibility_s <= longest_s:
        remedy = "Raise it: take visibility_timeout out of the broker's URL, or raise KAIPIAO_VISIBILITY_SLACK_S."
        yield Finding("visibility timeout", State.UNSAFE, detail, remedy)
    else:
        yield Finding("visibility timeout", State.OK, detail)


def _visibility_s(app: Any) -> float | None:  # noqa: ANN401 Celery is untyped
    """Return what the transport itself will use, whoever set it."""
    try:
        with app.connection_for_read() as connection:
            value = getattr(connection.default_channel, "visibility_timeout", None)
    except Exception:  # noqa: BLE001 each transport has errors of its own; that it does not answer was said before
        return None
    return None if value is None else float(value)


def probe_store(settings: WorkerSettings) -> Iterator[Finding]:
    """Look for a store that forgets."""
    if settings.effective_store.startswith("memory:"):
        yield Finding(
            "store", State.UNSAFE, "in memory: each process has its own", "Set KAIPIAO_STORE to a folder or URL."
        )
    else:
        yield Finding(
            "store", State.OK, settings.effective_store.partition("://")[0] if "://" in settings.store else "folder"
        )


def probe_envelopes(settings: WorkerSettings) -> Iterator[Finding]:
    """Look at the keys that seal messages."""
    from workers.envelope.keys import TEST_MARK, KeyFile

    if not settings.has_envelopes:
        if settings.broker_url:
            remedy = "Run `kaipiao envelope add NAME` and carry the file to all who publish or work."
            yield Finding("envelopes", State.LIMITED, "none: whoever writes to the broker submits jobs", remedy)
        else:
            yield Finding("envelopes", State.ABSENT, "none; the broker's socket is in a private folder")
        return
    try:
        ring = KeyFile(settings.envelope_file).ring
    except ConfigError as error:
        yield Finding("envelopes", State.MISSING, error.message, error.hint)
        return
    tests = [key.key_id for key in ring.keys if key.key_id.startswith(TEST_MARK)]
    detail = f"{len(ring.keys)} live keys of {', '.join(ring.producers)}"
    if tests:
        yield Finding("envelopes", State.LIMITED, f"{detail}; for TESTS only: {', '.join(tests)}", "Add real keys.")
    else:
        yield Finding("envelopes", State.OK, detail)


def _probe_address(url: str, name: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme in PLAIN_SCHEMES and parts.hostname not in LOOPBACK:
        remedy = "Use rediss:// with TLS; invoices travel in messages."
        yield Finding(f"{name} connection", State.LIMITED, f"{parts.scheme}://, not encrypted", remedy)
