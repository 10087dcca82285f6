"""How many batches were rendered without the device that they were meant for: a figure that all processes share."""

from __future__ import annotations

from contextlib import suppress
from typing import cast

import redis

FALLBACKS = "{kaipiao}:fallbacks"
"""Hash in Redis: part → batches since it was first counted."""


class FallbackTally:
    """Counts fallbacks by device.

    Args:
        client: of the Redis that the pool shares; None = nothing is counted, and the log is all there is.
    """

    def __init__(self, client: redis.Redis | None) -> None:
        self._client = client

    def add(self, part: str) -> None:
        """Count one batch."""
        if self._client is not None:
            # The event stands in the log; a figure is not worth a batch.
            with suppress(redis.RedisError):
                self._client.hincrby(FALLBACKS, part, 1)

    def read(self) -> dict[str, int]:
        """Return batches by device; none where the figures are out of reach."""
        if self._client is None:
            return {}
        try:
            counts = cast("dict[bytes, bytes]", self._client.hgetall(FALLBACKS))
        except redis.RedisError:
            return {}
        return {part.decode(): int(count) for part, count in sorted(counts.items())}
