"""Breakers: one body of tests for the shared and the local one, then what only sharing can show."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from render.errors import BackendUnavailable, InvoiceInvalid, KeyUnavailable, SignatureTooLarge, StoreError
from render.pipeline import Output, RenderRequest, RenderResult
from render.store.api import ObjectMissing
from tests.workers.pool_processes import redis_server
from workers.breaker.device import DeviceGate
from workers.breaker.errors import BreakerUnavailable, StoreResting, WaitingForKey
from workers.breaker.gate import Call, Gate
from workers.breaker.local import LocalBreaker
from workers.breaker.protocol import BreakerRules, BreakerState, Change, Permit
from workers.breaker.shared import SharedBreaker
from workers.breaker.signing import SigningGate
from workers.breaker.storing import StoreGate

RULES = BreakerRules(minimum=10, window_ms=1000, slots=10, open_ms=500, longest_open_ms=1500, probes=2, probe_ms=300)
PART = "signer"
ROOT = Path(__file__).parents[3]


class Clock:
    """Milliseconds that a test moves."""

    def __init__(self):
        self.now = 1_700_000_000_000

    def __call__(self):
        return self.now

    def move(self, ms):
        self.now += ms


class Events:
    """A log that keeps what it is told."""

    def __init__(self):
        self.told = []

    def _tell(self, event, **fields):
        self.told.append((event, fields))

    info = warning = error = _tell

    @property
    def names(self):
        return [event for event, _ in self.told]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["local", pytest.param("shared", marks=pytest.mark.broker)])
def bed(request):
    """A breaker and its clock."""
    clock = Clock()
    if request.param == "local":
        yield SimpleNamespace(breaker=LocalBreaker(RULES, clock), clock=clock)
        return
    with redis.Redis.from_url(request.getfixturevalue("server")) as client:
        client.flushall()
        yield SimpleNamespace(breaker=SharedBreaker(client, RULES, clock=clock), clock=clock)


def opened(bed):
    """Open the breaker and return it."""
    assert bed.breaker.report(PART, good=0, bad=10) == Change(BreakerState.OPEN, 0, 10, 500)
    return bed.breaker


def test_it_opens_at_the_ratio_and_not_below(bed):
    assert bed.breaker.report(PART, good=72, bad=28) is None
    assert bed.breaker.report(PART, good=0, bad=2) is None
    assert bed.breaker.report(PART, good=0, bad=1) == Change(BreakerState.OPEN, 72, 31, 500)
    assert bed.breaker.state(PART) is BreakerState.OPEN


def test_few_calls_open_nothing_however_bad(bed):
    assert bed.breaker.report(PART, good=0, bad=9) is None
    assert bed.breaker.admit(PART) == Permit(passes=True)


def test_good_calls_alone_open_nothing(bed):
    assert bed.breaker.report(PART, good=1000, bad=0) is None


def test_what_lies_before_the_window_is_forgotten(bed):
    bed.breaker.report(PART, good=0, bad=9)
    bed.clock.move(1100)
    assert bed.breaker.report(PART, good=0, bad=9) is None
    bed.clock.move(500)
    assert bed.breaker.report(PART, good=0, bad=1) == Change(BreakerState.OPEN, 0, 10, 500)


def test_parts_do_not_share_their_fate(bed):
    opened(bed)
    assert bed.breaker.admit("store").passes
    assert not bed.breaker.admit(PART).passes


def test_an_open_breaker_says_when_to_ask_again_and_counts_no_latecomers(bed):
    breaker = opened(bed)
    bed.clock.move(200)
    assert breaker.admit(PART) == Permit(passes=False, retry_after_ms=300)
    assert breaker.report(PART, good=100, bad=100) is None
    assert breaker.state(PART) is BreakerState.OPEN


def test_half_open_lets_so_many_probes_through_and_closes_when_they_went_well(bed):
    breaker = opened(bed)
    bed.clock.move(500)
    first, second, third = (breaker.admit(PART) for _ in range(3))
    assert (first.entered, second.entered) == (BreakerState.HALF_OPEN, None)
    assert (first.passes, second.passes, third.passes) == (True, True, False)
    assert first.probe != second.probe
    assert third.retry_after_ms > 0
    assert breaker.report(PART, good=5, bad=0, probe=first.probe) is None
    assert breaker.report(PART, good=1, bad=0, probe=second.probe) == Change(BreakerState.CLOSED, 1, 0)
    assert breaker.admit(PART) == Permit(passes=True)
    assert breaker.report(PART, good=0, bad=9) is None, "calls of before it opened must not count"


def test_a_probe_that_goes_wrong_opens_for_twice_as_long_up_to_the_longest(bed):
    breaker = opened(bed)
    for open_ms, shut_ms in [(1000, 500), (1500, 1000), (1500, 1500)]:
        bed.clock.move(shut_ms)
        permit = breaker.admit(PART)
        assert breaker.report(PART, good=3, bad=1, probe=permit.probe) == Change(BreakerState.OPEN, 3, 1, open_ms)
    bed.clock.move(1499)
    assert not breaker.admit(PART).passes


def test_after_it_closed_the_next_opening_is_short_again(bed):
    breaker = opened(bed)
    bed.clock.move(500)
    breaker.report(PART, good=0, bad=1, probe=breaker.admit(PART).probe)
    bed.clock.move(1000)
    for permit in [breaker.admit(PART), breaker.admit(PART)]:
        breaker.report(PART, good=1, bad=0, probe=permit.probe)
    assert breaker.state(PART) is BreakerState.CLOSED
    opened(bed)


def test_a_probe_that_is_never_heard_of_makes_room_for_another(bed):
    breaker = opened(bed)
    bed.clock.move(500)
    lost, other = breaker.admit(PART), breaker.admit(PART)
    bed.clock.move(300)
    assert breaker.admit(PART).probe not in {lost.probe, other.probe, ""}
    assert breaker.report(PART, good=0, bad=5, probe=lost.probe) is None
    assert breaker.state(PART) is BreakerState.HALF_OPEN


def test_a_probe_that_says_nothing_decides_nothing_and_makes_room(bed):
    breaker = opened(bed)
    bed.clock.move(500)
    for _ in range(5):
        permit = breaker.admit(PART)
        assert permit.passes
        assert breaker.report(PART, good=0, bad=0, probe=permit.probe) is None


@pytest.mark.broker
def test_many_who_report_at_once_are_told_of_one_change(server):
    def report(_):
        with redis.Redis.from_url(server) as client:
            return SharedBreaker(client, RULES, prefix="{many}").report(PART, good=0, bad=1)

    with ThreadPoolExecutor(16) as pool:
        changes = [change for change in pool.map(report, range(200)) if change]
    assert [change.entered for change in changes] == [BreakerState.OPEN]


ASK_FOR_PROBES = """
import sys
import redis
from workers.breaker.protocol import BreakerRules
from workers.breaker.shared import SharedBreaker
breaker = SharedBreaker(redis.Redis.from_url(sys.argv[1]), BreakerRules(minimum=1, open_ms=1, probes=3))
print("ready", flush=True)
sys.stdin.readline()
print(*(breaker.admit("signer").probe for _ in range(20)))
"""


@pytest.mark.broker
def test_processes_share_the_probes_of_a_half_open_breaker(server):
    with redis.Redis.from_url(server) as client:
        client.flushall()
        assert SharedBreaker(client, BreakerRules(minimum=1, open_ms=1)).report(PART, good=0, bad=1)
    command = [sys.executable, "-c", ASK_FOR_PROBES, server]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    probes = [probe for process in processes for probe in process.communicate(timeout=60)[0].split()]
    assert len(probes) == len(set(probes)) == 3


@pytest.mark.broker
def test_a_shared_breaker_takes_the_time_of_the_server(server):
    with redis.Redis.from_url(server) as client:
        SharedBreaker(client, RULES, prefix="{time}").report(PART, good=0, bad=10)
        seconds, _ = client.time()
        assert 0 < int(client.hget("{time}:signer", "until")) - seconds * 1000 <= 500 + 1000
        assert client.pttl("{time}:signer") > 0


def gate_before(breaker, log, part=PART):
    seconds = iter(range(10**6))
    return Gate(breaker, part, log, lambda: float(next(seconds)))


def test_a_gate_tells_of_each_change():
    clock, log = Clock(), Events()
    gate = gate_before(LocalBreaker(RULES, clock), log)
    gate.enter().ended(bad=10)
    assert isinstance(gate.enter(), Permit)
    clock.move(500)
    calls = [gate.enter(), gate.enter()]
    for call in calls:
        call.ended(good=1)
    assert log.names == ["breaker.opened", "breaker.probing", "breaker.closed"]
    assert log.told[0][1] == {"breaker": PART, "good": 0, "bad": 10, "delay_s": 0.5}


def test_a_gate_asks_once_and_reports_good_calls_together_while_all_is_well():
    class Counting(LocalBreaker):
        asked = reports = 0

        def admit(self, part):
            self.asked += 1
            return super().admit(part)

        def report(self, part, *, good, bad, probe=""):
            self.reports += 1
            return super().report(part, good=good, bad=bad, probe=probe)

    breaker = Counting(RULES, Clock())
    gate = Gate(breaker, PART, Events(), lambda: 7.0)
    for _ in range(100):
        gate.enter().ended(good=1)
    assert (breaker.asked, breaker.reports) == (1, 1)
    gate.enter().ended(bad=1)
    assert breaker.reports == 2
    assert breaker.report(PART, good=0, bad=41) is None, "99 good calls were reported with the bad one"


def test_where_the_breaker_cannot_be_asked_work_passes_and_that_is_said_once():
    class Gone(LocalBreaker):
        def admit(self, part):
            raise BreakerUnavailable("ConnectionError")

        def report(self, part, *, good, bad, probe=""):
            raise BreakerUnavailable("ConnectionError")

    log = Events()
    gate = gate_before(Gone(RULES, Clock()), log)
    for _ in range(3):
        call = gate.enter()
        assert isinstance(call, Call)
        call.ended(bad=1)
    assert log.names == ["breaker.unreachable"]


@pytest.mark.broker
def test_a_server_that_does_not_answer_is_no_breaker_that_refuses():
    with redis.Redis(port=1, retry=Retry(NoBackoff(), 0)) as client, pytest.raises(BreakerUnavailable):
        SharedBreaker(client, RULES).admit(PART)


def request(number):
    from datetime import UTC, datetime

    return RenderRequest(b"{}", datetime(2026, 1, 1, tzinfo=UTC), job_id=f"job-{number}")


class ScriptedEngine:
    """An engine whose results a test lays out."""

    def __init__(self, *results):
        self.results = list(results)
        self.batches = 0

    def render_batch(self, requests):
        self.batches += 1
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return [RenderResult(each.job_id, **result()) for each in requests]


def signed():
    return {"outputs": (Output("a.pdf", "pdf", "application/pdf", b"%PDF", "sm3:0", "cpu", "0a"),)}


def unsigned():
    return {"outputs": (Output("a.pdf", "pdf", "application/pdf", b"%PDF", "sm3:0", "cpu", ""),)}


def no_key():
    return {"error": KeyUnavailable("the token is gone.")}


def signing_gate(*results, clock=None, must_sign=True, rules=RULES):
    engine = ScriptedEngine(*results)
    return engine, SigningGate(
        engine, gate_before(LocalBreaker(rules, clock or Clock()), Events()), must_sign=must_sign
    )


def test_work_is_held_and_not_begun_while_the_signer_is_away_and_drains_when_it_is_back():
    clock = Clock()
    requests = [request(number) for number in range(10)]
    engine, gate = signing_gate(no_key, signed, signed, signed, clock=clock)
    failed = gate.render_batch(requests)
    assert {type(result.error) for result in failed} == {WaitingForKey}
    held = gate.render_batch(requests)
    assert engine.batches == 1
    assert [result.error.code for result in held] == ["waiting_for_key"] * 10
    assert all(0 < result.error.retry_after_ms <= 500 and result.outputs == () for result in held)
    clock.move(500)
    assert [result.error for _ in range(3) for result in gate.render_batch(requests)] == [None] * 30
    assert engine.batches == 4


def test_an_engine_that_stops_for_want_of_a_key_holds_the_whole_batch():
    _, gate = signing_gate(KeyUnavailable("gone."))
    assert [result.error.code for result in gate.render_batch([request(1), request(2)])] == ["waiting_for_key"] * 2


def test_errors_of_invoices_and_of_writers_say_nothing_about_the_signer():
    mixed = [lambda: {"error": InvoiceInvalid("no.")}, lambda: {"error": SignatureTooLarge("no.")}]
    engine, gate = signing_gate(*mixed * 3)
    for _ in range(6):
        gate.render_batch([request(number) for number in range(10)])
    assert engine.batches == 6


@pytest.mark.parametrize(("must_sign", "code"), [(True, "unsigned_output"), (False, None)])
def test_a_document_without_a_signature_is_never_final_where_signing_is_on(must_sign, code):
    _, gate = signing_gate(unsigned, must_sign=must_sign)
    (result,) = gate.render_batch([request(1)])
    assert (result.error.code if result.error else None) == code
    assert bool(result.outputs) is not must_sign


def store_gate(clock, log=None):
    return StoreGate("memory://", gate_before(LocalBreaker(RULES, clock), log or Events(), "store"))


def test_a_store_that_fails_is_left_alone_and_asked_again(monkeypatch):
    clock = Clock()
    store = store_gate(clock)
    backend = store._backend
    store.put_if_absent("kept", b"1")

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backend, "create", fails)
    results = store.put_many({f"a/{number}": b"x" for number in range(30)})
    assert {type(result) for result in results.values()} == {StoreError}
    for ask in (lambda: store.get("kept"), lambda: store.put_if_absent("b", b""), lambda: next(store.list("a"))):
        with pytest.raises(StoreResting) as caught:
            ask()
        assert caught.value.retry_after_ms > 0
    assert {type(result) for result in store.put_many({"c": b""}).values()} == {StoreResting}
    monkeypatch.undo()
    clock.move(500)
    assert store.put_if_absent("b", b"2") is True
    assert store.get("kept") == b"1"
    assert store.exists("c") is False


def test_what_is_not_there_and_what_is_taken_are_answers_and_no_faults():
    store = store_gate(Clock())
    store.put_if_absent("taken", b"1")
    for number in range(30):
        with pytest.raises(ObjectMissing):
            store.get(f"missing/{number}")
        with pytest.raises(StoreError, match="other bytes"):
            store.put_if_absent("taken", b"2")
        with pytest.raises(StoreError, match="not a key"):
            store.put_many({"../x": b""})
    assert store.get("taken") == b"1"


def test_the_processor_does_the_work_of_a_device_that_fails_and_says_so():
    clock, log = Clock(), Events()
    gate = DeviceGate(gate_before(LocalBreaker(RULES, clock), log, "device:0"), log)
    tried = []

    def on_device():
        tried.append(1)
        raise BackendUnavailable("an illegal address was accessed.")

    assert [gate.run(on_device, lambda: "bytes") for _ in range(30)] == ["bytes"] * 30
    assert len(tried) == RULES.minimum
    assert log.names.count("backend.fallback") == 30
    assert log.names.count("breaker.opened") == 1
    clock.move(500)
    assert [gate.run(lambda: "bytes of the device", lambda: "bytes") for _ in range(3)] == ["bytes of the device"] * 3


def test_a_defect_on_the_device_is_not_hidden():
    gate = DeviceGate(gate_before(LocalBreaker(RULES, Clock()), Events(), "device:0"), Events())

    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gate.run(broken, lambda: "bytes")


def test_a_local_breaker_is_shared_by_threads():
    breaker = LocalBreaker(BreakerRules(minimum=400, ratio=1.0), Clock())
    changes = []

    def report():
        changes.extend(filter(None, (breaker.report(PART, good=0, bad=1) for _ in range(100))))

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.dumps(change.bad) for change in changes] == ["400"]
