"""What queued bulk jobs do to the wait of single ones: queued alone, with workers of their own, with shared ones."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import redis

from bench.measurement import Row, percentile
from bench.processes import ProcessGroup
from bench.runner import require
from bench.stand_in import document
from workers.app import RENDER_JOB, create_app, queue_of
from workers.broker import EmbeddedBroker
from workers.config import WorkerSettings
from workers.ledger.protocol import OPEN
from workers.ledger.redis_ledger import RedisLedger
from workers.messages import Job, Lane
from workers.producer.form import EntryForm
from workers.producer.publishing import Desk, Producer

DEFAULT_COUNT = 20_000
NOTES = (
    "count = bulk jobs that wait in the queue; `--count 1000000` is the run that the claim is made for",
    "real broker, ledger and worker processes; the engine sleeps, 5 ms for a single job and 50 ms for a bulk job",
    "all workers together take 10 bulk jobs a second at most, and bulk workers have a lower priority to the machine",
    "quiet and loaded minutes take turns: the bulk queue is renamed away and back",
    "latency = from written down to committed, by the ledger's clock; peer = the same workers without bulk jobs",
)
ISSUE_PER_S = 12.0
ISSUE_A_PHASE = 100
ROUNDS = 8
ISSUE_MS, BULK_MS = 5.0, 50.0
BULK_PER_S = 10
SETTLE_S = 1.0
NICE = 10
_FILL = 2_000
_SEED = 20
_PATIENCE_S = 120.0
_PARKED = "bench.parked"
_WORKER = "from workers.cli import main; main()"
CREWS: dict[str, tuple[tuple[str, ...], ...]] = {
    "queued_alone": (("--lanes", "green,issue,preview"),),
    "own_workers": (("--lanes", "green,issue,preview"), ("--lanes", "bulk")),
    "shared_workers": ((), ()),
}
"""Options of each worker; the second is the nicer one. Nobody serves bulk where only its queue is measured."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """A broker, its ledger, and a producer of single jobs."""

    client: redis.Redis
    ledger: RedisLedger
    producer: Producer
    form: EntryForm
    settings: WorkerSettings
    environment: dict[str, str]
    numbers: Iterator[int]
    arrivals: random.Random


def run(count: int) -> list[Row]:
    """Measure the issue lane with and without ``count`` bulk jobs in the queue, for each crew of workers."""
    return [_measure(name, count) for name in CREWS]


def _measure(crew: str, count: int) -> Row:
    phases: dict[bool, list[list[float]]] = {False: [], True: []}
    size = min(ISSUE_A_PHASE, 5 * count)
    with _stage() as stage, _workers(stage, crew):
        _wait_done(stage, _publish(stage, 10))
        _fill(stage, count)
        before = int(stage.client.llen(_PARKED))
        # Not counted: the broker may still be writing down what was filled in.
        for is_loaded in (False, True):
            _phase(stage, size, is_loaded=is_loaded)
        for turn in range(ROUNDS):
            for is_loaded in (False, True) if turn % 2 == 0 else (True, False):
                phases[is_loaded].append(_phase(stage, size, is_loaded=is_loaded))
        left = int(stage.client.llen(_PARKED))
    is_right = before == count and (left < before) == (len(CREWS[crew]) > 1)
    require("lanes", [] if is_right else [f"{before} of {count} bulk jobs queued, {left} left"])
    quiet_ms, loaded_ms = (tuple(chain.from_iterable(phases[is_loaded])) for is_loaded in (False, True))
    quiet, loaded = percentile(quiet_ms, 0.99), percentile(loaded_ms, 0.99)
    # A stall of the machine falls into one phase; the median over phases does not see it.
    typical_quiet, typical = (
        median(percentile(phase, 0.99) for phase in phases[is_loaded]) for is_loaded in (False, True)
    )
    return Row(
        case=f"lanes.{crew}",
        backend="redis",
        samples_ms=loaded_ms,
        peer="no bulk jobs",
        peer_samples_ms=quiet_ms,
        extra={
            "p99_ms": loaded,
            "quiet_p99_ms": quiet,
            "p99_moved_percent": (loaded / quiet - 1) * 100,
            "median_phase_p99_ms": typical,
            "quiet_median_phase_p99_ms": typical_quiet,
            "median_phase_p99_moved_percent": (typical / typical_quiet - 1) * 100,
            "bulk_queued": before,
            "bulk_done": before - left,
        },
    )


@contextmanager
def _stage() -> Iterator[_Stage]:
    memory = Path("/dev/shm")  # noqa: S108 the folder made in it is private and has a random name
    # In memory where there is one, so that the disk of the machine is no part of what is measured.
    with TemporaryDirectory(prefix="kaipiao-bench-", dir=memory if memory.is_dir() else None) as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("KAIPIAO_")},
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
            "KAIPIAO_HOME": folder,
            "KAIPIAO_ENGINE": "bench.stand_in:build",
            "KAIPIAO_LANE_RATES": f"bulk={BULK_PER_S}",
        }
        settings = WorkerSettings.from_mapping(environment)
        with EmbeddedBroker(settings), redis.Redis(unix_socket_path=str(settings.socket_path)) as client:
            app, ledger = create_app(settings), RedisLedger(settings.effective_broker_url)
            desk = Desk(client, ledger, queue_of, RENDER_JOB, lambda: datetime.now(UTC), lambda: secrets.token_hex(16))
            try:
                yield _Stage(
                    client,
                    ledger,
                    Producer(app, desk),
                    EntryForm(app, RENDER_JOB, desk.new_id),
                    settings,
                    environment,
                    itertools.count(1),
                    random.Random(_SEED),
                )
            finally:
                ledger.close()
                app.close()


@contextmanager
def _workers(stage: _Stage, crew: str) -> Iterator[None]:
    """Run the two workers of a crew, the second of lower priority to the machine."""
    processes = ProcessGroup(stage.settings.home / "logs")
    try:
        for number, options in enumerate(CREWS[crew]):
            nice = ["nice", "-n", str(NICE)] if number else []
            command = [*nice, sys.executable, "-c", _WORKER, "worker", "--concurrency", "1", *options]
            processes.start(f"worker-{number}", command, stage.environment)
        yield
        require(
            "workers",
            [processes.log(f"worker-{number}") for number in range(len(CREWS[crew]))] if processes.ended() else [],
        )
    finally:
        processes.stop()


def _job(stage: _Stage, lane: Lane, takes_ms: float) -> Job:
    number, now = next(stage.numbers), datetime.now(UTC)
    return Job(
        job_id=f"{lane}-{number}",
        created=now,
        signing_time=now,
        invoice=document(number, takes_ms),
        outputs=("pdf",),
        lane=lane,
    )


def _publish(stage: _Stage, count: int) -> list[str]:
    """Publish single jobs as they come in: at random, so many a second in the mean."""
    names = []
    due = time.monotonic()
    for _ in range(count):
        due += stage.arrivals.expovariate(ISSUE_PER_S)
        time.sleep(max(0.0, due - time.monotonic()))
        job = _job(stage, "issue", ISSUE_MS)
        stage.producer.publish([job])
        names.append(job.job_id)
    return names


def _fill(stage: _Stage, count: int) -> None:
    """Push ready-made messages of bulk jobs to where no worker looks."""
    queue = queue_of("bulk")
    for start in range(0, count, _FILL):
        jobs = [_job(stage, "bulk", BULK_MS) for _ in range(min(_FILL, count - start))]
        entries = [stage.form.entry(job, message_id=job.job_id, name=job.job_id, queue=queue) for job in jobs]
        stage.client.lpush(_PARKED, *entries)


def _phase(stage: _Stage, count: int, *, is_loaded: bool) -> list[float]:
    """Return the latencies of one phase in milliseconds."""
    if is_loaded:
        _move(stage, _PARKED, queue_of("bulk"))
        # Until the bulk workers are at work.
        time.sleep(SETTLE_S)
    names = _publish(stage, count)
    latencies = _wait_done(stage, names)
    if is_loaded:
        _move(stage, queue_of("bulk"), _PARKED)
        time.sleep(SETTLE_S)
    return latencies


def _move(stage: _Stage, source: str, target: str) -> None:
    # A list that was emptied is no longer there.
    with suppress(redis.ResponseError):
        stage.client.rename(source, target)


def _wait_done(stage: _Stage, names: Sequence[str]) -> list[float]:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        records = stage.ledger.look(names)
        if all(record is not None and record.state not in OPEN for record in records):
            break
        require("lanes", ["single jobs are not done"] if time.monotonic() > deadline else [])
        time.sleep(0.2)
    failed = [record.job_id for record in records if record and record.state.value != "done"]
    require("lanes", [f"{len(failed)} single jobs failed"] if failed else [])
    return [float(record.changed_ms - record.created_ms) for record in records if record]
