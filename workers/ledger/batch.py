"""What becomes of jobs within one transaction, in memory: the transitions of the SQL ledger, apart from its SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from workers.ledger.protocol import Entry, Grant, Record, State


class Batch:
    """Jobs as one transaction has read them, and the changes that it will write.

    Args:
        now: milliseconds by the database's clock.
        jobs: those that were found.
    """

    def __init__(self, now: int, jobs: Iterable[Record]) -> None:
        self.now = now
        self.jobs = {job.job_id: job for job in jobs}
        self.changed: dict[str, Record] = {}

    def save(self, job: Record) -> Record:
        """Remember a change."""
        self.jobs[job.job_id] = self.changed[job.job_id] = job
        return job

    def held(self, grant: Grant) -> Record | None:
        """Return a grant's job if the grant still stands."""
        job = self.held_by(grant.job_id, grant.holder)
        return job if job is not None and job.fence == grant.fence else None

    def held_by(self, job_id: str, holder: str) -> Record | None:
        """Return a job if this holder has it."""
        job = self.jobs.get(job_id)
        return job if job is not None and job.state is State.CLAIMED and job.holder == holder else None

    def grant(self, job: Record, holder: str, lease_ms: int) -> Grant:
        """Give a job to a holder, with a fence above all before even if the clock went back."""
        fence = max(job.fence + 1, self.now)
        self.save(
            replace(
                job, state=State.CLAIMED, fence=fence, holder=holder, at_ms=self.now + lease_ms, changed_ms=self.now
            )
        )
        return Grant(job.job_id, fence, holder, job.attempts, job.losses)

    def publish(self, job: Record, delay_ms: int = 0) -> Record:
        """Queue a job whose message is about to be handed to the broker."""
        return self.save(
            replace(
                job, state=State.QUEUED, at_ms=self.now + delay_ms, published_ms=self.now, changed_ms=self.now
            )
        )  # fmt: skip

    def end(self, job: Record, state: State) -> Record:
        """End a job."""
        return self.save(replace(job, state=state, at_ms=self.now, changed_ms=self.now))

    @property
    def ended(self) -> list[str]:
        """Return the ids of jobs that end in this transaction."""
        return [job.job_id for job in self.changed.values() if job.state not in (State.QUEUED, State.CLAIMED)]


def fresh(entry: Entry, now: int) -> Record:
    """Return the record of a job that nobody knew."""
    return Record(
        job_id=entry.job_id,
        state=State.QUEUED,
        lane=entry.lane,
        digest=entry.digest,
        message=entry.message,
        at_ms=now,
        published_ms=now,
        created_ms=now,
        changed_ms=now,
    )
