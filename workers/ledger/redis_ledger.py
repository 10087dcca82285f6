"""The ledger in Redis or Valkey: one Lua script, so that each operation is atomic and takes the server's time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import TypeVar

import msgspec
import redis
import redis.backoff
import redis.retry

from workers.errors import LedgerUnavailable
from workers.ledger.protocol import (
    Burial,
    Commitment,
    Entry,
    Grant,
    Pulse,
    Record,
    Recorded,
    Refusal,
    Retry,
    State,
    SweepRules,
    Swept,
)
from workers.redis_address import connect_redis

PREFIX = "{kaipiao}:ledger"
"""The braces keep all keys on one node, should the server shard by key."""

_Answer = TypeVar("_Answer")


class _SweptAnswer(msgspec.Struct, frozen=True):
    """A sweep as the script answers it; the script's JSON has no empty lists, only empty objects."""

    alone: list[Record] | dict[str, object]
    together: list[Record] | dict[str, object]
    condemned: list[tuple[Grant, Record]] | dict[str, object]
    suspects: int


class RedisLedger:
    """Jobs in a Redis database, beside the queues or apart.

    Args:
        url: ``redis://``, ``rediss://``, ``unix:///path`` or kombu's form ``redis+socket:///path``.
        timeout_s: how long a connection attempt or an answer may take.
        clock: milliseconds, for tests; None = the server's own time.
        prefix: of every key.

    Raises:
        ConfigError: the address cannot be read.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 15.0, clock: Callable[[], int] | None = None, prefix: str = PREFIX
    ) -> None:
        self._client = connect_redis(url, timeout_s)
        self._clock = clock
        self._prefix = prefix
        self._script = self._client.register_script(_source())

    def record(self, entries: Sequence[Entry]) -> list[Recorded]:
        """Write jobs down as queued before they are published; an id that is known stays as it is."""
        lean = [{"job_id": each.job_id, "lane": each.lane, "digest": each.digest} for each in entries]
        return self._ask("record", list[Recorded], [each.message for each in entries], entries=lean)

    def claim(
        self, job_ids: Sequence[str], holder: str, lease_ms: int, digests: Sequence[str] = ()
    ) -> list[Grant | Refusal]:
        """Grant queued jobs to a holder for the length of a lease, and count an attempt of each."""
        return self._ask(
            "claim", list[Grant | Refusal], job_ids=job_ids, holder=holder, lease_ms=lease_ms, digests=digests
        )

    def renew(self, grants: Sequence[Grant], lease_ms: int) -> list[bool]:
        """Prolong leases; False = the grant no longer stands."""
        return self._ask("renew", list[bool], grants=grants, lease_ms=lease_ms)

    def commit(self, done: Sequence[tuple[Grant, str]]) -> list[Commitment]:
        """End jobs as done by the receipts with these keys, where the grant still stands."""
        pairs = [{"grant": grant, "receipt": receipt} for grant, receipt in done]
        return self._ask("commit", list[Commitment], done=pairs)

    def retry(self, retries: Sequence[Retry]) -> list[bool]:
        """Queue jobs again after a failed attempt; False = the grant no longer stands."""
        return self._ask("retry", list[bool], retries=retries)

    def bury(self, burials: Sequence[Burial]) -> list[bool]:
        """End jobs without outputs; False = the grant no longer stands."""
        return self._ask("bury", list[bool], burials=burials)

    def give_back(self, job_ids: Sequence[str], holder: str) -> list[bool]:
        """Queue jobs of a holder who stops before the work is done: that was no attempt."""
        return self._ask("give_back", list[bool], job_ids=job_ids, holder=holder)

    def lose(self, job_ids: Sequence[str], holder: str, rules: SweepRules) -> Swept:
        """Treat jobs of a holder who is known to be dead as if their leases had ended."""
        return _swept(self._ask("lose", _SweptAnswer, job_ids=job_ids, holder=holder, rules=rules))

    def sweep(self, rules: SweepRules) -> Swept:
        """Queue again what was lost, and grant what was lost too often to the sweeper."""
        return _swept(self._ask("sweep", _SweptAnswer, rules=rules))

    def look(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Return what is known of jobs."""
        return _or_none(self._ask("look", list[Record | bool], job_ids=job_ids))

    def states(self, job_ids: Sequence[str]) -> list[State | None]:
        """Return where jobs stand, for a fraction of what ``look`` costs; None = unknown."""
        answers = self._ask("states", list[State | bool], job_ids=job_ids)
        return [answer if isinstance(answer, State) else None for answer in answers]

    def standing(self, state: State, limit: int, offset: int = 0) -> list[Record]:
        """Return jobs that stand in a state, those that have stood there longest first."""
        return self._ask("standing", list[Record], state=state, limit=limit, offset=offset)

    def census(self) -> Mapping[State, int]:
        """Return how many jobs stand in each state."""
        return self._ask("census", dict[State, int])

    def pulse(self) -> Pulse:
        """Return since when work has been waiting, and when some last ended."""
        return self._ask("pulse", Pulse)

    def replay(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Queue dead jobs anew with no attempts counted; None = not dead. The caller publishes them."""
        return _or_none(self._ask("replay", list[Record | bool], job_ids=job_ids))

    def drop(self, job_ids: Sequence[str]) -> list[bool]:
        """Take dead jobs off the desk for good; False = not dead."""
        return self._ask("drop", list[bool], job_ids=job_ids)

    def prune(self, keep_ms: int, limit: int = 1000) -> int:
        """Forget jobs that were done, refused or dropped longer ago than this; return how many."""
        return self._ask("prune", int, keep_ms=keep_ms, limit=limit)

    def spend(self, nonces: Sequence[str], keep_ms: int) -> list[bool]:
        """Remember nonces for so long; False = it was spent before."""
        return self._ask("spend", list[bool], nonces=nonces, keep_ms=keep_ms)

    def spent(self, nonces: Sequence[str]) -> list[bool]:
        """Tell which nonces were spent."""
        return self._ask("spent", list[bool], nonces=nonces)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _ask(self, operation: str, kind: type[_Answer], messages: Sequence[str] = (), **arguments: object) -> _Answer:
        if self._clock is not None:
            arguments["now"] = self._clock()
        request = msgspec.json.encode(arguments)
        try:
            answer = self._script(keys=[self._prefix], args=[operation, request, *messages])
        except redis.RedisError as error:
            raise LedgerUnavailable(
                f"the ledger does not answer: {type(error).__name__}.",
                hint="Check KAIPIAO_LEDGER, or KAIPIAO_BROKER_URL where that is empty, and that the server runs.",
            ) from error
        if answer == b"{}" and kind is not _SweptAnswer:
            answer = b"[]"
        return msgspec.json.decode(answer, type=kind)


def _source() -> str:
    return resources.files("workers.ledger").joinpath("ledger.lua").read_text(encoding="utf-8")


def _swept(answer: _SweptAnswer) -> Swept:
    return Swept(
        alone=tuple(answer.alone) if isinstance(answer.alone, list) else (),
        together=tuple(answer.together) if isinstance(answer.together, list) else (),
        condemned=tuple(answer.condemned) if isinstance(answer.condemned, list) else (),
        suspects=answer.suspects,
    )


def _or_none(answers: Sequence[Record | bool]) -> list[Record | None]:
    return [answer if isinstance(answer, Record) else None for answer in answers]
