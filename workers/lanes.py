"""Lanes: which queue a worker turns to next, and how fast a lane may be emptied at most.

Each lane is a queue of its own, and a worker serves any choice of them (``kaipiao worker --lanes``). What must never
wait has workers of its own: ``--lanes green,issue`` on some, ``--lanes bulk`` on others. Where one worker serves
several lanes, each message that it takes moves a wheel of turns: the lane whose turn it is comes first, then the others
by rank. So an idle lane's turn falls to the highest lane that has work, and the lowest lane is never starved.

A token bucket (令牌桶) bounds a lane for all workers together: jobs taken are tokens spent, and while the bucket is
empty, no worker looks into the lane's queue. A message of many jobs may overdraw it, and the lane then waits so much
longer; no slot of a worker waits meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import redis

from render.errors import ConfigError
from workers.messages import LANES, Lane

WEIGHTS: Mapping[Lane, int] = {"green": 16, "issue": 8, "preview": 4, "bulk": 1}
BURST_S = 1.0
"""A bucket holds as many tokens as flow into it in so long."""
MOST_JOBS_PER_S = 1_000_000.0
_LEAST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 1.0


def wheel_of(weights: Mapping[str, int]) -> tuple[str, ...]:
    """Return whose turn it is, over one revolution: as many turns each as its weight, spread evenly.

    Args:
        weights: of at least 1.
    """
    turns = [(Fraction(2 * turn + 1, 2 * weight), rank, name) for rank, (name, weight) in enumerate(weights.items())
             for turn in range(weight)]  # fmt: skip
    return tuple(name for _, _, name in sorted(turns))


class LaneCycle:
    """The order in which kombu asks for messages (its ``queue_order_strategy``).

    Args:
        weights: turns by queue, the highest rank first; queues that are not named come last.
        is_held: tells whether nothing may be taken from a queue at the moment.
    """

    def __init__(self, weights: Mapping[str, int], is_held: Callable[[str], bool] = lambda _: False) -> None:
        self._ranks = {name: rank for rank, name in enumerate(weights)}
        self._weights = dict(weights)
        self._is_held = is_held
        self._queues: list[str] = []
        self._wheel: tuple[str, ...] = ()
        self._turn = 0

    def update(self, queues: Sequence[str]) -> None:
        """Take note of which queues are served."""
        self._queues = sorted(queues, key=lambda name: (self._ranks.get(name, len(self._ranks)), name))
        self._wheel = wheel_of({name: self._weights.get(name, 1) for name in self._queues})
        self._turn = 0

    def consume(self, count: int) -> list[str]:
        """Return the queues to ask, the first that has a message gives it; at most ``count``."""
        if not self._wheel:
            return []
        first = self._wheel[self._turn % len(self._wheel)]
        order = [first, *(name for name in self._queues if name != first)]
        return [name for name in order if not self._is_held(name)][:count]

    def rotate(self, last_used: str) -> str:
        """Move the wheel by a turn, since a message came."""
        self._turn += 1
        return last_used


_TAKE = """
-- KEYS[1] = bucket; ARGV = tokens a second, most tokens, tokens wanted (0 = only look), time in ms or ''
local rate, most, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + time[2] / 1000
end
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1] or most), tonumber(held[2] or now)
tokens = math.min(most, tokens + math.max(0, now - at) / 1000 * rate)
-- A whole one, rounding apart: a fraction flows in at once.
local WHOLE = 0.999
local grants = tokens >= WHOLE
if wanted > 0 then
  tokens = tokens - wanted
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', math.max(now, at)))
  redis.call('PEXPIRE', KEYS[1], math.ceil((most - tokens) / rate * 1000) + 1000)
end
local wait_ms = 0
if tokens < WHOLE then wait_ms = math.ceil((1 - tokens) / rate * 1000) end
return { grants and 1 or 0, wait_ms }
"""


@dataclass(frozen=True, slots=True)
class Draw:
    """What a bucket answers: whether it had tokens, and in how many milliseconds it has some again (0 = has now)."""

    had_tokens: bool
    wait_ms: int


class TokenBucket:
    """Tokens that flow at a steady rate into a bucket that all share; in the server's time.

    Args:
        client: of the Redis that keeps it; not closed here.
        name: of the bucket.
        rate: tokens a second.
        clock: milliseconds, for tests; None = the server's own.
        prefix: of every key.
    """

    def __init__(
        self,
        client: redis.Redis,
        name: str,
        rate: float,
        *,
        clock: Callable[[], int] | None = None,
        prefix: str = "{kaipiao}:bucket",
    ) -> None:
        self._key = f"{prefix}:{name}"
        self._rate = rate
        self._clock = clock
        self._script = client.register_script(_TAKE)

    def take(self, tokens: int) -> Draw:
        """Spend tokens, overdrawing the bucket where there are too few.

        Raises:
            redis.RedisError: the server does not answer.
        """
        return self._ask(tokens)

    def look(self) -> Draw:
        """Tell how the bucket stands, and spend nothing.

        Raises:
            redis.RedisError: the server does not answer.
        """
        return self._ask(0)

    def _ask(self, tokens: int) -> Draw:
        most = max(1.0, self._rate * BURST_S)
        now = "" if self._clock is None else str(self._clock())
        had_tokens, wait_ms = self._script(keys=[self._key], args=[self._rate, most, tokens, now])
        return Draw(bool(had_tokens), int(wait_ms))


class LaneLimits:
    """Buckets of the lanes that have one.

    Args:
        client: of the Redis that keeps them.
        rates: jobs a second by lane; other lanes are not bounded.
        seconds: a clock that never goes back.
    """

    def __init__(
        self, client: redis.Redis, rates: Mapping[Lane, float], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._buckets = {lane: TokenBucket(client, lane, rate) for lane, rate in rates.items()}
        self._seconds = seconds
        self._held_until: dict[str, float] = {}

    def spend(self, lane: Lane, jobs: int) -> None:
        """Count jobs that were taken from a lane; where nobody answers, they are taken all the same."""
        bucket = self._buckets.get(lane)
        if bucket is None:
            return
        try:
            bucket.take(jobs)
        except redis.RedisError:
            # A limit protects the other lanes' pace, which nobody keeps while Redis is away.
            return

    def is_held(self, lane: str) -> bool:
        """Tell whether nothing may be taken from a lane at the moment."""
        bucket = next((bucket for name, bucket in self._buckets.items() if name == lane), None)
        if bucket is None:
            return False
        if self._seconds() < self._held_until.get(lane, 0.0):
            return True
        try:
            draw = bucket.look()
        except redis.RedisError:
            return False
        if draw.had_tokens:
            return False
        pause_s = min(_LONGEST_PAUSE_S, max(_LEAST_PAUSE_S, draw.wait_ms / 1000))
        self._held_until[lane] = self._seconds() + pause_s
        return True


def order_strategy(queue_of: Callable[[Lane], str], limits: LaneLimits | None = None) -> Callable[[], LaneCycle]:
    """Return what kombu calls for a cycle, once a connection.

    Args:
        queue_of: the queue of a lane.
        limits: None = no lane is bounded.
    """
    lanes = {queue_of(lane): lane for lane in LANES}

    def is_held(queue: str) -> bool:
        return limits is not None and queue in lanes and limits.is_held(lanes[queue])

    return partial(LaneCycle, {queue: WEIGHTS[lane] for queue, lane in lanes.items()}, is_held)


def parse_rates(text: str, variable: str) -> dict[Lane, float]:
    """Read ``bulk=200,preview=50``: jobs a second by lane.

    Raises:
        ConfigError: not such a text, or a lane that does not exist.
    """
    known: Mapping[str, Lane] = {lane: lane for lane in LANES}
    rates: dict[Lane, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        try:
            rate = float(number)
        except ValueError:
            rate = 0.0
        # NaN compares false with everything.
        if name.strip() not in known or not 0 < rate <= MOST_JOBS_PER_S:
            raise ConfigError(
                f"{variable} is {text!r}.", hint=f"Write lane=jobs a second, such as bulk=200, of {', '.join(LANES)}."
            )
        rates[known[name.strip()]] = rate
    return rates
