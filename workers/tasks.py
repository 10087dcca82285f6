"""The two tasks, thin: decode, run, publish again what must be tried again. No message ends without a record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from celery import Task
from celery.exceptions import Reject

from render.errors import KaipiaoError, StoreError
from render.sign.sm3 import sm3_hex
from workers.errors import JobTimeout, MessageInvalid, WorkerLost
from workers.logging import pool_logger
from workers.messages import Chunk, Job, decode_chunk
from workers.retry import MAX_DELAY_S

if TYPE_CHECKING:
    from workers.app import PoolApp
    from workers.execution import ChunkRunner


class RenderChunk(Task):  # type: ignore[misc]  # Celery is untyped
    """Renders the jobs of one message."""

    name = "kaipiao.render_chunk"
    Request = "workers.request:PoolRequest"
    default_retry_delay = 1
    _runner: ChunkRunner | None = None

    @property
    def runner(self) -> ChunkRunner:
        """Return the process's runner, made at its first message: a spawned process comes without one."""
        if self._runner is None:
            from workers.execution import ChunkRunner

            app: PoolApp = self.app
            ladder_s, threads = app.settings.retry_ladder_s, app.settings.store_threads
            self._runner = ChunkRunner(app.engine, app.records, pool_logger(), ladder_s=ladder_s, threads=threads)
        return self._runner

    def run(self, message: object) -> None:
        """Carry out a message of either form."""
        app: PoolApp = self.app
        try:
            chunk = decode_chunk(message)
        except MessageInvalid as error:
            self._refuse(message, error)
            return
        if self.request.retries and len(chunk.jobs) > 1:
            # A process died with this message. One by one, the jobs show which of them is to blame.
            self._publish(split(chunk))
            return
        seen_before = bool(
            self.request.retries or chunk.attempt or (self.request.delivery_info or {}).get("redelivered")
        )
        report = self.runner.run(chunk, redelivered=seen_before)
        if report.again:
            rest = msgspec.structs.replace(chunk, jobs=tuple(report.again), attempt=chunk.attempt + 1)
            at_most = len(app.settings.retry_ladder_s)
            self._publish([msgspec.structs.replace(rest, attempt=min(rest.attempt, at_most))], report.delay_s)

    def _publish(self, chunks: Iterable[Chunk], countdown_s: float = 0.0) -> None:
        try:
            self.app.publish_chunks(chunks, countdown_s=countdown_s)
        except Exception as error:
            # Unacknowledged, this message comes back by itself once the broker does.
            raise Reject(reason=type(error).__name__, requeue=True) from error

    def _refuse(self, message: object, error: MessageInvalid) -> None:
        try:
            self.app.records.fail(message_name(message), error, 1)
        except StoreError as unwritten:
            raise self.retry(countdown=MAX_DELAY_S, max_retries=None) from unwritten
        pool_logger().error("message.refused", code=error.code, rules=[fault.rule for fault in error.faults])


class RenderJob(RenderChunk):
    """Renders one job; the same work under a name of its own, for producers that do not chunk."""

    name = "kaipiao.render_job"


def register_tasks(app: PoolApp) -> None:
    """Make the tasks known to an application."""
    for kind in (RenderChunk, RenderJob):
        # Celery writes an application's settings into the class, so each application needs classes of its own.
        own = type(kind.__name__, (kind,), {"max_retries": app.settings.lost_retries})
        app.register_task(own())


def split(chunk: Chunk) -> list[Chunk]:
    """Return a chunk for each job of a chunk."""
    return [Chunk(chunk_id=job.job_id, jobs=(job,), attempt=chunk.attempt) for job in chunk.jobs]


def message_name(message: object) -> str:
    """Return the name under which the failure of an undecodable message is filed."""
    return f"message-{sm3_hex(msgspec.json.encode(message, order='deterministic'))[:32]}"


def abandon_message(app: PoolApp, message: object, *, timed_out: bool) -> None:
    """Record the failure of a message whose process died for the last time, or part its jobs if there are several."""
    try:
        chunk = decode_chunk(message)
    except MessageInvalid:
        # It will be refused by the process that reads it; one that cannot be read kills nobody.
        return
    if len(chunk.jobs) > 1:
        app.publish_chunks(split(chunk))
        return
    for job in chunk.jobs:
        error = _abandoned(app, timed_out=timed_out)
        app.records.fail(job.job_id, error, app.settings.lost_retries + 1)
        _log_abandoned(job, chunk, error)


def _abandoned(app: PoolApp, *, timed_out: bool) -> KaipiaoError:
    if timed_out:
        limit = f"rendering took longer than {app.settings.time_limit_s:g} s and was stopped."
        return JobTimeout(limit, hint="Raise KAIPIAO_TIME_LIMIT_S if this invoice is right.")
    return WorkerLost(
        f"the process that rendered this job died {app.settings.lost_retries + 1} times.",
        hint="See the system's log for lack of memory, and report this invoice.",
    )


def _log_abandoned(job: Job, chunk: Chunk, error: KaipiaoError) -> None:
    pool_logger().error(
        "job.failed",
        job_id=job.job_id,
        chunk_id=chunk.chunk_id,
        lane=job.lane,
        code=error.code,
        attempt=chunk.attempt,
    )
