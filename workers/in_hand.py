"""A job in a worker's hand: what is known of it while it passes through the stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from render.errors import KaipiaoError
from workers.idempotency import Identity
from workers.ledger.protocol import Grant
from workers.messages import Chunk, Job
from workers.receipts import Receipt

if TYPE_CHECKING:
    from render.pipeline import RenderResult


@dataclass(slots=True)
class JobInHand:
    """As soon as a job has an error or a receipt, or is another worker's, it is settled.

    Attributes:
        is_fresh: the receipt is of work that was done now.
        is_taken: the lease ended meanwhile; whoever has the job now writes its records.
    """

    job: Job
    grant: Grant
    data: bytes = b""
    identity: Identity | None = None
    key: str = ""
    number_key: str = ""
    result: RenderResult | None = None
    receipt: Receipt | None = None
    is_fresh: bool = False
    is_taken: bool = False
    error: KaipiaoError | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether there is still something to do."""
        return self.receipt is None and self.error is None and not self.is_taken

    def attempt(self, step: Callable[[JobInHand], None]) -> None:
        """Take one step, unless one went wrong before, and keep whatever goes wrong to this job."""
        if self.error is not None or self.is_taken:
            return
        try:
            step(self)
        except KaipiaoError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 the per-job boundary: a defect must not take the chunk along
            self.error = unexpected(error)


@dataclass(slots=True)
class ChunkReport:
    """What became of a chunk's jobs.

    Attributes:
        done: rendered now; ``duplicates``: found done by another job; ``failed``: for good.
        suppressed: not this worker's to carry out: held by another, ended before, or another's since.
        again: chunks to be published once more, each with the seconds to wait before.
    """

    done: int = 0
    duplicates: int = 0
    failed: int = 0
    suppressed: int = 0
    again: list[tuple[float, Chunk]] = field(default_factory=list)


@dataclass(slots=True)
class ChunkInHand:
    """A chunk with the jobs of it that were granted to its holder."""

    chunk: Chunk
    holder: str
    tasks: list[JobInHand]
    report: ChunkReport

    @property
    def has_suspects(self) -> bool:
        """Tell whether a job of it was in the hand of a process that died: it may have been the cause."""
        return any(task.grant.losses for task in self.tasks)


def unexpected(error: Exception) -> KaipiaoError:
    """Return our tree's error for one that nobody foresaw; its text may hold anything, so only its kind is told."""
    failure = KaipiaoError(f"unexpected {type(error).__name__}.", hint="Please report this defect.")
    failure.__cause__ = error
    return failure
