"""Admission (准入): a queue that is full takes no more, and says when to come again.

Producers ask before they write anything down, so work that is turned away leaves no trace. Several who ask at once may
together pass the limit by what they then publish; the limit is against floods, and keeps the broker's memory in bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import redis

from render.errors import BrokerError

LEAST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 300_000
UNKNOWN_WAIT_MS = 5_000
"""Where nobody knows yet how fast the queue is emptied."""

_ADMIT = """
-- KEYS = queue, what is known of it; ARGV = messages, most in the queue, least, longest and unknown wait, time or ''
local wanted, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local least, longest, unknown = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = tonumber(ARGV[6])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local depth = redis.call('LLEN', KEYS[1])
local known = redis.call('HMGET', KEYS[2], 'depth', 'added', 'at', 'rate')
local before, added = tonumber(known[1] or depth), tonumber(known[2] or 0)
local at, rate = tonumber(known[3] or now), known[4]
if now - at >= 1000 then
  local drained = math.max(0, before + added - depth) / (now - at)
  if rate then drained = (drained + tonumber(rate)) / 2 end
  rate = drained
  redis.call('HSET', KEYS[2], 'depth', depth, 'added', 0, 'at', now, 'rate', string.format('%.9f', rate))
elseif not known[1] then
  redis.call('HSET', KEYS[2], 'depth', depth, 'added', 0, 'at', now)
end
redis.call('PEXPIRE', KEYS[2], 600000)
if depth + wanted <= most then
  redis.call('HINCRBY', KEYS[2], 'added', wanted)
  return { 1, 0, depth }
end
local wait = unknown
if rate and tonumber(rate) > 0 then wait = math.ceil((depth + wanted - most) / tonumber(rate)) end
return { 0, math.max(least, math.min(longest, wait)), depth }
"""


class QueueFull(BrokerError):  # noqa: N818 named like the rest of the error tree
    """The queue holds as much as it may; nothing was written down or published."""

    code = "queue_full"

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Admitted:
    """The answer to a producer: whether it may publish, when to come again otherwise, and how long the queue is."""

    is_open: bool
    retry_after_ms: int
    depth: int


class Admission:
    """Guards the length of queues that are Redis lists.

    Args:
        client: of the broker; not closed here.
        limit: most messages in a queue.
        clock: milliseconds, for tests; None = the server's own.
        prefix: of the keys in which the pace of queues is kept.
    """

    def __init__(
        self,
        client: redis.Redis,
        limit: int,
        *,
        clock: Callable[[], int] | None = None,
        prefix: str = "{kaipiao}:admission",
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._prefix = prefix
        self._script = client.register_script(_ADMIT)

    def ask(self, queue: str, messages: int) -> Admitted:
        """Tell whether so many messages may be published now.

        Raises:
            BrokerError: the broker does not answer.
        """
        now = "" if self._clock is None else str(self._clock())
        arguments: list[str | int] = [messages, self._limit, LEAST_WAIT_MS, LONGEST_WAIT_MS, UNKNOWN_WAIT_MS, now]
        try:
            is_open, wait_ms, depth = self._script(keys=[queue, f"{self._prefix}:{queue}"], args=arguments)
        except redis.RedisError as error:
            raise BrokerError(
                f"the broker does not answer: {type(error).__name__}.", hint="Nothing was published; try again."
            ) from error
        return Admitted(bool(is_open), int(wait_ms), int(depth))

    def require(self, queue: str, messages: int) -> None:
        """Refuse where the queue is full.

        Raises:
            QueueFull: says when to come again; BrokerError: the broker does not answer.
        """
        answer = self.ask(queue, messages)
        if not answer.is_open:
            wait_s = answer.retry_after_ms / 1000
            raise QueueFull(
                f"{queue} holds {answer.depth} of {self._limit} messages.",
                hint=f"Nothing was written down. Come again in {wait_s:.0f} s, or add workers.",
                retry_after_s=wait_s,
            )
