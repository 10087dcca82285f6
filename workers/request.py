"""How the worker's main process treats a message whose child process died: records first, acknowledgement second.

Celery acknowledges such a message before it tells anybody. Were the main process to die in between, or the broker
unable to take the parted jobs, jobs would vanish without a record.
"""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import state
from celery.worker.request import Request

from workers.logging import pool_logger
from workers.tasks import abandon_message


class PoolRequest(Request):  # type: ignore[misc]  # Celery is untyped
    """A delivered message, as the main process sees it."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 Celery's signature
        """Take care of the jobs of a message that will not be tried again, then let Celery acknowledge it."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        is_timeout, is_lost = isinstance(error, TimeLimitExceeded), isinstance(error, WorkerLostError)
        if is_lost and state.should_terminate:
            # We are stopping in a hurry and ended the child ourselves: that is no attempt.
            self._give_back()
            return
        if is_timeout or (is_lost and self._context.retries >= self.task.max_retries):
            try:
                abandon_message(self.app, self.args[0] if self.args else None, timed_out=is_timeout)
            except Exception as failure:  # noqa: BLE001 the worker boundary: without a record, the message must live on
                pool_logger().error("message.kept", error_type=type(failure).__name__)
                self._give_back()
                return
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def _give_back(self) -> None:
        state.task_ready(self)
        self.reject(requeue=True)
