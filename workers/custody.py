"""Who may carry out a job, and what the ledger is told of it: claims at the begin of a chunk, its ends at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from render.errors import InputError, KaipiaoError, StoreError
from workers.errors import LedgerUnavailable
from workers.in_hand import ChunkInHand, ChunkReport, JobInHand
from workers.ledger.entries import entry_of, work_digest
from workers.ledger.protocol import Burial, Commitment, Grant, Ledger, Refusal, Retry, State
from workers.logging import Logger
from workers.messages import Chunk, Job
from workers.receipts import Receipt
from workers.records import Records
from workers.retry import MAX_DELAY_S, GiveUp, Ladder, TryAgain, action_for


@dataclass(slots=True)
class _Ends:
    """What a chunk's jobs came to, in the ledger's words."""

    done: list[tuple[Grant, str]] = field(default_factory=list)
    buried: list[Burial] = field(default_factory=list)
    retried: list[Retry] = field(default_factory=list)


class Custody:
    """Claims the jobs of chunks and settles them; each takes one exchange with the ledger, however many jobs there are.

    Args:
        ledger: knows who has which job.
        records: of jobs that failed.
        lease_ms: how long a claim lasts unless it is renewed.
        ladder: waits before the next attempts.
    """

    def __init__(self, ledger: Ledger, records: Records, log: Logger, *, lease_ms: int, ladder: Ladder) -> None:
        self._ledger = ledger
        self._records = records
        self._log = log
        self._lease_ms = lease_ms
        self._ladder = ladder

    def claim(self, chunk: Chunk, holder: str) -> list[JobInHand]:
        """Return the jobs that were granted to this delivery of the chunk.

        A job that the ledger does not know comes from a producer that only publishes, and is written down first.

        Raises:
            LedgerUnavailable: nothing was granted, as far as is known.
            StoreError: the audit entry of a conflict cannot be written.
        """
        answers = self._ask(chunk.jobs, holder)
        unknown = [job for job in chunk.jobs if answers[job.job_id] is Refusal.UNKNOWN]
        if unknown:
            self._ledger.record([entry_of(job) for job in unknown])
            answers |= self._ask(unknown, holder)
        self._audit_conflicts([job for job in chunk.jobs if answers[job.job_id] is Refusal.CONFLICT])
        granted = []
        for job in chunk.jobs:
            answer = answers[job.job_id]
            if isinstance(answer, Grant):
                granted.append(JobInHand(job, answer))
            else:
                self._log.info("job.suppressed", job_id=job.job_id, chunk_id=chunk.chunk_id, reason=answer.value)
        return granted

    def give_back(self, in_hand: ChunkInHand) -> None:
        """Leave claimed jobs to whoever claims them next: that was no attempt.

        Raises:
            LedgerUnavailable: they stay claimed until their leases end.
        """
        self._ledger.give_back([task.job.job_id for task in in_hand.tasks], in_hand.holder)

    def settle(self, jobs: Sequence[JobInHand], chunk: Chunk, report: ChunkReport) -> None:
        """Tell the ledger what became of jobs, count them, and write each one's canonical log line."""
        ends = _Ends()
        waits: dict[tuple[int, str], float] = {}
        by_id = {each.job.job_id: each for each in jobs if not each.is_taken}
        for each in by_id.values():
            if each.error is None and each.receipt is not None:
                ends.done.append((each.grant, each.receipt.key))
            else:
                self._judge(each, ends, waits)
        told, standing = self._tell(ends)
        for job_id in sorted({each.job.job_id for each in jobs} - standing) if told else ():
            report.suppressed += 1
            self._log.warning("job.suppressed", job_id=job_id, chunk_id=chunk.chunk_id, reason="fenced")
        for grant, _ in ends.done:
            if grant.job_id in standing:
                self._count_done(by_id[grant.job_id], chunk, report)
        for burial in ends.buried:
            if burial.grant.job_id in standing:
                report.failed += 1
                self._log_failed(by_id[burial.grant.job_id], chunk)
        report.again = self._together([each for each in ends.retried if each.grant.job_id in standing], by_id, chunk)

    def _ask(self, jobs: Sequence[Job], holder: str) -> dict[str, Grant | Refusal]:
        names = [job.job_id for job in jobs]
        answers = self._ledger.claim(names, holder, self._lease_ms, [work_digest(job) for job in jobs])
        return dict(zip(names, answers, strict=True))

    def _audit_conflicts(self, jobs: Sequence[Job]) -> None:
        known = self._ledger.look([job.job_id for job in jobs]) if jobs else []
        for job, record in zip(jobs, known, strict=True):
            self._records.refuse_job(job, record.digest if record else "", work_digest(job))

    def _judge(self, each: JobInHand, ends: _Ends, waits: dict[tuple[int, str], float]) -> None:
        """Decide about a job that went wrong; one that ends has its record first."""
        error = each.error or KaipiaoError("the job was not carried out.", hint="Please report this defect.")
        action = action_for(error, each.grant.failures, self._ladder)
        step = (each.grant.failures, "")
        if isinstance(action, GiveUp):
            try:
                self._records.fail(each.job.job_id, error, each.grant.attempts)
            except StoreError as unwritten:
                # A job may not end without a record, so it comes back until one can be written.
                error, action, step = unwritten, TryAgain(MAX_DELAY_S), (0, "unwritten")
        each.error = error
        if isinstance(action, GiveUp):
            ends.buried.append(Burial(each.grant, action.state, error.code, public_reason(error, action.state)))
        else:
            # Jobs that failed as often wait equally long, so that they can share a message again.
            if not action.counts:
                step = (0, error.code)
            delay_s = waits.setdefault(step, action.delay_s)
            ends.retried.append(Retry(each.grant, round(delay_s * 1000), error.code, action.counts))

    def _tell(self, ends: _Ends) -> tuple[bool, set[str]]:
        """Write ends into the ledger; return whether that worked, and the ids of those that stand."""
        standing: set[str] = set()
        try:
            if ends.done:
                committed = zip(ends.done, self._ledger.commit(ends.done), strict=True)
                standing |= {grant.job_id for (grant, _), answer in committed if answer is not Commitment.FENCED}
            if ends.buried:
                buried = zip(ends.buried, self._ledger.bury(ends.buried), strict=True)
                standing |= {burial.grant.job_id for burial, stands in buried if stands}
            if ends.retried:
                retried = zip(ends.retried, self._ledger.retry(ends.retried), strict=True)
                standing |= {retry.grant.job_id for retry, stands in retried if stands}
        except LedgerUnavailable as error:
            # The records stand in the store. When the leases end, a sweep brings the jobs back and finds them done.
            self._log.error("ledger.unwritten", code=error.code, jobs=len(ends.done) + len(ends.buried))
            return False, standing
        return True, standing

    def _together(
        self, retries: Iterable[Retry], by_id: dict[str, JobInHand], chunk: Chunk
    ) -> list[tuple[float, Chunk]]:
        """Return the chunks of jobs that travel once more: together if they wait equally long and were never lost."""
        groups: dict[tuple[int, str], list[Job]] = {}
        for retry in retries:
            job, grant = by_id[retry.grant.job_id].job, retry.grant
            groups.setdefault((retry.delay_ms, grant.job_id if grant.losses else ""), []).append(job)
            self._log.warning(
                "job.retried",
                job_id=job.job_id,
                code=retry.code,
                attempt=grant.attempts,
                delay_s=round(retry.delay_ms / 1000, 3),
            )
        return [
            (delay_ms / 1000, msgspec.structs.replace(chunk, jobs=tuple(group)))
            for (delay_ms, _), group in groups.items()
        ]

    def _count_done(self, each: JobInHand, chunk: Chunk, report: ChunkReport) -> None:
        report.done += each.is_fresh
        report.duplicates += not each.is_fresh
        if each.receipt is not None:
            self._log_done(each.receipt, each, chunk)

    def _log_failed(self, each: JobInHand, chunk: Chunk) -> None:
        error = each.error
        rules = sorted({fault.rule for fault in error.faults}) if isinstance(error, InputError) else []
        cause = type(error.__cause__).__name__ if error and error.__cause__ else ""
        self._log.error(
            "job.failed",
            job_id=each.job.job_id,
            chunk_id=chunk.chunk_id,
            lane=each.job.lane,
            code=error.code if error else "",
            rules=rules,
            error_type=cause,
            attempt=each.grant.attempts,
            losses=each.grant.losses,
        )

    def _log_done(self, receipt: Receipt, each: JobInHand, chunk: Chunk) -> None:
        self._log.info(
            "job.done",
            job_id=each.job.job_id,
            chunk_id=chunk.chunk_id,
            jobs=len(chunk.jobs),
            lane=each.job.lane,
            attempt=each.grant.attempts,
            losses=each.grant.losses,
            duplicate=not each.is_fresh,
            receipt=receipt.key,
            template=receipt.template_id,
            template_version=receipt.template_version,
            outputs=[output.kind for output in receipt.outputs],
            bytes=sum(output.size for output in receipt.outputs),
            backend=sorted({output.backend for output in receipt.outputs}),
            stage_ms=receipt.stage_ms,
        )


def public_reason(error: KaipiaoError, state: State) -> str:
    """Return what the ledger keeps of an error; why an invoice is refused may be private, so only its record says."""
    return "" if state is State.REFUSED else f"{error.message} {error.hint}".strip()
