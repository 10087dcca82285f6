"""The producer: asks whether there is room, writes jobs down, pushes their messages, and says what became of each.

A batch takes three exchanges with Redis however many jobs it has. Nothing that is turned away leaves a trace. Where an
answer is lost, the outcome is *unknown*, never guessed: a job that was written down will be carried out, since a
worker's sweep publishes what no message carries, and publishing it again does nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice

import redis
from celery import Celery

from render.errors import BrokerError
from workers.admission import Admission
from workers.envelope.seal import Sealer
from workers.errors import LedgerUnavailable
from workers.ledger.entries import entry_of
from workers.ledger.protocol import Ledger, Recorded
from workers.messages import Job, Lane
from workers.producer.form import EntryForm

BATCH_JOBS = 500
"""The ledger serves nobody else while it writes a batch down."""


class Outcome(StrEnum):
    """What became of a job that was handed over."""

    QUEUED = "queued"
    """Written down and pushed."""
    KNOWN = "known"
    """It was written down before and has not ended; pushed once more, which does nothing twice."""
    ENDED = "ended"
    """It was carried out before; not pushed."""
    CONFLICT = "conflict"
    """Its id stands for other work; not pushed."""
    EXPIRED = "expired"
    """Its own deadline has passed; not written down."""
    FULL = "full"
    """The queue takes no more at the moment; not written down."""
    UNKNOWN = "unknown"
    """An answer was lost. Publish it again: that does nothing twice."""
    UNSENT = "unsent"
    """Not tried, since an answer before it was lost."""


@dataclass(frozen=True, slots=True)
class Published:
    """One job's outcome; ``retry_after_s``: when to come again, where the queue is full."""

    job_id: str
    outcome: Outcome
    retry_after_s: float = 0.0


@dataclass(slots=True)
class PublishReport:
    """The outcomes of jobs, in the order in which they were handed over; ``cause``: type of the error that stopped."""

    jobs: list[Published] = field(default_factory=list)
    cause: str = ""

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """Return how many jobs came to each outcome."""
        return Counter(each.outcome for each in self.jobs)

    @property
    def retry_after_s(self) -> float:
        """Return when to come again with what was turned away; 0 = nothing was."""
        return max((each.retry_after_s for each in self.jobs), default=0.0)

    def ids(self, *outcomes: Outcome) -> list[str]:
        """Return the jobs that came to one of these outcomes."""
        return [each.job_id for each in self.jobs if each.outcome in outcomes]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a producer works with.

    Attributes:
        client: of the broker, a Redis or Valkey; not closed here.
        ledger: where jobs are written down.
        queue_of: the queue of a lane; ``task``: what carries out one job.
        admission: None = queues take everything; ``sealer``: None = messages go without envelope.
        clock: the time that deadlines are compared with; ``new_id``: names messages.
    """

    client: redis.Redis
    ledger: Ledger
    queue_of: Callable[[Lane], str]
    task: str
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    admission: Admission | None = None
    sealer: Sealer | None = None


class Producer:
    """Publishes single jobs in batches.

    Args:
        app: whose protocol messages follow.
        desk: what to work with.
        batch_jobs: most jobs in one exchange.
    """

    def __init__(self, app: Celery, desk: Desk, *, batch_jobs: int = BATCH_JOBS) -> None:
        self._form = EntryForm(app, desk.task, desk.new_id)
        self._desk = desk
        self._batch_jobs = batch_jobs

    def publish(self, jobs: Iterable[Job]) -> PublishReport:
        """Hand jobs over and return what became of each; it raises nothing that a batch before could be lost by.

        After a lost answer, the rest is left unsent: whoever lost one answer would wait long for the next.
        """
        report, rest = PublishReport(), iter(jobs)
        while batch := list(islice(rest, self._batch_jobs)):
            if report.cause:
                report.jobs += (Published(job.job_id, Outcome.UNSENT) for job in batch)
                continue
            outcomes: dict[int, Published] = {}
            try:
                self._publish_batch(batch, outcomes)
            except (BrokerError, LedgerUnavailable, redis.RedisError) as error:
                report.cause = type(error).__name__
            report.jobs += (
                outcomes.get(number, Published(job.job_id, Outcome.UNKNOWN)) for number, job in enumerate(batch)
            )
        return report

    def _publish_batch(self, batch: Sequence[Job], outcomes: dict[int, Published]) -> None:
        """Publish a batch; jobs without an outcome when this raises are in the dark."""
        now = self._desk.clock()
        live = []
        for number, job in enumerate(batch):
            if job.expires is not None and job.expires <= now:
                outcomes[number] = Published(job.job_id, Outcome.EXPIRED)
            else:
                live.append((number, job))
        live = [each for lane in _lanes(live) for each in self._admitted(lane, live, outcomes)]
        if not live:
            return
        known = self._desk.ledger.record([entry_of(job) for _, job in live])
        wanted: list[tuple[int, Job, Outcome]] = []
        for (number, job), recorded in zip(live, known, strict=True):
            outcome = _OUTCOMES[recorded]
            if outcome in (Outcome.QUEUED, Outcome.KNOWN):
                wanted.append((number, job, outcome))
            else:
                outcomes[number] = Published(job.job_id, outcome)
        self._push([job for _, job, _ in wanted])
        outcomes.update((number, Published(job.job_id, outcome)) for number, job, outcome in wanted)

    def _admitted(
        self, lane: Lane, live: Sequence[tuple[int, Job]], outcomes: dict[int, Published]
    ) -> list[tuple[int, Job]]:
        """Return the jobs of a lane if its queue has room for them."""
        own = [(number, job) for number, job in live if job.lane == lane]
        if self._desk.admission is None:
            return own
        answer = self._desk.admission.ask(self._desk.queue_of(lane), len(own))
        if answer.is_open:
            return own
        wait_s = answer.retry_after_ms / 1000
        outcomes.update((number, Published(job.job_id, Outcome.FULL, wait_s)) for number, job in own)
        return []

    def _push(self, jobs: Sequence[Job]) -> None:
        entries: dict[str, list[bytes]] = {}
        for job in jobs:
            queue = self._desk.queue_of(job.lane)
            entries.setdefault(queue, []).append(self._entry(job, queue))
        if entries:
            with self._desk.client.pipeline(transaction=False) as pipeline:
                for queue, values in entries.items():
                    pipeline.lpush(queue, *values)
                pipeline.execute()

    def _entry(self, job: Job, queue: str) -> bytes:
        desk = self._desk
        message_id = desk.new_id()
        payload = job if desk.sealer is None else desk.sealer.seal(job, task=desk.task, message_id=message_id)
        return self._form.entry(payload, message_id=message_id, name=job.job_id, queue=queue)


_OUTCOMES = {
    Recorded.NEW: Outcome.QUEUED,
    Recorded.KNOWN: Outcome.KNOWN,
    Recorded.ENDED: Outcome.ENDED,
    Recorded.CONFLICT: Outcome.CONFLICT,
}


def _lanes(live: Iterable[tuple[int, Job]]) -> Iterator[Lane]:
    """Yield the lanes that jobs are of, each once, in the order in which they first occur."""
    return iter(dict.fromkeys(job.lane for _, job in live))
