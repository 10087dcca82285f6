"""Carries out a chunk of jobs: look for receipts, render what is left, store, commit, write down. Knows no Celery."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import render
from render.budget import BatchFull
from render.errors import InputError, KaipiaoError, StoreError
from render.model.invoice import Media
from render.store.api import blob_key
from workers.engine import Engine
from workers.errors import JobExpired
from workers.idempotency import Identity, idempotency_key, number_key
from workers.logging import Logger
from workers.messages import Chunk, Job
from workers.receipts import OutputReceipt, Receipt
from workers.records import Records
from workers.retry import MAX_DELAY_S, GiveUp, TryAgain, action_for

if TYPE_CHECKING:
    from render.pipeline import Output, RenderResult


@dataclass(slots=True)
class ChunkReport:
    """What became of a chunk's jobs.

    Attributes:
        done: rendered now; ``duplicates``: found done; ``failed``: for good.
        again: to be published once more after ``delay_s`` seconds.
    """

    done: int = 0
    duplicates: int = 0
    failed: int = 0
    again: list[Job] = field(default_factory=list)
    delay_s: float = 0.0


@dataclass(slots=True)
class _Task:
    """A job on its way through the stages: as soon as it has an error or a receipt, it is settled."""

    job: Job
    data: bytes = b""
    identity: Identity | None = None
    key: str = ""
    number_key: str = ""
    result: RenderResult | None = None
    receipt: Receipt | None = None
    is_fresh: bool = False
    has_ended: bool = False
    error: KaipiaoError | None = None

    @property
    def is_open(self) -> bool:
        return self.receipt is None and self.error is None

    def attempt(self, step: Callable[[_Task], None]) -> None:
        """Take one step, unless one went wrong before, and keep whatever goes wrong to this job."""
        if self.error is not None:
            return
        try:
            step(self)
        except KaipiaoError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 the per-job boundary: a defect must not take the chunk along
            self.error = _unexpected(error)


class ChunkRunner:
    """Runs chunks with one engine and one store; build it once a process.

    Args:
        engine: returns the process's engine; may raise where this machine cannot render.
        ladder_s: waits before the next attempts, see :mod:`workers.retry`.
        threads: how many objects are read at a time.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        records: Records,
        log: Logger,
        *,
        ladder_s: Sequence[float],
        threads: int = 8,
    ) -> None:
        self._engine = engine
        self._records = records
        self._log = log
        self._ladder_s = tuple(ladder_s)
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def run(self, chunk: Chunk, *, redelivered: bool = False) -> ChunkReport:
        """Carry out every job that was not carried out before; one job's fault never fails another.

        Args:
            chunk: the jobs.
            redelivered: the message may have been here before, so that some of its jobs may have ended already.
        """
        tasks = [_Task(job) for job in chunk.jobs]
        if redelivered:
            self._each(tasks, self._recall)
            tasks = [task for task in tasks if not task.has_ended]
        self._each(tasks, self._fetch)
        # In this thread alone: engines need not be safe to use from several.
        for task in tasks:
            task.attempt(self._identify)
        self._each([task for task in tasks if task.is_open], self._look_up)
        waiting = [task for task in tasks if task.is_open]
        while waiting:
            # Jobs that ask for the same work stand behind the first of them, whose receipt then answers all.
            first: dict[str, _Task] = {}
            for task in waiting:
                first.setdefault(task.key, task)
            put_off = self._render(list(first.values()))
            waiting = [*put_off, *(task for task in waiting if first[task.key] is not task)]
            self._each(waiting, self._look_up)
            waiting = [task for task in waiting if task.is_open]
        self._finish(tasks)
        report = ChunkReport()
        for task in tasks:
            self._settle(task, chunk, report)
        return report

    def _each(self, tasks: Iterable[_Task], step: Callable[[_Task], None]) -> None:
        """Take a step for many jobs at a time: most of it is waiting for the store."""
        list(self._readers.map(lambda task: task.attempt(step), tasks))

    def _recall(self, task: _Task) -> None:
        task.has_ended = self._records.outcome(task.job.job_id) is not None

    def _fetch(self, task: _Task) -> None:
        job = task.job
        task.data = self._records.payload(job.payload) if job.payload else (job.invoice or "").encode()

    def _identify(self, task: _Task) -> None:
        job = task.job
        task.identity = self._engine().identify(task.data, Media(job.media) if job.media else None)
        task.key = idempotency_key(task.identity, job.outputs, job.dpi, level=job.level, mode=job.mode)
        task.number_key = number_key(task.identity)

    def _look_up(self, task: _Task) -> None:
        """Settle a job that was carried out before, that contradicts one, or that is too late to begin."""
        issued = self._records.content_of_number(task.number_key)
        if issued is not None:
            self._agree(task, issued)
        standing = self._records.receipt(task.key)
        expires = task.job.expires
        if standing is not None:
            task.receipt = standing
        elif expires is not None and expires <= self._records.clock():
            raise JobExpired(f"the job expired at {expires.isoformat()}.", hint="Submit it again if still needed.")

    def _agree(self, task: _Task, issued: str) -> None:
        """Refuse a job whose invoice says something else than what its number stands for."""
        identity = task.identity
        if identity is not None and identity.content != issued:
            raise self._records.refuse_conflict(identity.number, task.number_key, issued, task.job, identity.content)

    def _render(self, tasks: Sequence[_Task]) -> list[_Task]:
        """Render tasks together; return those that found no room in the batch, to be rendered without the others."""
        from render.pipeline import RenderRequest

        requests = [
            RenderRequest(
                data=task.data,
                signing_time=task.job.signing_time,
                media=Media(task.job.media) if task.job.media else None,
                outputs=task.job.outputs,
                dpi=task.job.dpi,
                level=task.job.level,
                mode=task.job.mode,
                job_id=task.job.job_id,
            )
            for task in tasks
        ]
        try:
            results = self._engine().render_batch(requests)
        except Exception as error:  # noqa: BLE001 the boundary of the engine: the jobs go to the retry table, not lost
            for task in tasks:
                task.error = error if isinstance(error, KaipiaoError) else _unexpected(error)
            return []
        for task, result in zip(tasks, results, strict=True):
            task.result, task.error = result, result.error
        put_off = [task for task in tasks if isinstance(task.error, BatchFull)]
        self._commit([task for task in tasks if task.error is None])
        for task in tasks:
            # What was made is in the store; the memory is wanted for the rest of the chunk.
            task.result = None
        if len(put_off) == len(tasks):
            return []
        for task in put_off:
            task.error = None
        return put_off

    def _commit(self, tasks: Sequence[_Task]) -> None:
        """Store what was rendered, then what the numbers say, then the receipts: each stands on what is before it."""
        start = time.perf_counter()
        stored = self._records.put_blobs(
            {output.digest: output.data for task in tasks if task.result for output in task.result.outputs}
        )
        share_ms = round((time.perf_counter() - start) * 1000 / len(tasks), 3) if tasks else 0.0
        receipts: list[tuple[_Task, Receipt]] = []
        for task in tasks:
            task.attempt(lambda task: receipts.append((task, self._receipt(task, stored, share_ms))))
        self._claim([task for task, _ in receipts])
        receipts = [(task, receipt) for task, receipt in receipts if task.error is None]
        standing = self._records.commit([receipt for _, receipt in receipts])
        for (task, receipt), stands in zip(receipts, standing, strict=True):
            if isinstance(stands, Receipt):
                task.receipt, task.is_fresh = stands, stands is receipt
            else:
                task.error = stands

    def _claim(self, tasks: Sequence[_Task]) -> None:
        contents: dict[str, str] = {}
        for task in tasks:
            if task.identity is not None:
                contents.setdefault(task.number_key, task.identity.content)
        issued = self._records.claim_numbers(contents)
        for task in tasks:
            stands = issued[task.number_key]
            if isinstance(stands, StoreError):
                task.error = stands
            else:
                task.attempt(partial(self._agree, issued=stands))

    def _receipt(self, task: _Task, stored: Mapping[str, bool | StoreError], stored_ms: float) -> Receipt:
        result, identity = task.result, task.identity
        if result is None or identity is None:
            raise KaipiaoError("a job reached the store without a result.", hint="Please report this defect.")
        for output in result.outputs:
            outcome = stored[output.digest]
            if isinstance(outcome, StoreError):
                raise outcome
        return Receipt(
            key=task.key,
            job_id=task.job.job_id,
            number=identity.number,
            content=identity.content,
            template_id=result.template_id,
            template_version=result.template_version,
            template_digest=result.template_digest,
            engine_version=render.__version__,
            dpi=task.job.dpi,
            level=task.job.level,
            mode=task.job.mode,
            outputs=tuple(_output_receipt(output) for output in result.outputs),
            warnings=tuple(fault.rule for fault in result.warnings),
            stage_ms={**result.stage_ms, "store": stored_ms},
            created=self._records.clock(),
        )

    def _finish(self, tasks: Sequence[_Task]) -> None:
        done = [(task.job, task.receipt) for task in tasks if task.receipt is not None]
        for task, error in zip([task for task in tasks if task.receipt], self._records.finish(done), strict=True):
            task.error = error

    def _settle(self, task: _Task, chunk: Chunk, report: ChunkReport) -> None:
        """Count a job, write its canonical log line, and decide about another attempt."""
        job, error = task.job, task.error
        if error is None and task.receipt is not None:
            report.done += task.is_fresh
            report.duplicates += not task.is_fresh
            self._log_done(task.receipt, job, chunk, duplicate=not task.is_fresh)
            return
        error = error or KaipiaoError("the job was not carried out.", hint="Please report this defect.")
        action = action_for(error, chunk.attempt, self._ladder_s)
        if isinstance(action, GiveUp):
            try:
                self._records.fail(job.job_id, error, chunk.attempt + 1)
            except StoreError as unwritten:
                # A job may not end without a record, so it stays with the broker until one can be written.
                error, action = unwritten, TryAgain(MAX_DELAY_S)
        if isinstance(action, TryAgain):
            report.again.append(job)
            report.delay_s = max(report.delay_s, action.delay_s)
            self._log.warning(
                "job.retried", job_id=job.job_id, code=error.code, attempt=chunk.attempt, delay_s=action.delay_s
            )
            return
        report.failed += 1
        self._log_failed(error, job, chunk)

    def _log_failed(self, error: KaipiaoError, job: Job, chunk: Chunk) -> None:
        rules = sorted({fault.rule for fault in error.faults}) if isinstance(error, InputError) else []
        cause = type(error.__cause__).__name__ if error.__cause__ else ""
        self._log.error(
            "job.failed",
            job_id=job.job_id,
            chunk_id=chunk.chunk_id,
            lane=job.lane,
            code=error.code,
            rules=rules,
            error_type=cause,
            attempt=chunk.attempt,
        )

    def _log_done(self, receipt: Receipt, job: Job, chunk: Chunk, *, duplicate: bool) -> None:
        self._log.info(
            "job.done",
            job_id=job.job_id,
            chunk_id=chunk.chunk_id,
            jobs=len(chunk.jobs),
            lane=job.lane,
            attempt=chunk.attempt,
            duplicate=duplicate,
            receipt=receipt.key,
            template=receipt.template_id,
            template_version=receipt.template_version,
            outputs=[output.kind for output in receipt.outputs],
            bytes=sum(output.size for output in receipt.outputs),
            backend=sorted({output.backend for output in receipt.outputs}),
            stage_ms=receipt.stage_ms,
        )


def _output_receipt(output: Output) -> OutputReceipt:
    return OutputReceipt(
        name=output.name,
        kind=output.kind,
        media_type=output.media_type,
        key=blob_key(output.digest),
        digest=output.digest,
        size=len(output.data),
        backend=output.backend,
        signer=output.signer,
    )


def _unexpected(error: Exception) -> KaipiaoError:
    failure = KaipiaoError(f"unexpected {type(error).__name__}.", hint="Please report this defect.")
    failure.__cause__ = error
    return failure
