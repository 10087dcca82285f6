"""Carries out a chunk of jobs: claim, look for receipts, render what is left, store, commit. Knows no Celery."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import render
from render.budget import BatchFull
from render.errors import DeviceLost, KaipiaoError, StoreError
from render.model.invoice import Media
from render.store.api import blob_key
from workers.custody import Custody
from workers.engine import Engine
from workers.errors import JobExpired
from workers.idempotency import idempotency_key, number_key
from workers.in_hand import ChunkInHand, ChunkReport, JobInHand, unexpected
from workers.lease import Heart, Lease
from workers.messages import Chunk
from workers.receipts import OutputReceipt, Receipt
from workers.records import Records

if TYPE_CHECKING:
    from render.pipeline import Output


class ChunkRunner:
    """Runs chunks with one engine and one store; build it once a process.

    Attributes:
        has_lost_device: the engine's device broke; once its jobs are settled, this process must end.

    Args:
        engine: returns the process's engine; may raise where this machine cannot render.
        custody: claims jobs and settles them; ``heart``: keeps what was claimed.
        threads: how many objects are read at a time.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        records: Records,
        *,
        custody: Custody,
        heart: Heart,
        threads: int = 8,
    ) -> None:
        self._engine = engine
        self._records = records
        self._custody = custody
        self._heart = heart
        self.has_lost_device = False
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def run(self, chunk: Chunk, holder: str) -> ChunkReport:
        """Carry out every job that is there to be carried out; one job's fault never fails another.

        Args:
            chunk: the jobs.
            holder: names this delivery of the message, so that its jobs can be given back if this process dies.

        Raises:
            LedgerUnavailable, StoreError: nothing was begun.
        """
        in_hand = self.claim(chunk, holder)
        self.carry_out([in_hand])
        return in_hand.report

    def claim(self, chunk: Chunk, holder: str) -> ChunkInHand:
        """Return a chunk with its jobs that are there to be carried out; arguments as for :meth:`run`.

        Raises:
            LedgerUnavailable, StoreError: nothing was begun.
        """
        tasks = self._custody.claim(chunk, holder)
        return ChunkInHand(chunk, holder, tasks, ChunkReport(suppressed=len(chunk.jobs) - len(tasks)))

    def give_back(self, in_hand: ChunkInHand) -> None:
        """Leave claimed jobs to whoever claims them next: that was no attempt.

        Raises:
            LedgerUnavailable: they stay claimed until their leases end.
        """
        self._custody.give_back(in_hand)

    def carry_out(self, chunks: Sequence[ChunkInHand]) -> None:
        """Carry out claimed chunks together, as one batch of the engine; each is settled by itself."""
        tasks = [task for in_hand in chunks for task in in_hand.tasks]
        if not tasks:
            return
        with self._heart.holding(task.grant for task in tasks) as lease:
            self._carry_out(tasks, lease)
            self._let_go(tasks, lease)
            self._finish([task for task in tasks if not task.is_taken])
            for in_hand in chunks:
                if in_hand.tasks:
                    self._custody.settle(in_hand.tasks, in_hand.chunk, in_hand.report)

    def _carry_out(self, tasks: Sequence[JobInHand], lease: Lease) -> None:
        self._each(tasks, self._fetch)
        # In this thread alone: engines need not be safe to use from several.
        for task in tasks:
            task.attempt(self._identify)
        self._each([task for task in tasks if task.is_open], self._look_up)
        waiting = [task for task in tasks if task.is_open]
        while waiting:
            # Jobs that ask for the same work stand behind the first of them, whose receipt then answers all.
            first: dict[str, JobInHand] = {}
            for task in waiting:
                first.setdefault(task.key, task)
            put_off = self._render(list(first.values()), lease)
            waiting = [*put_off, *(task for task in waiting if first[task.key] is not task)]
            self._each(waiting, self._look_up)
            waiting = [task for task in waiting if task.is_open]

    def _each(self, tasks: Iterable[JobInHand], step: Callable[[JobInHand], None]) -> None:
        """Take a step for many jobs at a time: most of it is waiting for the store."""
        list(self._readers.map(lambda task: task.attempt(step), tasks))

    def _fetch(self, task: JobInHand) -> None:
        job = task.job
        task.data = self._records.payload(job.payload) if job.payload else (job.invoice or "").encode()

    def _identify(self, task: JobInHand) -> None:
        job = task.job
        task.identity = self._engine().identify(task.data, Media(job.media) if job.media else None)
        task.key = idempotency_key(task.identity, job.outputs, job.dpi, level=job.level, mode=job.mode)
        task.number_key = number_key(task.identity)

    def _look_up(self, task: JobInHand) -> None:
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

    def _agree(self, task: JobInHand, issued: str) -> None:
        """Refuse a job whose invoice says something else than what its number stands for."""
        identity = task.identity
        if identity is not None and identity.content != issued:
            raise self._records.refuse_conflict(identity.number, task.number_key, issued, task.job, identity.content)

    def _render(self, tasks: Sequence[JobInHand], lease: Lease) -> list[JobInHand]:
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
            self.has_lost_device = self.has_lost_device or isinstance(error, DeviceLost)
            if len(tasks) > 1 and not isinstance(error, KaipiaoError):
                # A defect: whichever invoice provokes it shall end by it alone.
                return [late for task in tasks for late in self._render([task], lease)]
            for task in tasks:
                task.error = error if isinstance(error, KaipiaoError) else unexpected(error)
            return []
        for task, result in zip(tasks, results, strict=True):
            task.result, task.error = result, result.error
        put_off = [task for task in tasks if isinstance(task.error, BatchFull)]
        self._let_go(tasks, lease)
        self._commit([task for task in tasks if task.is_open])
        for task in tasks:
            # What was made is in the store; the memory is wanted for the rest of the chunk.
            task.result = None
        if len(put_off) == len(tasks):
            return []
        for task in put_off:
            task.error = None
        return put_off

    def _let_go(self, tasks: Sequence[JobInHand], lease: Lease) -> None:
        """Leave jobs to whoever has them since: a frozen worker that wakes up late writes no records."""
        self._heart.confirm(lease)
        for task in tasks:
            task.is_taken = not lease.stands(task.job.job_id)

    def _commit(self, tasks: Sequence[JobInHand]) -> None:
        """Store what was rendered, then what the numbers say, then the receipts: each stands on what is before it."""
        start = time.perf_counter()
        stored = self._records.put_blobs(
            {output.digest: output.data for task in tasks if task.result for output in task.result.outputs}
        )
        share_ms = round((time.perf_counter() - start) * 1000 / len(tasks), 3) if tasks else 0.0
        receipts: list[tuple[JobInHand, Receipt]] = []
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

    def _claim(self, tasks: Sequence[JobInHand]) -> None:
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

    def _receipt(self, task: JobInHand, stored: Mapping[str, bool | StoreError], stored_ms: float) -> Receipt:
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

    def _finish(self, jobs: Sequence[JobInHand]) -> None:
        done = [(each.job, each.receipt) for each in jobs if each.receipt is not None]
        for each, error in zip([each for each in jobs if each.receipt], self._records.finish(done), strict=True):
            each.error = error


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
