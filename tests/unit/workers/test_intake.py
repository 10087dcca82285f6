"""The main process between broker and children: what is sent, when, and what goes back."""

from types import SimpleNamespace

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from workers import intake as intake_module
from workers.gathering import GatherRules
from workers.intake import FetchStep, Intake, lane_of_queue
from workers.request import PoolRequest


class Timer:
    """Alarms that ring when the test lets time pass."""

    def __init__(self):
        self.now, self.alarms = 0.0, []

    def call_after(self, wait_s, ring):
        alarm = SimpleNamespace(at=self.now + wait_s, ring=ring)
        alarm.cancel = lambda: self.alarms.remove(alarm) if alarm in self.alarms else None
        self.alarms.append(alarm)
        return alarm

    def pass_ms(self, ms):
        self.now += ms / 1000
        for alarm in [alarm for alarm in self.alarms if alarm.at <= self.now]:
            self.alarms.remove(alarm)
            alarm.ring()


class Pool:
    """Takes work and lets the test end it."""

    def __init__(self):
        self.is_closed, self.given = False, []

    def apply_async(self, work, args, **callbacks):
        if self.is_closed:
            return None
        result = SimpleNamespace(work=work, args=args)
        self.given.append(SimpleNamespace(names=[name for name, _ in args[0]], **callbacks, result=result))
        return _Result()


class _Result:
    """Something that a weak reference can be made to."""


class Request(PoolRequest):
    """A request without a broker: it writes down what becomes of it."""

    def __init__(self, name, lane="issue"):
        self._delivery_info = {"routing_key": f"kaipiao.{lane}"}
        self._args, self._task = [{"job_id": name}], SimpleNamespace(name=name)
        self._request_dict, self.id, self.name, self.became = {}, name, name, []

    def on_accepted(self, pid, time_accepted):
        self.became.append(f"accepted by {pid}")

    def on_success(self, outcome, **_):
        self.became.append("done")

    def on_failure(self, exc_info, **_):
        self.became.append(type(exc_info.exception.exc).__name__)

    def reject(self, *, requeue):
        self.became.append("back" if requeue else "gone")


@pytest.fixture
def timer(monkeypatch):
    timer = Timer()
    monkeypatch.setattr(intake_module.time, "monotonic", lambda: timer.now)
    return timer


@pytest.fixture
def worker(timer):
    """One child, which is free."""
    alone = []
    worker = SimpleNamespace(timer=timer, pool=Pool(), semaphore=LaxBoundedSemaphore(1), alone=alone)
    worker._process_task = worker.process_task = alone.append
    return worker


@pytest.fixture
def intake(worker):
    return Intake(worker, GatherRules(4, {"green": 1, "issue": 5, "preview": 10, "bulk": 20}), lane_of_queue)


def take(intake, *requests):
    for request in requests:
        intake(request)
    return requests


def test_messages_go_together_when_the_first_has_waited_long_enough(intake, worker, timer):
    take(intake, Request("a"), Request("b"))
    assert (worker.pool.given, len(timer.alarms)) == ([], 1)
    timer.pass_ms(6)
    assert [batch.names for batch in worker.pool.given] == [["a", "b"]]
    assert timer.alarms == [], "nobody waits"


def test_a_full_batch_goes_at_once_and_a_lone_message_as_if_nobody_had_gathered(intake, worker, timer):
    take(intake, *map(Request, "abcd"))
    assert [batch.names for batch in worker.pool.given] == [["a", "b", "c", "d"]]
    worker.semaphore.release()
    (lone,) = take(intake, Request("e", "green"))
    timer.pass_ms(2)
    assert worker.alone == [lone]


def test_a_batch_grows_while_no_child_is_free_and_no_timer_runs(intake, worker, timer):
    take(intake, *map(Request, "abcd"))
    take(intake, Request("e"))
    timer.pass_ms(6)
    take(intake, Request("f"), Request("g"))
    assert (len(worker.pool.given), timer.alarms) == (1, [])
    worker.semaphore.release()
    assert worker.pool.given[-1].names == ["e", "f", "g"]


def test_each_message_is_treated_by_its_own_answer(intake, worker):
    done, back, alone, also_done = take(intake, *map(Request, "abcd"))
    batch = worker.pool.given[0]
    batch.accept_callback(77, 1.0)
    batch.callback(["done", "back", "alone", "done"])
    assert [each.became for each in (done, back, alone, also_done)] == [
        ["accepted by 77", "done"],
        ["accepted by 77", "back"],
        ["accepted by 77"],
        ["accepted by 77", "done"],
    ]
    assert worker.alone == [alone]
    assert (done.has_company, alone.has_company) == (True, False)


@pytest.mark.parametrize("error", [WorkerLostError("gone"), TimeLimitExceeded(3)])
def test_what_happens_to_the_child_happens_to_each_message_and_one_that_fails_at_it_hinders_none(
    intake, worker, error, monkeypatch
):
    requests = take(intake, *map(Request, "abcd"))
    monkeypatch.setattr(requests[1], "on_failure", lambda _: 1 / 0, raising=False)
    try:
        raise error
    except type(error):
        worker.pool.given[0].error_callback(ExceptionInfo())
    assert [each.became for each in requests] == [[type(error).__name__], [], *[[type(error).__name__]] * 2]


def test_what_is_gathered_goes_back_when_the_worker_stops(intake, worker, timer):
    requests = take(intake, Request("a"), Request("b", "bulk"))
    intake.close(is_connected=True)
    assert [each.became for each in requests] == [["back"], ["back"]]
    timer.pass_ms(30)
    assert (worker.pool.given, worker.alone) == ([], [])


def test_a_message_that_must_go_alone_goes_back_where_nothing_is_handed_out_any_more(intake, worker):
    requests = take(intake, *map(Request, "abcd"))
    intake.close(is_connected=True)
    worker.pool.given[0].callback(["alone", "done", "done", "done"])
    assert [requests[0].became, worker.alone] == [["back"], []]


def test_a_child_that_becomes_free_after_the_worker_stopped_is_left_free(intake, worker):
    take(intake, *map(Request, "abcd"))
    take(intake, *map(Request, "efgh"))
    intake.close(is_connected=True)
    worker.semaphore.release()
    assert (len(worker.pool.given), worker.semaphore.value) == (1, 1)


def test_messages_of_a_lost_connection_are_forgotten_and_new_ones_go(intake, worker, timer):
    worker.semaphore.value = 0
    old = take(intake, *map(Request, "abcd"))
    # Celery frees everything when a connection is gone, and forgets who waited.
    worker.semaphore.clear()
    intake.close(is_connected=False)
    assert [each.became for each in old] == [[]] * 4, "the broker has them already"
    intake.open()
    take(intake, *map(Request, "efgh"))
    assert [batch.names for batch in worker.pool.given] == [["e", "f", "g", "h"]]


def test_a_pool_that_closes_gives_the_messages_back(intake, worker):
    worker.pool.is_closed = True
    requests = take(intake, *map(Request, "abcd"))
    assert [each.became for each in requests] == [["back"]] * 4


def test_no_more_is_fetched_than_there_is_room_for(intake, worker):
    qos = SimpleNamespace(can_consume=lambda: True)
    controller = SimpleNamespace(intake=intake)
    consumer = SimpleNamespace(controller=controller, task_consumer=SimpleNamespace(channel=SimpleNamespace(qos=qos)))
    FetchStep(consumer).start(consumer)
    worker.semaphore.value = 0
    take(intake, *map(Request, "abc"))
    assert qos.can_consume()
    take(intake, Request("d"))
    assert not qos.can_consume()


def test_of_several_messages_none_is_blamed_for_the_time_that_all_took(monkeypatch):
    blamed = []
    chunk = SimpleNamespace(jobs=[])
    app = SimpleNamespace(
        safeguards=SimpleNamespace(let_in=lambda *_, **__: SimpleNamespace(chunk=chunk)),
        settings=SimpleNamespace(sweep_rules=None, time_limit_s=60.0),
        recovery=SimpleNamespace(take_back=lambda chunk, holder, rules, limit_s: blamed.append(limit_s)),
    )
    request = Request("a")
    request._app, request._hostname = app, "w"
    for request.has_company in (True, False):
        request._settle(is_stopping=False, is_timeout=True)
    assert blamed == [None, 60.0]
