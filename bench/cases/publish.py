"""Jobs a second that one process on one core hands to a broker, beside plain apply_async in the same run."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import redis

from bench.corpus import typical
from bench.measurement import Row, cpu_figures
from bench.runner import StageMs, interleave, one_core, require
from workers.admission import Admission
from workers.app import RENDER_JOB, PoolApp, create_app, queue_of
from workers.broker import EmbeddedBroker
from workers.config import WorkerSettings
from workers.envelope.keys import KeyRing, add_key
from workers.envelope.seal import Sealer
from workers.ledger.redis_ledger import RedisLedger
from workers.messages import Job, encode_message
from workers.producer.publishing import Desk, Outcome, Producer

DEFAULT_COUNT = 5000
AIM_JOBS_PER_S = 6200
NOTES = (
    "one process on one core publishes jobs with an everyday invoice each to a broker with its append-only file on",
    "ours asks for room, writes each job into the ledger, and pushes its message; apply_async only publishes",
    f"the aim is {AIM_JOBS_PER_S} jobs/s; cpu_jobs_per_s is what one core gives, waiting for the broker left out",
)
_REPEATS = 5
_LIMIT = 10_000_000
_SEED = 3


@dataclass(frozen=True, slots=True)
class _Bench:
    """A broker of the case's own, and jobs under fresh ids."""

    app: PoolApp
    client: redis.Redis
    ledger: RedisLedger
    pattern: Job
    numbers: Iterator[int]

    def jobs(self, count: int) -> list[Job]:
        """Return jobs that nobody has seen."""
        return [msgspec.structs.replace(self.pattern, job_id=f"job-{next(self.numbers)}") for _ in range(count)]

    def clear(self) -> None:
        """Forget queues and ledger, outside all timing."""
        self.client.flushall()


def run(count: int) -> list[Row]:
    """Publish ``count`` jobs a round on each side; that each arrived is checked."""
    with _bench() as bed:
        key = add_key(
            KeyRing(()), "bench", now=datetime.now(UTC), secret=secrets.token_bytes(32), is_test=True
        ).current()
        sealer = Sealer(key, lambda: datetime.now(UTC), lambda: secrets.token_hex(16), 3600.0)
        sides = {
            "apply_async": _plain(bed),
            "batch": _kombu_batch(bed),
            "ledger": _ours(bed, None),
            "ledger+envelope": _ours(bed, sealer),
        }
        with one_core():
            samples = interleave(sides, [count], repeats=_REPEATS)
    peer = samples["apply_async"]
    return [
        Row(
            case=f"publish.{name}",
            backend="redis",
            samples_ms=tuple(samples[name]["each"]),
            peer="apply_async",
            peer_samples_ms=tuple(peer["each"]),
            extra={
                "jobs_per_s": 1000 / median(samples[name]["each"]),
                "peer_jobs_per_s": 1000 / median(peer["each"]),
                "cpu_jobs_per_s": count * 1000 / median(samples[name]["cpu"]),
                "peer_cpu_jobs_per_s": count * 1000 / median(peer["cpu"]),
                **cpu_figures([ms / count for ms in samples[name]["cpu"]], [ms / count for ms in peer["cpu"]]),
            },
        )
        for name in ("batch", "ledger", "ledger+envelope")
    ]


@contextmanager
def _bench() -> Iterator[_Bench]:
    document = typical(1, _SEED)[0]
    now = datetime.now(UTC)
    pattern = Job(job_id="-", created=now, signing_time=now, invoice=document.data.decode())
    with TemporaryDirectory(prefix="kaipiao-bench-") as home:
        settings = WorkerSettings(home=Path(home))
        with EmbeddedBroker(settings), redis.Redis(unix_socket_path=str(settings.socket_path)) as client:
            app, ledger = create_app(settings), RedisLedger(settings.effective_broker_url)
            try:
                yield _Bench(app, client, ledger, pattern, itertools.count())
            finally:
                ledger.close()
                app.close()


def _timed(bed: _Bench, count: int, publish: Callable[[Sequence[Job]], None]) -> StageMs:
    bed.clear()
    jobs = bed.jobs(count)
    start = time.perf_counter()
    publish(jobs)
    elapsed_ms = (time.perf_counter() - start) * 1000
    waiting = int(bed.client.llen(queue_of("issue")))
    require("publish", [] if waiting == count else [f"{waiting} of {count} jobs arrived"])
    return {"each": elapsed_ms / count}


def _plain(bed: _Bench) -> Callable[[int], StageMs]:
    task = bed.app.tasks[RENDER_JOB]

    def publish(jobs: Sequence[Job]) -> None:
        for job in jobs:
            task.apply_async(args=(encode_message(job),), queue=queue_of("issue"), argsrepr="", kwargsrepr="")

    return lambda count: _timed(bed, count, publish)


def _kombu_batch(bed: _Bench) -> Callable[[int], StageMs]:
    task = bed.app.tasks[RENDER_JOB]
    batch = 500

    def publish(jobs: Sequence[Job]) -> None:
        with bed.app.producer_pool.acquire(block=True) as producer:
            for start in range(0, len(jobs), batch):
                with producer.batch():
                    for job in jobs[start : start + batch]:
                        task.apply_async(
                            args=(encode_message(job),),
                            queue=queue_of("issue"),
                            argsrepr="",
                            kwargsrepr="",
                            producer=producer,
                        )

    return lambda count: _timed(bed, count, publish)


def _ours(bed: _Bench, sealer: Sealer | None) -> Callable[[int], StageMs]:
    desk = Desk(
        client=bed.client,
        ledger=bed.ledger,
        queue_of=queue_of,
        task=RENDER_JOB,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: secrets.token_hex(16),
        admission=Admission(bed.client, _LIMIT),
        sealer=sealer,
    )
    producer = Producer(bed.app, desk)

    def publish(jobs: Sequence[Job]) -> None:
        counts = producer.publish(jobs).counts
        require("publish", [] if counts == {Outcome.QUEUED: len(jobs)} else [str(dict(counts))])

    return lambda count: _timed(bed, count, publish)
