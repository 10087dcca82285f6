"""What a ledger must be able to do, and the words that it speaks. ``workers/ledger/README.md`` draws the states.

Every operation takes many jobs and is atomic as a whole. All times are the ledger's own: no caller's clock counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

PARKED_MS = 99_999_999_999_999
"""The due time of a job that waits until the sweeper lets it run on its own."""
MOST_DOUBLINGS = 6
"""The wait before a queued job is published once more doubles so often at most."""


class State(StrEnum):
    """Where a job stands; each job stands in exactly one."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    DONE = "done"
    REFUSED = "refused"
    DEAD = "dead"
    DROPPED = "dropped"


OPEN = frozenset({State.QUEUED, State.CLAIMED})


class Recorded(StrEnum):
    """What became of a submission: ``known`` = the same job is open, ``conflict`` = other work under its id."""

    NEW = "new"
    KNOWN = "known"
    ENDED = "ended"
    CONFLICT = "conflict"


class Refusal(StrEnum):
    """Why a job was not granted: somebody holds it, it has ended, it is unknown, or its id stands for other work."""

    HELD = "held"
    ENDED = "ended"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"


class Commitment(StrEnum):
    """What became of a commit; ``fenced`` = the job was granted to another since."""

    COMMITTED = "committed"
    ALREADY = "already"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class Entry:
    """A job to be recorded.

    Attributes:
        digest: of the work that is asked for; the same id with another digest is a conflict.
        message: the job as JSON text, from which it can be published again.
    """

    job_id: str
    lane: str
    digest: str
    message: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to carry out a job until its lease ends.

    Attributes:
        fence: the fencing token: larger than that of every earlier grant of this job.
        holder: who asked; a commit must bring the fence and the holder of the last grant.
        attempts: grants since the job was recorded or replayed, this one included.
        losses: how many of them ended without a word.
    """

    job_id: str
    fence: int
    holder: str
    attempts: int
    losses: int

    @property
    def failures(self) -> int:
        """Return how many earlier attempts ended with an error that waiting might mend."""
        return max(0, self.attempts - 1 - self.losses)


@dataclass(frozen=True, slots=True)
class Retry:
    """A job that shall be tried again after ``delay_ms``; ``counts``: this attempt was the job's own failure."""

    grant: Grant
    delay_ms: int
    code: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Burial:
    """A job that ends without outputs: ``refused`` (its input must change) or ``dead`` (for the dead-letter desk)."""

    grant: Grant
    state: State
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of a job; times in milliseconds since 1970 by the ledger's clock.

    Attributes:
        at_ms: when a queued job is due, a lease ends, or the job ended.
        published_ms: when its last message was handed to the broker.
        republished: how often it was published again because its message seemed lost.
        receipt: idempotency key of the receipt that stands for a job that is done.
        code, reason: of the last error.
    """

    job_id: str
    state: State
    lane: str
    digest: str
    message: str = ""
    attempts: int = 0
    losses: int = 0
    fence: int = 0
    holder: str = ""
    at_ms: int = 0
    published_ms: int = 0
    created_ms: int = 0
    changed_ms: int = 0
    republished: int = 0
    receipt: str = ""
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SweepRules:
    """How a sweep judges.

    Attributes:
        stale_ms: a queued job whose message must have been taken is published again after so long.
        max_losses: a job that was lost more often is condemned.
        lease_ms, holder: of the grants on condemned jobs.
        idle_lanes: lanes whose queue was seen empty, so that no message of theirs can be waiting.
        limit: most jobs of each kind.
    """

    stale_ms: int
    max_losses: int
    lease_ms: int
    holder: str
    idle_lanes: tuple[str, ...] = ()
    limit: int = 256


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found.

    Attributes:
        alone: to be published again, each in a message of its own: their last attempt was lost.
        together: to be published again: their messages were lost.
        condemned: lost too often; granted to the sweeper, who buries them.
        suspects: how many jobs are on their last chance, which they get one at a time.
    """

    alone: tuple[Record, ...] = ()
    together: tuple[Record, ...] = ()
    condemned: tuple[tuple[Grant, Record], ...] = ()
    suspects: int = 0


@dataclass(frozen=True, slots=True)
class Pulse:
    """Whether work moves; times in milliseconds since 1970 by the ledger's clock, 0 = there is none.

    Attributes:
        due_ms: since when the queued job has been due that has waited longest; may lie in the future.
        ended_ms: when a job was last done, refused or buried.
    """

    now_ms: int
    due_ms: int
    ended_ms: int


class Ledger(Protocol):
    """Keeps the state of jobs. Every method raises ``LedgerUnavailable`` where the ledger is out of reach."""

    def record(self, entries: Sequence[Entry]) -> list[Recorded]:
        """Write jobs down as queued before they are published; an id that is known stays as it is."""

    def claim(
        self, job_ids: Sequence[str], holder: str, lease_ms: int, digests: Sequence[str] = ()
    ) -> list[Grant | Refusal]:
        """Grant queued jobs to a holder for the length of a lease, and count an attempt of each.

        Args:
            job_ids: the jobs.
            holder: who asks.
            lease_ms: for how long.
            digests: what the holder takes the jobs to be, one for each; none = whatever was recorded.
        """

    def renew(self, grants: Sequence[Grant], lease_ms: int) -> list[bool]:
        """Prolong leases; False = the grant no longer stands."""

    def commit(self, done: Sequence[tuple[Grant, str]]) -> list[Commitment]:
        """End jobs as done by the receipts with these keys, where the grant still stands."""

    def retry(self, retries: Sequence[Retry]) -> list[bool]:
        """Queue jobs again after a failed attempt; False = the grant no longer stands."""

    def bury(self, burials: Sequence[Burial]) -> list[bool]:
        """End jobs without outputs; False = the grant no longer stands."""

    def give_back(self, job_ids: Sequence[str], holder: str) -> list[bool]:
        """Queue jobs of a holder who stops before the work is done: that was no attempt."""

    def lose(self, job_ids: Sequence[str], holder: str, rules: SweepRules) -> Swept:
        """Treat jobs of a holder who is known to be dead as if their leases had ended."""

    def sweep(self, rules: SweepRules) -> Swept:
        """Queue again what was lost, and grant what was lost too often to the sweeper."""

    def look(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Return what is known of jobs."""

    def states(self, job_ids: Sequence[str]) -> list[State | None]:
        """Return where jobs stand, for a fraction of what ``look`` costs; None = unknown."""

    def standing(self, state: State, limit: int, offset: int = 0) -> list[Record]:
        """Return jobs that stand in a state, those that have stood there longest first."""

    def census(self) -> Mapping[State, int]:
        """Return how many jobs stand in each state."""

    def pulse(self) -> Pulse:
        """Return since when work has been waiting, and when some last ended."""

    def replay(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Queue dead jobs anew with no attempts counted; None = not dead. The caller publishes them."""

    def drop(self, job_ids: Sequence[str]) -> list[bool]:
        """Take dead jobs off the desk for good; False = not dead."""

    def prune(self, keep_ms: int, limit: int = 1000) -> int:
        """Forget jobs that were done, refused or dropped longer ago than this; return how many."""

    def spend(self, nonces: Sequence[str], keep_ms: int) -> list[bool]:
        """Remember nonces for so long; False = it was spent before."""

    def spent(self, nonces: Sequence[str]) -> list[bool]:
        """Tell which nonces were spent."""

    def close(self) -> None:
        """Let go of connections."""
