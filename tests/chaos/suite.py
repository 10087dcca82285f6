"""The scenarios by name, and what each is told."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import brokers, failover, forgery, kills, network


@dataclass
class Context:
    """Where a scenario works, its seed, and how much of it is wanted."""

    folder: Path
    seed: int
    is_quick: bool = False
    patience_s: float = 120.0

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._told = 0.0

    def scale(self, whole, quick):
        return quick if self.is_quick else whole

    def tell(self, text):
        """Say how far it is, now and then."""
        if time.monotonic() - self._told > 5:
            self._told = time.monotonic()
            print(f"  {self.folder.name}: {text}", file=sys.stderr, flush=True)

    def skip(self, scenario, reason):
        print(f"  {scenario}: skipped, {reason}", file=sys.stderr, flush=True)


SCENARIOS = {
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
