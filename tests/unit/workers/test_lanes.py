"""Lanes take turns by weight, buckets bound them, and kombu really asks in that order."""

import itertools
from collections import Counter

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from render.errors import ConfigError
from tests.workers.pool_processes import redis_server
from workers.lanes import WEIGHTS, Draw, LaneCycle, LaneLimits, TokenBucket, order_strategy, parse_rates, wheel_of

NAMES = ["green", "issue", "preview", "bulk"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def client(server):
    with redis.Redis.from_url(server) as client:
        client.flushall()
        yield client


class Clock:
    def __init__(self):
        self.now = 1_700_000_000_000

    def __call__(self):
        return self.now

    def move(self, ms):
        self.now += ms


def cycle(queues=NAMES, **options):
    made = LaneCycle(WEIGHTS, **options)
    made.update(queues)
    return made


def taken(cycle, waiting, count):
    """Take messages as BRPOP does: from the first queue asked that has one."""
    took = []
    for _ in range(count):
        name = next((name for name in cycle.consume(4) if waiting[name]), None)
        if name is None:
            break
        waiting[name] -= 1
        took.append(cycle.rotate(name))
    return took


def test_where_all_lanes_have_work_each_gets_its_weight_and_none_waits_for_long():
    took = taken(cycle(), dict.fromkeys(NAMES, 10**6), 29 * 100)
    assert Counter(took) == {name: weight * 100 for name, weight in WEIGHTS.items()}
    since = [len(list(group)) for is_bulk, group in itertools.groupby(took, lambda name: name == "bulk") if not is_bulk]
    assert max(since) == 28


def test_the_turn_of_an_idle_lane_falls_to_the_highest_that_has_work():
    waiting = dict.fromkeys(NAMES, 0) | {"issue": 10**6, "bulk": 10**6}
    assert Counter(taken(cycle(), waiting, 2900)) == {"issue": 2800, "bulk": 100}
    alone = dict.fromkeys(NAMES, 0) | {"bulk": 50}
    assert taken(cycle(), alone, 100) == ["bulk"] * 50


def test_a_job_of_a_high_lane_waits_for_no_more_than_the_turn_of_a_lower_one():
    made = cycle()
    waiting = dict.fromkeys(NAMES, 0) | {"bulk": 1000}
    taken(made, waiting, 500)
    waiting["green"] = 1
    assert "green" in taken(made, waiting, 2)


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 20), min_size=1))
def test_a_wheel_has_as_many_turns_as_weight_for_each(weights):
    assert Counter(wheel_of(weights)) == weights


@given(st.permutations(NAMES), st.integers(0, 40))
def test_every_queue_is_asked_once_whoever_is_first(queues, turns):
    made = cycle(queues)
    for _ in range(turns):
        made.rotate("issue")
    order = made.consume(4)
    assert sorted(order) == sorted(NAMES)
    assert order[1:] == [name for name in NAMES if name != order[0]]


def test_a_worker_of_some_lanes_asks_no_others_and_queues_of_others_come_last():
    assert cycle(["bulk", "green"]).consume(2) == ["green", "bulk"]
    assert cycle(["foreign", "bulk"]).consume(2)[0] in {"bulk", "foreign"}
    assert LaneCycle(WEIGHTS).consume(4) == []


def test_a_held_lane_is_not_asked():
    assert cycle(is_held=lambda name: name == "bulk").consume(4) == ["green", "issue", "preview"]


@pytest.mark.broker
def test_kombu_takes_messages_in_the_order_of_turns(server, client):
    options = {"queue_order_strategy": order_strategy(lambda lane: lane)}
    queues = [Queue(name, routing_key=name) for name in NAMES]
    took = []
    with Connection(server, transport_options=options) as connection:
        with connection.Producer() as producer:
            for name in NAMES:
                for _ in range(40):
                    producer.publish({}, routing_key=name, exchange="", serializer="json")

        def take(_, message):
            took.append(message.delivery_info["routing_key"])
            message.ack()

        with connection.Consumer(queues, callbacks=[take]) as consumer:
            consumer.qos(prefetch_count=1)
            while len(took) < 58:
                connection.drain_events(timeout=10)
    assert Counter(took) == {"green": 32, "issue": 16, "preview": 8, "bulk": 2}


@pytest.mark.broker
def test_a_bucket_gives_its_burst_and_then_flows_at_its_rate(client):
    clock = Clock()
    bucket = TokenBucket(client, "bulk", 100.0, clock=clock)
    assert bucket.look() == Draw(had_tokens=True, wait_ms=0)
    assert bucket.take(100) == Draw(had_tokens=True, wait_ms=10)
    assert bucket.look().had_tokens is False
    clock.move(10)
    assert bucket.look() == Draw(had_tokens=True, wait_ms=0)


@pytest.mark.broker
def test_a_large_message_overdraws_the_bucket_and_the_lane_waits_so_much_longer(client):
    clock = Clock()
    bucket = TokenBucket(client, "bulk", 10.0, clock=clock)
    assert bucket.take(64).wait_ms == 5500
    clock.move(5400)
    assert bucket.look().had_tokens is False
    clock.move(100)
    assert bucket.look().had_tokens is True
    clock.move(10**9)
    bucket.take(10)
    assert bucket.look().had_tokens is False, "a bucket holds no more than its burst"


@pytest.mark.broker
def test_connections_share_a_bucket_in_the_time_of_the_server_and_looking_spends_nothing(server, client):
    one = TokenBucket(client, "bulk", 0.5)
    with redis.Redis.from_url(server) as other:
        two = TokenBucket(other, "bulk", 0.5)
        assert all(two.look().had_tokens for _ in range(10))
        assert one.take(1).had_tokens
        assert not two.look().had_tokens
    assert client.pttl("{kaipiao}:bucket:bulk") > 0


@pytest.mark.broker
def test_only_lanes_with_a_limit_are_held_and_they_are_not_asked_about_again_at_once(client):
    seconds = itertools.count(step=0.0001)
    limits = LaneLimits(client, {"bulk": 1.0}, lambda: next(seconds))
    limits.spend("bulk", 50)
    limits.spend("issue", 50)
    assert limits.is_held("bulk")
    before = client.info("commandstats").get("cmdstat_evalsha", {}).get("calls")
    assert limits.is_held("bulk")
    assert client.info("commandstats").get("cmdstat_evalsha", {}).get("calls") == before
    assert not limits.is_held("issue")
    assert order_strategy(lambda lane: f"q.{lane}", limits)().consume(4) == []


def test_limits_hold_nothing_while_redis_is_away():
    with redis.Redis(port=1, retry=Retry(NoBackoff(), 0)) as nobody:
        limits = LaneLimits(nobody, {"bulk": 1.0})
        limits.spend("bulk", 1)
        assert not limits.is_held("bulk")


def test_rates_are_read_and_nonsense_is_refused():
    assert parse_rates(" bulk=200, preview=0.5 ", "X") == {"bulk": 200.0, "preview": 0.5}
    assert parse_rates("", "X") == {}
    for text in ("bulk", "bulk=0", "bulk=-1", "bulk=nan", "bulk=inf", "slow=1", "bulk=1e99"):
        with pytest.raises(ConfigError, match="X is"):
            parse_rates(text, "X")
