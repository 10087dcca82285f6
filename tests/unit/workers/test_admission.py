"""A full queue is refused before anything is written, with a time that fits how fast it is emptied."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from render.errors import BrokerError
from render.errors import Retry as RetryPolicy
from tests.workers.pool_processes import redis_server
from workers.admission import LEAST_WAIT_MS, UNKNOWN_WAIT_MS, Admission, QueueFull

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as url, redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def clock(client):
    client.flushall()

    def clock():
        return clock.now

    clock.now = 1_700_000_000_000
    return clock


def fill(client, depth):
    client.delete("q")
    if depth:
        client.lpush("q", *range(depth))


def test_a_queue_takes_up_to_its_limit(client, clock):
    admission = Admission(client, 10, clock=clock)
    assert admission.ask("q", 10).is_open
    assert not admission.ask("q", 11).is_open
    fill(client, 10)
    answer = admission.ask("q", 1)
    assert (answer.is_open, answer.depth, answer.retry_after_ms) == (False, 10, UNKNOWN_WAIT_MS)


def test_the_wait_is_what_the_excess_takes_at_the_pace_of_the_queue(client, clock):
    admission = Admission(client, 100, clock=clock)
    fill(client, 100)
    admission.ask("q", 1)
    for depth in (80, 60, 40, 20):
        clock.now += 2000
        fill(client, depth)
        admission.ask("q", 0)
    fill(client, 100)
    # 20 messages in 2 s: 50 too many take 5 s.
    assert admission.ask("q", 50).retry_after_ms == 5000


def test_what_was_let_in_counts_as_added_and_not_as_a_queue_that_stands_still(client, clock):
    admission = Admission(client, 1000, clock=clock)
    admission.ask("q", 0)
    for _ in range(4):
        assert admission.ask("q", 100).is_open
        fill(client, 100)
        clock.now += 1000
        fill(client, 0)
        admission.ask("q", 0)
    fill(client, 1000)
    # 100 a second came and went.
    assert admission.ask("q", 200).retry_after_ms == 2000


def test_a_queue_that_stands_still_says_nothing_of_its_pace_and_no_wait_is_shorter_than_the_least(client, clock):
    admission = Admission(client, 10, clock=clock)
    fill(client, 10)
    admission.ask("q", 1)
    clock.now += 5000
    assert admission.ask("q", 1).retry_after_ms == UNKNOWN_WAIT_MS
    fill(client, 0)
    clock.now += 1000
    admission.ask("q", 0)
    fill(client, 10)
    assert admission.ask("q", 1).retry_after_ms == LEAST_WAIT_MS


def test_a_refusal_says_when_to_come_again_and_may_be_tried_later(client, clock):
    admission = Admission(client, 1, clock=clock)
    fill(client, 1)
    with pytest.raises(QueueFull) as caught:
        admission.require("q", 1)
    assert caught.value.retry_after_s == UNKNOWN_WAIT_MS / 1000
    assert caught.value.retry is RetryPolicy.LATER
    assert "5 s" in caught.value.hint
    assert client.llen("q") == 1


def test_a_broker_that_is_away_is_no_full_queue():
    with redis.Redis(port=1, retry=Retry(NoBackoff(), 0)) as nobody, pytest.raises(BrokerError) as caught:
        Admission(nobody, 1).ask("q", 1)
    assert caught.value.code == "broker_unavailable"
