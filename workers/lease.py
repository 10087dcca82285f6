"""The heartbeat: renews the leases of the jobs that this process carries out, beside the thread that does so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from workers.errors import LedgerUnavailable
from workers.ledger.protocol import Grant, Ledger
from workers.logging import Logger

BEATS_A_LEASE = 3


@dataclass(slots=True)
class Lease:
    """The grants that a process holds, and which of them still stand as far as it knows."""

    grants: dict[str, Grant]
    ends_at: float
    renewed_at: float
    _lost: set[str] = field(default_factory=set)

    def stands(self, job_id: str) -> bool:
        """Tell whether a job is still this process's to end, as far as is known."""
        return job_id not in self._lost

    def standing(self) -> list[Grant]:
        """Return the grants that stand."""
        return [grant for job_id, grant in self.grants.items() if job_id not in self._lost]

    def note(self, grants: Iterable[Grant], answers: Iterable[bool], at: float) -> None:
        """Remember what the ledger said to a renewal that was asked for at this moment."""
        self._lost |= {grant.job_id for grant, stands in zip(grants, answers, strict=True) if not stands}
        self.renewed_at = at


class Heart:
    """Renews leases every third of their length, from a thread that starts with the first.

    Whether a lease stands is for the ledger's clock to say; this process's own only tells it when to ask.

    Args:
        ledger: where the leases are.
        log: for renewals that fail.
        lease_s: how long a renewed lease lasts.
        limit_s: after so long a job is not kept alive any more: it hangs, and nobody was there to end it.
    """

    def __init__(self, ledger: Ledger, log: Logger, *, lease_s: float, limit_s: float) -> None:
        self.lease_ms = round(lease_s * 1000)
        self._ledger = ledger
        self._log = log
        self._interval_s = lease_s / BEATS_A_LEASE
        self._limit_s = limit_s
        self._held: list[Lease] = []
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, grants: Iterable[Grant]) -> Iterator[Lease]:
        """Keep grants alive for as long as the block runs."""
        now = time.monotonic()
        lease = Lease({grant.job_id: grant for grant in grants}, ends_at=now + self._limit_s, renewed_at=now)
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
            self._thread.start()
        self._held.append(lease)
        try:
            yield lease
        finally:
            self._held.remove(lease)

    def confirm(self, lease: Lease) -> None:
        """Make sure of a lease before something is written in its name: ask, unless the last beat was just now."""
        if time.monotonic() - lease.renewed_at > self._interval_s * 1.5:
            self._renew(lease)

    def _beat(self) -> None:
        while True:
            time.sleep(self._interval_s)
            for lease in list(self._held):
                if time.monotonic() < lease.ends_at:
                    self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        grants, at = lease.standing(), time.monotonic()
        if not grants:
            return
        try:
            answers = self._ledger.renew(grants, self.lease_ms)
        except LedgerUnavailable as error:
            # The lease may outlast the failure; if it does not, the commit will say so.
            self._log.warning("lease.unrenewed", code=error.code, jobs=len(grants))
            return
        lease.note(grants, answers, at)
