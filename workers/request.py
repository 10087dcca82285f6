"""How the worker's main process treats a message whose child process died: ledger first, acknowledgement second.

Celery acknowledges such a message before it tells anybody, or repeats it for ever. Here the ledger counts the loss of
each of its jobs and says which of them go out again, alone; then the message has done its service.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import state
from celery.worker.request import Request

from workers.envelope.errors import EnvelopeRefused
from workers.errors import MessageInvalid
from workers.logging import pool_logger
from workers.tasks import holder_of

if TYPE_CHECKING:
    from workers.app import PoolApp


_kombu_logger = logging.getLogger("kombu")


class PoolRequest(Request):  # type: ignore[misc]  # Celery is untyped
    """A delivered message, as the main process sees it."""

    acknowledged: bool
    has_company = False
    """Its jobs are carried out together with those of other messages."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 Celery's signature
        """Take care of the jobs of a message whose process is gone, then acknowledge it."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        is_timeout, is_lost = isinstance(error, TimeLimitExceeded), isinstance(error, WorkerLostError)
        if not is_timeout and not is_lost:
            super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
            return
        state.task_ready(self)
        goes_back = is_lost and state.should_terminate
        try:
            self._settle(is_stopping=goes_back, is_timeout=is_timeout)
        except Exception as failure:  # noqa: BLE001 the worker boundary: a sweep does the same when the leases end
            pool_logger().error("message.kept", error_type=type(failure).__name__)
            goes_back = True
        if goes_back:
            self.reject(requeue=True)
        else:
            self.acknowledge()

    def acknowledge(self) -> None:
        """Acknowledge the message; if the broker is gone, connect again.

        Celery would only log the failure. The message then counts as being worked on for ever, and since a worker takes
        no more than it has hands for, it would never take another: alive to look at, and doing nothing.
        """
        if not self.acknowledged:
            self._on_ack(_kombu_logger, self._errors_to_pass_over())
            self.acknowledged = True

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 Celery's signature
        """Reject the message; if the broker is gone, connect again, as with acknowledgement."""
        if not self.acknowledged:
            self._on_reject(_kombu_logger, self._errors_to_pass_over(), requeue)
            self.acknowledged = True

    def _errors_to_pass_over(self) -> tuple[type[BaseException], ...]:
        """Return the errors that an answer to the broker may end in without the loop that reads from it noticing."""
        was_replaced = self.message.channel is None or getattr(self.message.channel, "closed", False)
        errors: tuple[type[BaseException], ...] = self._connection_errors
        return errors if was_replaced else ()

    def _settle(self, *, is_stopping: bool, is_timeout: bool) -> None:
        app: PoolApp = self.app
        message = self.args[0] if self.args else None
        try:
            chunk = app.safeguards.let_in(message, task=self.name, message_id=self.id).chunk
        except (MessageInvalid, EnvelopeRefused):
            # It will be refused by the process that reads it; one that cannot be read kills nobody.
            return
        holder = holder_of(self.hostname, self.id)
        if is_stopping:
            # We are stopping in a hurry and ended the child ourselves: that was no attempt.
            app.ledger.give_back([job.job_id for job in chunk.jobs], holder)
            return
        settings = app.settings
        # Of several messages nobody knows which one took so long; each goes out alone then, and alone it is to blame.
        limit_s = settings.time_limit_s if is_timeout and not self.has_company else None
        app.recovery.take_back(chunk, holder, settings.sweep_rules, limit_s)
