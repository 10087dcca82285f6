"""Settings of the pool: frozen, with sane defaults, read once from a mapping."""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from render.config import DEFAULT_HOME, SETTING_NAMES, home_folder
from render.errors import ConfigError
from workers.gathering import GATHER_WAITS_MS, parse_waits
from workers.lanes import parse_rates
from workers.ledger.opening import can_hold_a_ledger
from workers.ledger.protocol import SweepRules
from workers.messages import MAX_CHUNK_JOBS, MAX_INLINE_CHARS, Lane
from workers.retry import MAX_DELAY_S
from workers.shards import ShardTable

PREFIX = "KAIPIAO_"
# A socket's address has room for 107 bytes on Linux.
MAX_SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the pool needs to know; each field is read from ``KAIPIAO_`` and its name in capitals.

    Attributes:
        home: folder of state and keys; the embedded broker lives below it.
        broker_url: a broker that others run; empty = the embedded one.
        store: URL or folder of the store; empty = ``home/store``.
        ledger: URL of the ledger; empty = the broker's own Redis.
        engine: ``module:function`` that builds the engine from the ``KAIPIAO_*`` values.
        chunk_jobs: most jobs in a message; ``chunk_bytes``: most characters of inline invoices in a message.
        inline_chars: longer invoices go into the store and travel by digest.
        time_limit_s: a chunk that renders longer is stopped with its process.
        visibility_slack_s: added to the time after which an unacknowledged message is delivered again.
        restore_interval_s: how often the broker is searched for such messages.
        retry_ladder_s: waits before the 2nd, 3rd, … attempt at a job whose failure time may mend.
        retry_jitter: by which part of themselves, at most, these waits are shortened at random.
        lost_retries: how often a job is tried again after the process or machine that rendered it died.
        lease_s: a worker that is silent for so long has lost its jobs; it speaks up three times as often.
        sweep_interval_s: how often each worker looks for jobs whose worker or message was lost.
        stale_s: a job that nobody took for so long, although its queue moved on, is published again.
        ledger_keep_s: ended jobs are forgotten by the ledger after so long; their records stay in the store.
        chunks_per_child: a child is replaced after so many pieces of work; one that has a device lives on unless this
            is set, since opening a device takes long.
        gather: render messages together: ``on``, ``off``, or ``auto``: where devices render.
        gather_jobs: what is gathered is full at so many jobs; ``gather_waits_ms``: how long a lane's message waits for
            others at most, ``green=1,bulk=20``; lanes that are not named keep their default.
        soft_shutdown_s: how long running chunks may take to finish when a worker is stopped in a hurry.
        broker_timeout_s: how long a connection attempt or an answer of the broker may take.
        store_threads: how many objects a worker reads at a time.
        shards: brokers by shard, ``SH01=redis://… ZJ=redis://… *=redis://…``; ``shard``: which of them is ours.
        lane_rates: most jobs a second that all workers together take from a lane, ``bulk=200``; others are not bounded.
        queue_limit: most messages in a queue; producers are then told when to come again.
        envelope_keys: file of the keys that seal messages; empty = ``home/keys/envelope.json`` where that exists.
        producer: whose key seals what this process publishes; empty = the only one in the file.
        envelope_holds_s: how long a sealed message may wait for a worker.
        values: every ``KAIPIAO_*`` value as given, for the engine.
    """

    home: Path = field(default_factory=DEFAULT_HOME.expanduser)
    broker_url: str = field(default="", repr=False)
    store: str = field(default="", repr=False)
    ledger: str = field(default="", repr=False)
    engine: str = "workers.engine:build_engine"
    chunk_jobs: int = 64
    chunk_bytes: int = 256 * 1024
    inline_chars: int = MAX_INLINE_CHARS
    time_limit_s: float = 60.0
    visibility_slack_s: float = 40.0
    restore_interval_s: float = 5.0
    retry_ladder_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    retry_jitter: float = 0.25
    lost_retries: int = 2
    lease_s: float = 15.0
    sweep_interval_s: float = 2.0
    stale_s: float = 15.0
    ledger_keep_s: float = 7 * 86_400.0
    chunks_per_child: int = 2000
    gather: str = "auto"
    gather_jobs: int = 64
    gather_waits_ms: Mapping[Lane, float] = field(default_factory=lambda: dict(GATHER_WAITS_MS))
    soft_shutdown_s: float = 30.0
    broker_timeout_s: float = 15.0
    store_threads: int = 8
    shards: str = field(default="", repr=False)
    shard: str = ""
    lane_rates: Mapping[Lane, float] = field(default_factory=dict)
    queue_limit: int = 1_000_000
    envelope_keys: str = ""
    producer: str = ""
    envelope_holds_s: float = 86_400.0
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> WorkerSettings:
        """Read the ``KAIPIAO_*`` names of an environment; other names are not ours and are passed over.

        Raises:
            ConfigError: an unknown name (with the nearest known one), a value out of range, or an impossible pair.
        """
        own = {name: value for name, value in values.items() if name.startswith(PREFIX)}
        _refuse_unknown(own)
        given: dict[str, Any] = {
            name: _READERS[name](own[variable], variable)
            for name in _READERS
            if own.get(variable := PREFIX + name.upper())
        }
        settings = cls(**given, home=home_folder(own), values=tuple(sorted(own.items())))
        if settings.shard:
            settings = ShardTable.from_text(settings.shards).settings_of(settings, settings.shard)
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse settings that contradict each other.

        Raises:
            ConfigError: names both settings and what to do.
        """
        if self.inline_chars > self.chunk_bytes:
            raise ConfigError(
                f"KAIPIAO_INLINE_CHARS ({self.inline_chars}) exceeds KAIPIAO_CHUNK_BYTES ({self.chunk_bytes}).",
                hint="A message must have room for one invoice: raise the second or lower the first.",
            )
        if not self.ledger and self.broker_url and not can_hold_a_ledger(self.broker_url):
            raise ConfigError(
                "KAIPIAO_BROKER_URL is no Redis, so the ledger of jobs cannot live beside its queues.",
                hint="Set KAIPIAO_LEDGER to redis://…, postgresql://… or sqlite:////absolute/path.db.",
            )
        if not self.broker_url and len(bytes(self.socket_path)) > MAX_SOCKET_PATH_BYTES:
            raise ConfigError(
                f"{self.socket_path} is too long for a socket ({MAX_SOCKET_PATH_BYTES} bytes at most).",
                hint="Set KAIPIAO_HOME to a shorter path.",
            )

    @property
    def visibility_timeout_s(self) -> float:
        """Return after how long an unacknowledged message is delivered again.

        The clock starts at delivery, so it covers a wait for the ladder's longest step, a wait for the chunk that
        runs before, the chunk itself, and slack, in which a dead child is replaced. Were it shorter, chunks that are
        only slow would be delivered again and again; receipts would keep them from harm, but not from costing time.
        """
        return 2 * self.time_limit_s + max(self.retry_ladder_s, default=0.0) + self.visibility_slack_s

    @property
    def sweep_rules(self) -> SweepRules:
        """Return how a sweep of this process judges."""
        return SweepRules(
            stale_ms=round(self.stale_s * 1000),
            max_losses=self.lost_retries,
            lease_ms=round(self.lease_s * 1000),
            holder=f"sweeper/{socket.gethostname()}/{os.getpid()}",
        )

    @property
    def broker_folder(self) -> Path:
        """Return the embedded broker's private folder."""
        return self.home / "broker"

    @property
    def socket_path(self) -> Path:
        """Return the address of the embedded broker."""
        return self.broker_folder / "broker.sock"

    @property
    def effective_broker_url(self) -> str:
        """Return the URL to connect to. kombu knows the scheme ``redis+socket``, and none called ``valkey``."""
        return self.broker_url or f"redis+socket://{quote(str(self.socket_path))}"

    @property
    def envelope_file(self) -> Path:
        """Return where the keys of envelopes are."""
        return Path(self.envelope_keys).expanduser() if self.envelope_keys else self.home / "keys" / "envelope.json"

    @property
    def has_envelopes(self) -> bool:
        """Tell whether messages are sealed: where keys are named, or lie where they are looked for."""
        return bool(self.envelope_keys) or self.envelope_file.exists()

    @property
    def effective_ledger(self) -> str:
        """Return the URL of the ledger."""
        return self.ledger or self.effective_broker_url

    @property
    def effective_store(self) -> str:
        """Return the URL of the store."""
        return self.store or str(self.home / "store")


def _refuse_unknown(own: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in _READERS} | set(SETTING_NAMES)
    for name in sorted(own.keys() - known):
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)
        hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(known))}."
        raise ConfigError(f"{name} is not a setting.", hint=hint)


def _text(value: str, _: str) -> str:
    return value


def _number(kind: type[int | float], low: float, high: float) -> Callable[[str, str], float]:
    def read(value: str, variable: str) -> float:
        try:
            number = kind(value)
        except ValueError:
            number = None
        # NaN compares false with everything, and so is out of range.
        if number is None or not low <= number <= high:
            raise ConfigError(f"{variable} is {value!r}.", hint=f"Set a number from {low:g} to {high:g}.")
        return number

    return read


def _choice(*names: str) -> Callable[[str, str], str]:
    def read(value: str, variable: str) -> str:
        if value not in names:
            raise ConfigError(f"{variable} is {value!r}.", hint=f"Set it to one of {', '.join(names)}.")
        return value

    return read


def _ladder(value: str, variable: str) -> tuple[float, ...]:
    read = _number(float, 0, MAX_DELAY_S)
    return tuple(read(step.strip(), variable) for step in value.split(",") if step.strip())


def _engine(value: str, variable: str) -> str:
    module, _, function = value.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), function)):
        raise ConfigError(f"{variable} is {value!r}.", hint="Write it as package.module:function.")
    return value


_READERS: dict[str, Callable[[str, str], Any]] = {
    "broker_url": _text,
    "store": _text,
    "ledger": _text,
    "engine": _engine,
    "chunk_jobs": _number(int, 1, MAX_CHUNK_JOBS),
    "chunk_bytes": _number(int, 1024, 4 * 1024 * 1024),
    "inline_chars": _number(int, 0, MAX_INLINE_CHARS),
    "time_limit_s": _number(float, 1, 3600),
    "visibility_slack_s": _number(float, 1, 3600),
    "restore_interval_s": _number(float, 0.5, 60),
    "retry_ladder_s": _ladder,
    "retry_jitter": _number(float, 0, 0.9),
    "lost_retries": _number(int, 0, 20),
    "lease_s": _number(float, 1, 600),
    "sweep_interval_s": _number(float, 0.1, 60),
    "stale_s": _number(float, 1, 3600),
    "ledger_keep_s": _number(float, 60, 10 * 365 * 86_400),
    "chunks_per_child": _number(int, 1, 1_000_000),
    "gather": _choice("auto", "on", "off"),
    "gather_jobs": _number(int, 1, MAX_CHUNK_JOBS),
    "gather_waits_ms": parse_waits,
    "soft_shutdown_s": _number(float, 0, 600),
    "broker_timeout_s": _number(float, 2, 120),
    "store_threads": _number(int, 1, 64),
    "shards": _text,
    "shard": _text,
    "lane_rates": parse_rates,
    "queue_limit": _number(int, 1, 100_000_000),
    "envelope_keys": _text,
    "producer": _text,
    "envelope_holds_s": _number(float, 60, 31 * 86_400),
}
# A field without a reader would silently keep its default.
assert _READERS.keys() == {item.name for item in fields(WorkerSettings)} - {"home", "values"}  # noqa: S101
