"""When what was gathered goes: full by size, due by time, each lane by itself."""

import json

import pytest

from render.errors import ConfigError
from workers.config import WorkerSettings
from workers.gathering import GATHER_WAITS_MS, Gathered, GatherRules, jobs_in, parse_waits
from workers.intake import lane_of_queue
from workers.messages import LANES

WAITS_MS = {"green": 1.0, "issue": 5.0, "preview": 10.0, "bulk": 20.0}


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def pass_ms(self, ms):
        self.now += ms / 1000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gathered(clock):
    return Gathered(GatherRules(8, WAITS_MS), clock)


def test_a_lone_message_goes_when_its_lane_lets_it_wait_no_longer(gathered, clock):
    gathered.add("a", "bulk", 1)
    assert not gathered.is_due()
    assert gathered.wait_s() == pytest.approx(0.020)
    clock.pass_ms(19.9)
    assert (gathered.is_due(), gathered.take()) == (False, [])
    clock.pass_ms(0.2)
    assert gathered.wait_s() == 0.0
    assert gathered.take() == ["a"]
    assert (gathered.is_due(), gathered.wait_s(), gathered.jobs) == (False, None, 0)


def test_what_is_full_does_not_wait(gathered):
    for name in "abcd":
        gathered.add(name, "bulk", 2)
    assert gathered.is_due()
    assert gathered.take() == ["a", "b", "c", "d"]


def test_a_message_is_never_divided_and_goes_whatever_its_size(gathered, clock):
    gathered.add("a", "issue", 5)
    gathered.add("b", "issue", 200)
    gathered.add("c", "issue", 1)
    assert gathered.take() == ["a"], "the two of them are too many"
    assert gathered.take() == ["b"]
    assert gathered.take() == []
    clock.pass_ms(6)
    assert gathered.take() == ["c"]


def test_lanes_do_not_share_a_batch_and_the_one_that_had_to_go_first_goes_first(gathered, clock):
    gathered.add("bulk", "bulk", 1)
    clock.pass_ms(19.5)
    gathered.add("green", "green", 1)
    gathered.add("issue", "issue", 1)
    assert gathered.wait_s() == pytest.approx(0.0005)
    clock.pass_ms(3)
    assert [gathered.take(), gathered.take(), gathered.take()] == [["bulk"], ["green"], []]
    clock.pass_ms(3)
    assert gathered.take() == ["issue"]


def test_of_two_lanes_due_at_once_the_higher_goes_first(clock):
    gathered = Gathered(GatherRules(8, dict.fromkeys(LANES, 1.0)), clock)
    for lane in reversed(LANES):
        gathered.add(lane, lane, 1)
    clock.pass_ms(1.5)
    assert [gathered.take()[0] for _ in LANES] == list(LANES)


def test_nothing_more_is_fetched_once_a_batch_is_full_and_everything_can_be_given_up(gathered):
    gathered.add("a", "issue", 7)
    assert gathered.has_room
    gathered.add("b", "bulk", 1)
    assert not gathered.has_room
    assert gathered.clear() == ["a", "b"]
    assert (gathered.jobs, gathered.is_due(), gathered.has_room) == (0, False, True)


def test_the_size_of_a_message_is_seen_without_reading_it():
    chunk = {"jobs": [{"job_id": "a", "invoice": '{"job_id": 1}'}, {"job_id": "b"}]}
    assert jobs_in(chunk) == 2
    assert jobs_in({"job_id": "a"}) == 1
    assert jobs_in({"payload": json.dumps(chunk)}) == 2, "quotation marks within an invoice are escaped"
    for hostile in (None, 3, "x", [], {"jobs": 7}, {"jobs": []}, {"payload": 7}, {"payload": "{}"}):
        assert jobs_in(hostile) == 1


def test_waits_are_read_by_lane_and_are_at_most_20_ms():
    assert parse_waits("bulk=7.5, green=0", "X") == GATHER_WAITS_MS | {"bulk": 7.5, "green": 0.0}
    assert max(GATHER_WAITS_MS.values()) <= 20
    assert [GATHER_WAITS_MS[lane] for lane in LANES] == sorted(GATHER_WAITS_MS.values())
    for wrong in ("bulk=20.1", "bulk=-1", "bulk=nan", "bulk", "blue=1", "=1", "bulk=1=2"):
        with pytest.raises(ConfigError, match="X is"):
            parse_waits(wrong, "X")


def test_settings_of_gathering_are_read_and_checked():
    values = {"KAIPIAO_GATHER": "on", "KAIPIAO_GATHER_JOBS": "16", "KAIPIAO_GATHER_WAITS_MS": "issue=2"}
    settings = WorkerSettings.from_mapping(values)
    assert (settings.gather, settings.gather_jobs, settings.gather_waits_ms["issue"]) == ("on", 16, 2.0)
    assert (WorkerSettings().gather, WorkerSettings().gather_waits_ms) == ("auto", GATHER_WAITS_MS)
    for name, value in (("GATHER", "yes"), ("GATHER_JOBS", "0"), ("GATHER_JOBS", "1000")):
        with pytest.raises(ConfigError, match=f"KAIPIAO_{name}"):
            WorkerSettings.from_mapping({f"KAIPIAO_{name}": value})


def test_the_lane_of_a_message_is_that_of_its_queue():
    assert [lane_of_queue(f"kaipiao.{lane}") for lane in LANES] == list(LANES)
    assert lane_of_queue("kaipiao.unroutable") == "bulk"
