"""What is done about jobs that were lost: published again, or buried with a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from render.errors import KaipiaoError
from workers.custody import public_reason
from workers.errors import JobTimeout, MessageInvalid, WorkerLost
from workers.ledger.entries import read_jobs
from workers.ledger.protocol import PARKED_MS, Burial, Grant, Ledger, Record, State, SweepRules, Swept
from workers.logging import Logger
from workers.messages import Chunk, Job
from workers.records import Records


class Recovery:
    """Carries out what the ledger says about lost jobs.

    Args:
        ledger: where they are.
        records: of jobs that are buried.
        log: for what was found.
        publish: hands chunks to the broker.
        chunk_jobs: most jobs in a message of those that never lost a worker.
    """

    def __init__(
        self,
        ledger: Ledger,
        records: Records,
        log: Logger,
        *,
        publish: Callable[[Iterable[Chunk]], None],
        chunk_jobs: int,
    ) -> None:
        self.ledger = ledger
        self._records = records
        self._log = log
        self._publish = publish
        self._chunk_jobs = chunk_jobs

    def settle(self, swept: Swept, timed_out: KaipiaoError | None = None) -> int:
        """Publish again or bury what a sweep found, and return how many jobs that were.

        Args:
            swept: the jobs.
            timed_out: why jobs are condemned; None = their workers died.

        Raises:
            LedgerUnavailable, StoreError, BrokerError: what was not finished comes back in a later sweep.
        """
        # A job that lost a worker travels alone, also where its message was lost afterwards.
        were_lost = [record for record in swept.together if record.losses]
        together, unreadable = read_jobs(record for record in swept.together if not record.losses)
        alone, also_unreadable = read_jobs([*swept.alone, *were_lost])
        if alone or together:
            self._publish([*one_by_one(alone), *in_chunks(together, self._chunk_jobs)])
        self._bury(swept.condemned, timed_out)
        self._bury_unreadable([*unreadable, *also_unreadable])
        sizes = {"alone": len(swept.alone), "together": len(swept.together), "condemned": len(swept.condemned)}
        if any(sizes.values()):
            self._log.warning("jobs.swept", **sizes)
        return sum(sizes.values())

    def take_back(self, chunk: Chunk, holder: str, rules: SweepRules, limit_s: float | None = None) -> None:
        """Treat the jobs of a message whose process died: what it had claimed is lost, the rest goes out again.

        Args:
            chunk: what the message said.
            holder: who had claimed its jobs.
            rules: when a job counts as lost too often.
            limit_s: the time limit if that ended the process; None = it died by itself.

        Raises:
            LedgerUnavailable, StoreError, BrokerError: what was not finished comes back in a later sweep.
        """
        names = [job.job_id for job in chunk.jobs]
        timed_out = None if limit_s is None else _time_limit_error(limit_s)
        if timed_out is not None and len(names) == 1:
            # A job that was alone when the time ran out is the one to blame.
            rules = replace(rules, max_losses=-1)
        swept = self.ledger.lose(names, holder, rules)
        self.settle(swept, timed_out)
        published = {record.job_id for record in swept.alone}
        unclaimed = [
            record
            for record in self.ledger.look(names)
            if record and record.state is State.QUEUED and record.at_ms != PARKED_MS and record.job_id not in published
        ]
        jobs, _ = read_jobs(unclaimed)
        if jobs:
            self._publish(in_chunks(jobs, self._chunk_jobs))

    def _bury(self, condemned: Sequence[tuple[Grant, Record]], timed_out: KaipiaoError | None) -> None:
        burials = []
        for grant, _ in condemned:
            error = timed_out or WorkerLost(
                f"whatever carried out this job died {grant.losses} times.",
                hint="See the system's log for lack of memory, and report this invoice.",
            )
            self._records.fail(grant.job_id, error, grant.attempts)
            burials.append(Burial(grant, State.DEAD, error.code, public_reason(error, State.DEAD)))
        for burial, stands in zip(burials, self.ledger.bury(burials) if burials else (), strict=True):
            if stands:
                grant = burial.grant
                self._log.error("job.failed", job_id=grant.job_id, code=burial.code, losses=grant.losses)

    def _bury_unreadable(self, records: Sequence[Record]) -> None:
        """End jobs that an earlier version wrote down in words that this one does not know."""
        if not records:
            return
        error = MessageInvalid("the ledger's copy of this job does not follow its schema.", hint="Submit it again.")
        answers = self.ledger.claim([record.job_id for record in records], "recovery", 60_000)
        granted = [answer for answer in answers if isinstance(answer, Grant)]
        for grant in granted:
            self._records.fail(grant.job_id, error, grant.attempts)
            self._log.error("job.failed", job_id=grant.job_id, code=error.code, losses=grant.losses)
        self.ledger.bury([Burial(grant, State.DEAD, error.code, error.message) for grant in granted])


def one_by_one(jobs: Iterable[Job]) -> Iterator[Chunk]:
    """Yield a chunk for each job."""
    return (Chunk(chunk_id=job.job_id, jobs=(job,)) for job in jobs)


def in_chunks(jobs: Iterable[Job], chunk_jobs: int) -> Iterator[Chunk]:
    """Yield chunks of jobs that share their lane, each named after its first job."""
    for _, group in groupby(sorted(jobs, key=lambda job: job.lane), key=lambda job: job.lane):
        rest = list(group)
        for start in range(0, len(rest), chunk_jobs):
            part = rest[start : start + chunk_jobs]
            yield Chunk(chunk_id=part[0].job_id, jobs=tuple(part))


def _time_limit_error(limit_s: float) -> JobTimeout:
    return JobTimeout(
        f"rendering took longer than {limit_s:g} s and was stopped.",
        hint="Raise KAIPIAO_TIME_LIMIT_S if this invoice is right.",
    )
