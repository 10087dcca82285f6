"""The worker's main process gathers messages and hands them to a child together.

A step of Celery's own worker stands between what receives messages and what hands them to the pool, so every message
passes it, whether it came now or waited for its time here. A strategy of the task would see only the first kind, and a
task that buffers for itself (as celery-batches does) acknowledges for all what happened to one. What is gathered stays
unacknowledged: should the process die, the broker has it, and should it stop, the messages go back at once.

A batch closes when it is due *and* a child is free; while all are busy it goes on growing, and no timer runs.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from celery import bootsteps
from celery.worker import state

from workers.gathering import Gathered, GatherRules, jobs_in
from workers.logging import pool_logger
from workers.messages import LANES, Lane
from workers.request import PoolRequest
from workers.together import Answer, carry_out_together

if TYPE_CHECKING:
    from workers.app import PoolApp


class Intake:
    """Takes requests, and sends them to the pool in batches.

    Args:
        worker: Celery's worker, whose ``process_task`` this replaces.
        rules: when a batch goes.
        lane_of: tells the lane of a queue.
    """

    def __init__(self, worker: Any, rules: GatherRules, lane_of: Callable[[str], Lane]) -> None:  # noqa: ANN401 Celery is untyped
        self._worker = worker
        self._pass_on: Callable[[Any], object] = worker.process_task
        self._lane_of = lane_of
        self._gathered = Gathered[PoolRequest](rules, time.monotonic)
        self._is_open = True
        self._is_waiting = False
        self._is_looking = False
        self._alarm: Any = None

    def __call__(self, request: PoolRequest) -> None:
        """Take a request that is to be carried out."""
        queue = str(request.delivery_info.get("routing_key"))
        self._gathered.add(request, self._lane_of(queue), jobs_in(request.args[0] if request.args else None))
        self._look()

    @property
    def has_room(self) -> bool:
        """Tell whether more messages should be fetched."""
        return self._gathered.has_room

    def open(self) -> None:
        """Take messages of a new connection."""
        self._is_open = True

    def close(self, *, is_connected: bool) -> None:
        """Give gathered messages back to the broker.

        Args:
            is_connected: False = it has them already, since the connection that they came by is gone.
        """
        self._is_open = self._is_waiting = False
        self._cancel_alarm()
        for request in self._gathered.clear():
            if is_connected:
                self.give_back(request)

    def give_back(self, request: PoolRequest) -> None:
        """Let another worker have a message."""
        state.task_ready(request)
        request.reject(requeue=True)

    def send_alone(self, request: PoolRequest) -> None:
        """Hand a message out without company, or give it back where nothing is handed out any more."""
        if self._is_open:
            request.has_company = False
            self._pass_on(request)
        else:
            self.give_back(request)

    def _look(self) -> None:
        """Ask for a child for each batch that is due, and wake up when the next one is."""
        if self._is_looking:
            return
        self._is_looking = True
        try:
            while self._gathered.is_due() and not self._is_waiting:
                self._is_waiting = True
                # Calls back at once where a child is free, otherwise when one is.
                self._worker.semaphore.acquire(self._granted)
        finally:
            self._is_looking = False
        self._cancel_alarm()
        wait_s = self._gathered.wait_s()
        if wait_s is not None and not self._is_waiting:
            self._alarm = self._worker.timer.call_after(wait_s, self._look)

    def _granted(self) -> None:
        """Send a batch to the child that is free."""
        self._is_waiting = False
        batch = self._gathered.take() if self._is_open else []
        if not batch:
            self._worker.semaphore.release()
        elif len(batch) == 1:
            # As if nobody had gathered anything.
            self._worker._process_task(batch[0])  # noqa: SLF001 the place that Celery itself hands messages to
        else:
            Batch(batch, self).send(self._worker.pool)
        self._look()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


class Batch:
    """Messages in the hand of one child. What happens to it happens to each of them, by the rules of each.

    Args:
        members: the messages.
        intake: where those go that cannot go together.
    """

    def __init__(self, members: Sequence[PoolRequest], intake: Intake) -> None:
        self._members = members
        self._intake = intake

    def send(self, pool: Any) -> None:  # noqa: ANN401 Celery is untyped
        """Hand the messages to the pool."""
        result = pool.apply_async(
            carry_out_together,
            args=([(member.task.name, member.request_dict) for member in self._members],),
            accept_callback=self._on_accepted,
            timeout_callback=self._on_timeout,
            callback=self._on_answers,
            error_callback=self._on_failure,
            correlation_id=self._members[0].id,
        )
        for member in self._members:
            member.has_company = True
            if result is None:
                # The pool is closing.
                self._intake.give_back(member)
            else:
                member._apply_result = weakref.ref(result)  # noqa: SLF001 by which Celery ends what it cancels

    def _on_accepted(self, pid: int, accepted_at: float) -> None:
        for member in self._members:
            member.on_accepted(pid, accepted_at)

    def _on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001 billiard's signature
        self._each(lambda member: member.on_timeout(soft, timeout))

    def _on_failure(self, exc_info: ExceptionInfo) -> None:
        self._each(lambda member: member.on_failure(exc_info))

    def _on_answers(self, answers: Sequence[str]) -> None:
        given = dict(zip((member.id for member in self._members), map(Answer, answers), strict=True))
        self._each(lambda member: self._follow(member, given[member.id]))

    def _follow(self, member: PoolRequest, answer: Answer) -> None:
        if answer is Answer.ALONE:
            self._intake.send_alone(member)
        elif answer is Answer.BACK:
            self._intake.give_back(member)
        else:
            member.on_success((False, None, 0.0))

    def _each(self, treat: Callable[[PoolRequest], object]) -> None:
        """Treat every member; one that cannot be treated keeps no other from it."""
        for member in self._members:
            try:
                treat(member)
            except Exception as error:  # noqa: BLE001 the worker boundary: unacknowledged, the message comes back
                pool_logger().error("message.kept", error_type=type(error).__name__)


class IntakeStep(bootsteps.Step):  # type: ignore[misc]  # Celery is untyped
    """Puts the intake before the pool (a step of the worker)."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, worker: Any) -> bool:  # noqa: ANN401 Celery is untyped
        """Tell whether messages are gathered: where the pool's children are handed work by an event loop."""
        return bool(worker.app.gathers and worker.use_eventloop and getattr(worker, "semaphore", None))

    def create(self, worker: Any) -> None:  # noqa: ANN401 Celery is untyped
        """Stand between what receives messages and what hands them to the pool."""
        app: PoolApp = worker.app
        rules = GatherRules(app.settings.gather_jobs, app.settings.gather_waits_ms)
        worker.process_task = worker.intake = Intake(worker, rules, lane_of_queue)


class FetchStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery is untyped
    """Fetches no more messages than are wanted, and gives back what is gathered (a step of the consumer)."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def include_if(self, consumer: Any) -> bool:  # noqa: ANN401 Celery is untyped
        """Tell whether messages are gathered."""
        return getattr(consumer.controller, "intake", None) is not None

    def start(self, consumer: Any) -> None:  # noqa: ANN401 Celery is untyped
        """Bound what a connection fetches by what there is room for."""
        intake: Intake = consumer.controller.intake
        intake.open()
        # Other brokers are bounded by the number of messages alone.
        qos: Any = getattr(consumer.task_consumer.channel, "qos", None)
        can_consume = getattr(qos, "can_consume", None)
        if can_consume is not None:
            qos.can_consume = lambda: intake.has_room and can_consume()

    def close(self, consumer: Any) -> None:  # noqa: ANN401 Celery is untyped
        """Give back what is gathered, since the worker stops."""
        consumer.controller.intake.close(is_connected=consumer.connection is not None)

    def stop(self, consumer: Any) -> None:  # noqa: ANN401 Celery is untyped
        """Let go of what came by a connection that is gone."""
        consumer.controller.intake.close(is_connected=consumer.connection is not None)

    terminate = stop


def lane_of_queue(queue: str) -> Lane:
    """Return the lane of a queue; messages of an unknown one wait like those of the lowest lane."""
    return next((lane for lane in LANES if queue.endswith(f".{lane}")), LANES[-1])
