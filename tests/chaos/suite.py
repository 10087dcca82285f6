"""The scenarios by name, and what each is told."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import brokers, failover, forgery, kills, network


@dataclass
class Context:
    """Where a scenario works, its seed, and how much of it is wanted.

    ``is_small``: as little as still shows the fault, for tests. ``settings``: of the pool, beside a scenario's own.
    """

    folder: Path
    seed: int
    is_quick: bool = False
    is_small: bool = False
    patience_s: float = 120.0
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._told = 0.0

    def scale(self, whole, quick, small=None):
        if self.is_small:
            return quick if small is None else small
        return quick if self.is_quick else whole

    def tell(self, text):
        """Say how far it is, now and then."""
        if time.monotonic() - self._told > 5:
            self._told = time.monotonic()
            print(f"  {self.folder.name}: {text}", file=sys.stderr, flush=True)

    def skip(self, scenario, reason):
        print(f"  {scenario}: skipped, {reason}", file=sys.stderr, flush=True)


SCENARIOS = {
    "calm": kills.calm,
    "gap": kills.fetch_gap,
    "kills": kills.worker_kills,
    "bare-kills": kills.bare_worker_kills,
    "rolling": kills.rolling_restarts,
    "poison": kills.poison,
    "forged": forgery.forged_entries,
    "redis": brokers.redis_kills,
    "disk": brokers.full_disk,
    "sentinel": failover.sentinel_failover,
    "network": network.network,
    "clock": kills.skewed_clocks,
}
