"""The two tasks, thin: decode, run, publish again what must be tried again. No message ends without a record."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, NoReturn

from celery import Task
from celery.exceptions import Reject

from render.errors import BrokerError, ConfigError, KaipiaoError, StoreError
from render.sign.sm3 import sm3_hex
from workers.envelope.audit import file_refusal
from workers.envelope.errors import EnvelopeRefused
from workers.errors import LedgerUnavailable, MessageInvalid
from workers.logging import pool_logger
from workers.retry import MAX_DELAY_S, Ladder

if TYPE_CHECKING:
    from workers.app import PoolApp
    from workers.execution import ChunkRunner
    from workers.in_hand import ChunkInHand, ChunkReport
    from workers.messages import Chunk
    from workers.safeguards import Delivery

_DEVICE_LOST_STATUS = 70
"""EX_SOFTWARE of sysexits.h."""


class RenderChunk(Task):  # type: ignore[misc]  # Celery is untyped
    """Renders the jobs of one message."""

    name = "kaipiao.render_chunk"
    Request = "workers.request:PoolRequest"
    # Only what has not begun is retried by Celery, and that for as long as it takes.
    max_retries = None
    _runner: ChunkRunner | None = None

    @property
    def runner(self) -> ChunkRunner:
        """Return the process's runner, made at its first message: a spawned process comes without one.

        Raises:
            LedgerUnavailable: the ledger cannot be opened.
        """
        if self._runner is None:
            self._runner = make_runner(self.app)
        return self._runner

    def run(self, message: object) -> None:
        """Carry out a message of either form."""
        delivery = self.let_in(message)
        if delivery is None:
            return
        try:
            in_hand = self.claim(delivery)
            self.spend(delivery)
            self.runner.carry_out([in_hand])
        except (LedgerUnavailable, StoreError) as error:
            self.delay(error, delivery.chunk)
        self.close(delivery, in_hand.report)
        self.end_without_device()

    def let_in(self, message: object) -> Delivery | None:
        """Return what a message holds; None = it was refused, with a record.

        Raises:
            Retry, Reject: it comes again later.
        """
        app: PoolApp = self.app
        try:
            return app.safeguards.let_in(message, task=self.name, message_id=self.request.id)
        except (MessageInvalid, EnvelopeRefused) as error:
            self._refuse(message, error)
            return None
        except (LedgerUnavailable, ConfigError) as error:
            self.delay(error)

    def claim(self, delivery: Delivery) -> ChunkInHand:
        """Claim the jobs of a message in the name of its delivery.

        Raises:
            LedgerUnavailable, StoreError: nothing was begun.
        """
        return self.runner.claim(delivery.chunk, holder_of(self.request.hostname, self.request.id))

    def spend(self, delivery: Delivery) -> None:
        """Count the jobs of a message that is begun against the rate of its lane."""
        limits = self.app.safeguards.limits
        if limits is not None:
            limits.spend(delivery.chunk.lane, len(delivery.chunk.jobs))

    def close(self, delivery: Delivery, report: ChunkReport) -> None:
        """Publish again what must be tried again, and refuse copies of the message from now on."""
        app, chunk = self.app, delivery.chunk
        for delay_s, again in report.again:
            try:
                app.publish_chunks([again], countdown_s=delay_s)
            except (BrokerError, ConfigError) as error:
                # The ledger has them queued; a sweep publishes them when the broker is back.
                pool_logger().warning("message.unpublished", chunk_id=chunk.chunk_id, code=error.code)
        app.safeguards.carried_out(delivery)

    def end_without_device(self) -> None:
        """End the process if its device is lost: no later call survives on it, and the pool starts another process.

        Call it when every job is settled, so that a message that comes back finds nothing left to do.
        """
        if self.runner.has_lost_device or self.app.safeguards.has_lost_device:
            pool_logger().error("device.lost", breaker=self.app.safeguards.device)
            raise SystemExit(_DEVICE_LOST_STATUS)

    def delay(self, error: KaipiaoError, chunk: Chunk | None = None) -> NoReturn:
        """Let this message come again later, the later the oftener it came.

        Raises:
            Retry, Reject: always.
        """
        pool_logger().warning("message.delayed", chunk_id=chunk.chunk_id if chunk else "", code=error.code)
        self._come_back(min(2.0**self.request.retries, MAX_DELAY_S))

    def _come_back(self, delay_s: float) -> NoReturn:
        """Let this message come again later."""
        try:
            again = self.retry(countdown=delay_s, throw=False)
        except Exception as error:
            # Celery would drop a message whose copy it could not publish; unacknowledged, it comes back by itself.
            raise Reject(reason=type(error).__name__, requeue=True) from error
        raise again

    def _refuse(self, message: object, error: MessageInvalid | EnvelopeRefused) -> None:
        app: PoolApp = self.app
        redelivered = bool((self.request.delivery_info or {}).get("redelivered"))
        try:
            if isinstance(error, EnvelopeRefused):
                file_refusal(app.records.store, message, error, redelivered=redelivered, now=app.records.clock())
                pool_logger().error("envelope.refused", code=error.code)
                return
            app.records.fail(message_name(message), error, 1)
        except StoreError:
            self._come_back(MAX_DELAY_S)
        pool_logger().error("message.refused", code=error.code, rules=[fault.rule for fault in error.faults])


class RenderJob(RenderChunk):
    """Renders one job; the same work under a name of its own, for producers that do not chunk."""

    name = "kaipiao.render_job"


def register_tasks(app: PoolApp) -> None:
    """Make the tasks known to an application."""
    for kind in (RenderChunk, RenderJob):
        # Celery writes an application's settings into the class, so each application needs classes of its own.
        own = type(kind.__name__, (kind,), {})
        app.register_task(own())


def make_runner(app: PoolApp) -> ChunkRunner:
    """Return what carries out chunks in this process.

    Raises:
        LedgerUnavailable: the ledger cannot be opened.
    """
    from workers.custody import Custody
    from workers.execution import ChunkRunner
    from workers.lease import Heart

    settings, log = app.settings, pool_logger()
    ladder = Ladder(settings.retry_ladder_s, settings.retry_jitter, random.random)
    # Beyond the time limit somebody has ended the process, unless whoever should have done so is dead as well.
    heart = Heart(app.ledger, log, lease_s=settings.lease_s, limit_s=settings.time_limit_s + settings.lease_s)
    custody = Custody(app.ledger, app.records, log, lease_ms=heart.lease_ms, ladder=ladder)
    return ChunkRunner(app.engine, app.records, custody=custody, heart=heart, threads=settings.store_threads)


def holder_of(hostname: str, message_id: str) -> str:
    """Return the name under which a worker claims the jobs of a message; its main process knows it as well."""
    return f"{hostname}/{message_id}"


def message_name(message: object) -> str:
    """Return the name under which the failure of an undecodable message is filed."""
    # All as ASCII: half of a surrogate pair, which JSON permits, cannot be written as UTF-8.
    return f"message-{sm3_hex(json.dumps(message, sort_keys=True).encode('ascii'))[:32]}"
