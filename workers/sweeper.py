"""The sweeper (巡检): brings back jobs whose worker or message was lost, and buries those that were lost too often.

Every worker's main process runs one. They need no leader: whatever a sweep finds is given to one sweeper alone, by the
ledger, and a sweeper that dies in between leaves it to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from render.errors import KaipiaoError
from workers.ledger.protocol import SweepRules
from workers.logging import Logger
from workers.messages import Lane
from workers.recovery import Recovery

MOST_ROUNDS = 40
"""Sweeps of one visit: a broker that lost its queues is refilled in bounded steps."""
PRUNE_EVERY_S = 60.0
SUSPECTS_EVERY_S = 0.25
"""Between visits while jobs wait for their last chance: they get it one after the other, and somebody must let them."""
STOP_TIMEOUT_S = 5.0


class Sweeper:
    """Sweeps at intervals, in a thread of its own.

    Args:
        recovery: opens the ledger, and does what it says; called in each visit, since it may fail.
        log: for what goes wrong.
        idle_lanes: tells in which lanes no message waits.
        rules: when a job counts as lost.
        interval_s: between visits, shortened at random by up to a fifth so that workers do not come together.
        keep_s: how long the ledger remembers what has ended.
        random: gives a number from 0 to 1.
    """

    def __init__(
        self,
        recovery: Callable[[], Recovery],
        log: Logger,
        *,
        idle_lanes: Callable[[], tuple[Lane, ...]],
        rules: SweepRules,
        interval_s: float,
        keep_s: float,
        random: Callable[[], float],
    ) -> None:
        self._recovery = recovery
        self._log = log
        self._idle_lanes = idle_lanes
        self._rules = rules
        self._interval_s = interval_s
        self._keep_ms = round(keep_s * 1000)
        self._random = random
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._since_pruned_s = PRUNE_EVERY_S
        self._has_suspects = False

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """Sweep no more; waits for a visit that is under way, but not for ever."""
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)

    def visit(self) -> int:
        """Sweep until nothing is found, and return how many jobs were.

        Raises:
            LedgerUnavailable, StoreError, BrokerError: what was found and not finished comes back in a later visit.
        """
        recovery, found = self._recovery(), 0
        rules = replace(self._rules, idle_lanes=self._idle_lanes())
        for _ in range(MOST_ROUNDS):
            swept = recovery.ledger.sweep(rules)
            found += recovery.settle(swept)
            self._has_suspects = swept.suspects > 0
            if max(len(swept.alone), len(swept.together), len(swept.condemned)) < rules.limit:
                break
        return found

    def prune(self) -> int:
        """Let the ledger forget what has ended long ago, and return how many jobs that were.

        Raises:
            LedgerUnavailable: it does not answer.
        """
        return self._recovery().ledger.prune(self._keep_ms)

    def _pause_s(self) -> float:
        usual = self._interval_s * (1 - 0.2 * self._random())
        return min(usual, SUSPECTS_EVERY_S) if self._has_suspects else usual

    def _run(self) -> None:
        while not self._stopping.wait(interval_s := self._pause_s()):
            try:
                self.visit()
                self._since_pruned_s += interval_s
                if self._since_pruned_s >= PRUNE_EVERY_S:
                    self._since_pruned_s = 0.0
                    self._log.info("ledger.pruned", pruned=self.prune())
            except KaipiaoError as error:
                self._log.warning("sweep.failed", code=error.code)
            except Exception as error:  # noqa: BLE001 a boundary: whoever brings lost jobs back must not get lost itself
                self._log.error("sweep.failed", error_type=type(error).__name__)
