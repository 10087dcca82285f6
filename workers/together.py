"""Several messages carried out by one process as one batch: what a child of the pool does with what was gathered.

Each message keeps what it would have alone: its envelope is checked, its jobs are claimed in its own name, settled by
themselves, and it gets an answer of its own. Only the rendering in between is done for all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.app.task import Context
from celery.exceptions import Ignore, Reject, Retry

from render.errors import StoreError
from workers.errors import LedgerUnavailable
from workers.logging import pool_logger

if TYPE_CHECKING:
    from workers.in_hand import ChunkInHand
    from workers.safeguards import Delivery
    from workers.tasks import RenderChunk

Posted = tuple[str, dict[str, Any]]
"""A message on its way to a child: the name of its task, and Celery's own description of the request."""


class Answer(StrEnum):
    """What the main process does with a message."""

    DONE = "done"
    """It has done its service: acknowledge it."""
    BACK = "back"
    """Give it back to the broker."""
    ALONE = "alone"
    """Hand it out once more, without company: a job of it was in the hand of a process that died."""


class _Visit:
    """A message while it is carried out."""

    def __init__(self, task: RenderChunk, context: Context) -> None:
        self.task = task
        self.answer = Answer.DONE
        self.in_hand: ChunkInHand | None = None
        self._context = context
        self._delivery: Delivery | None = None

    def begin(self, *, has_company: bool) -> None:
        """Check the message and claim its jobs."""
        with self._boundary():
            self._delivery = self.task.let_in(self._context.args[0] if self._context.args else None)
            if self._delivery is None:
                return
            try:
                in_hand = self.task.claim(self._delivery)
            except (LedgerUnavailable, StoreError) as error:
                self.task.delay(error, self._delivery.chunk)
            if has_company and in_hand.has_suspects:
                self.answer = Answer.ALONE
                # Where that fails, the leases end by themselves, and a sweep brings the jobs back.
                with suppress(LedgerUnavailable):
                    self.task.runner.give_back(in_hand)
                return
            self.in_hand = in_hand
            self.task.spend(self._delivery)

    def put_off(self, error: LedgerUnavailable | StoreError) -> None:
        """Let the message come again later."""
        with self._boundary():
            self.task.delay(error, self.in_hand.chunk if self.in_hand else None)

    def end(self) -> None:
        """Publish again what must be tried again."""
        with self._boundary():
            if self._delivery is not None and self.in_hand is not None:
                self.task.close(self._delivery, self.in_hand.report)

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        """Let the task see this message's request, and keep whatever goes wrong with it to it."""
        self.task.request_stack.push(self._context)
        try:
            yield
        except Reject as rejected:
            self.answer = Answer.BACK if rejected.requeue else Answer.DONE
        except (Retry, Ignore):
            # A copy was published.
            self.answer = Answer.DONE
        except Exception as error:  # noqa: BLE001 a defect must not take the other messages along; a sweep finds the jobs
            pool_logger().error("message.kept", error_type=type(error).__name__)
            self.answer = Answer.DONE
        finally:
            self.task.request_stack.pop()


def carry_out_together(posted: Sequence[Posted]) -> list[str]:
    """Carry out messages as one batch, in a child of the pool, and return the answer to each, in order.

    Raises:
        SystemExit: the device is lost; every job was settled before.
    """
    tasks = current_app.tasks
    visits = [_Visit(tasks[name], Context(request, called_directly=False)) for name, request in posted]
    for visit in visits:
        visit.begin(has_company=len(visits) > 1)
    taken = [visit for visit in visits if visit.in_hand is not None]
    chunks = [visit.in_hand for visit in taken if visit.in_hand is not None]
    if chunks:
        runner = taken[0].task.runner
        try:
            runner.carry_out(chunks)
        except (LedgerUnavailable, StoreError) as error:
            for visit in taken:
                visit.put_off(error)
        else:
            for visit in taken:
                visit.end()
            pool_logger().info(
                "batch.carried_out",
                messages=len(taken),
                jobs=sum(len(in_hand.tasks) for in_hand in chunks),
                lane=chunks[0].chunk.lane,
            )
            taken[0].task.end_without_device()
    return [visit.answer.value for visit in visits]
