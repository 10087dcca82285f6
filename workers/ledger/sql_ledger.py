"""The ledger in SQL: every operation is one transaction that reads rows, changes them and writes them back.

What differs between databases (how a transaction keeps others out, parameters, the clock) is a :class:`Database`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from typing import Any, Protocol

from workers.ledger.protocol import (
    MOST_DOUBLINGS,
    OPEN,
    PARKED_MS,
    Burial,
    Commitment,
    Entry,
    Grant,
    Record,
    Recorded,
    Refusal,
    Retry,
    State,
    SweepRules,
    Swept,
)

COLUMNS = tuple(item.name for item in fields(Record))
_PRUNED = (State.DONE, State.REFUSED, State.DROPPED)
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM jobs"  # noqa: S608 names of fields
_INSERT = f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' for _ in COLUMNS)})"  # noqa: S608
_CHANGED = COLUMNS[1:]
_UPDATE = f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in _CHANGED)} WHERE job_id = ?"  # noqa: S608

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS jobs (
        job_id TEXT PRIMARY KEY, state TEXT NOT NULL, lane TEXT NOT NULL, digest TEXT NOT NULL, message TEXT NOT NULL,
        attempts BIGINT NOT NULL, losses BIGINT NOT NULL, fence BIGINT NOT NULL, holder TEXT NOT NULL,
        at_ms BIGINT NOT NULL, published_ms BIGINT NOT NULL, created_ms BIGINT NOT NULL, changed_ms BIGINT NOT NULL,
        republished BIGINT NOT NULL, receipt TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, at_ms)",
    "CREATE INDEX IF NOT EXISTS jobs_by_lane ON jobs (lane, at_ms) WHERE state = 'queued'",
    # A job on its last chance; running = 0: it waits for its turn.
    "CREATE TABLE IF NOT EXISTS suspects (job_id TEXT PRIMARY KEY, running BIGINT NOT NULL)",
    # The latest published_ms that was ever claimed from a lane.
    "CREATE TABLE IF NOT EXISTS lanes (lane TEXT PRIMARY KEY, claimed_ms BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, until_ms BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS nonces_by_time ON nonces (until_ms)",
)

Rows = list[tuple[Any, ...]]


class Database(Protocol):
    """A connection whose transactions run one after the other."""

    def transaction(self) -> AbstractContextManager[int]:
        """Begin a transaction, give the time in milliseconds, and commit or roll back at the end."""

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """Execute a statement with ``?`` for parameters and return its rows."""

    def close(self) -> None:
        """Close the connection."""


class SqlLedger:
    """Jobs in tables; outlives the broker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction():
            for statement in SCHEMA:
                database.execute(statement)

    def record(self, entries: Sequence[Entry]) -> list[Recorded]:
        """Write jobs down as queued before they are published; an id that is known stays as it is."""
        answers = []
        with self._database.transaction() as now:
            for lane in {entry.lane for entry in entries}:
                self._execute("INSERT INTO lanes (lane, claimed_ms) VALUES (?, 0) ON CONFLICT DO NOTHING", lane)
            for entry in entries:
                known = self._find(entry.job_id)
                if known is None:
                    self._insert(_fresh(entry, now))
                    answers.append(Recorded.NEW)
                elif known.digest != entry.digest:
                    answers.append(Recorded.CONFLICT)
                else:
                    answers.append(Recorded.KNOWN if known.state in OPEN else Recorded.ENDED)
        return answers

    def claim(self, job_ids: Sequence[str], holder: str, lease_ms: int) -> list[Grant | Refusal]:
        """Grant queued jobs to a holder for the length of a lease, and count an attempt of each."""
        answers: list[Grant | Refusal] = []
        with self._database.transaction() as now:
            for job_id in job_ids:
                job = self._find(job_id)
                if job is None:
                    answers.append(Refusal.UNKNOWN)
                elif job.state not in OPEN:
                    answers.append(Refusal.ENDED)
                elif job.state is State.CLAIMED or job.at_ms == PARKED_MS:
                    answers.append(Refusal.HELD)
                else:
                    self._execute(
                        "UPDATE lanes SET claimed_ms = ? WHERE lane = ? AND claimed_ms < ?",
                        job.published_ms, job.lane, job.published_ms,
                    )  # fmt: skip
                    answers.append(self._grant(replace(job, attempts=job.attempts + 1), holder, lease_ms, now))
        return answers

    def renew(self, grants: Sequence[Grant], lease_ms: int) -> list[bool]:
        """Prolong leases; False = the grant no longer stands."""
        with self._database.transaction() as now:
            standing = [self._held(grant) for grant in grants]
            for job in standing:
                if job is not None:
                    self._save(replace(job, at_ms=now + lease_ms))
        return [job is not None for job in standing]

    def commit(self, done: Sequence[tuple[Grant, str]]) -> list[Commitment]:
        """End jobs as done by the receipts with these keys, where the grant still stands."""
        answers = []
        with self._database.transaction() as now:
            for grant, receipt in done:
                job = self._find(grant.job_id)
                is_last = job is not None and (job.fence, job.holder) == (grant.fence, grant.holder)
                if job is not None and is_last and job.state is State.CLAIMED:
                    self._end(replace(job, receipt=receipt), State.DONE, now)
                    answers.append(Commitment.COMMITTED)
                elif job is not None and is_last and job.state is State.DONE:
                    answers.append(Commitment.ALREADY)
                else:
                    answers.append(Commitment.FENCED)
        return answers

    def retry(self, retries: Sequence[Retry]) -> list[bool]:
        """Queue jobs again after a failed attempt; False = the grant no longer stands."""
        answers = []
        with self._database.transaction() as now:
            for each in retries:
                job = self._held(each.grant)
                if job is not None:
                    self._publish(replace(job, code=each.code), now, each.delay_ms)
                answers.append(job is not None)
        return answers

    def bury(self, burials: Sequence[Burial]) -> list[bool]:
        """End jobs without outputs; False = the grant no longer stands."""
        answers = []
        with self._database.transaction() as now:
            for each in burials:
                job = self._held(each.grant)
                if job is not None:
                    self._end(replace(job, code=each.code, reason=each.reason), each.state, now)
                answers.append(job is not None)
        return answers

    def give_back(self, job_ids: Sequence[str], holder: str) -> list[bool]:
        """Queue jobs of a holder who stops before the work is done: that was no attempt."""
        with self._database.transaction() as now:
            jobs = [self._held_by(job_id, holder) for job_id in job_ids]
            for job in jobs:
                if job is not None:
                    self._publish(replace(job, attempts=job.attempts - 1), now)
        return [job is not None for job in jobs]

    def lose(self, job_ids: Sequence[str], holder: str, rules: SweepRules) -> Swept:
        """Treat jobs of a holder who is known to be dead as if their leases had ended."""
        with self._database.transaction() as now:
            jobs = [job for job in (self._held_by(job_id, holder) for job_id in job_ids) if job is not None]
            return self._take_back(jobs, rules, now)

    def sweep(self, rules: SweepRules) -> Swept:
        """Queue again what was lost, and grant what was lost too often to the sweeper."""
        with self._database.transaction() as now:
            found = self._jobs("WHERE state = 'claimed' AND at_ms <= ? ORDER BY at_ms LIMIT ?", now, rules.limit)
            swept = self._take_back(found, rules, now)
            return replace(swept, together=tuple(self._republish_stale(rules, now)))

    def look(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Return what is known of jobs."""
        with self._database.transaction():
            return [self._find(job_id) for job_id in job_ids]

    def standing(self, state: State, limit: int, offset: int = 0) -> list[Record]:
        """Return jobs that stand in a state, those that have stood there longest first."""
        with self._database.transaction():
            return self._jobs("WHERE state = ? ORDER BY at_ms, job_id LIMIT ? OFFSET ?", state.value, limit, offset)

    def census(self) -> Mapping[State, int]:
        """Return how many jobs stand in each state."""
        with self._database.transaction():
            counts: dict[str, int] = dict(self._execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        return {state: counts.get(state.value, 0) for state in State}

    def replay(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Queue dead jobs anew with no attempts counted; None = not dead. The caller publishes them."""
        answers: list[Record | None] = []
        with self._database.transaction() as now:
            for job_id in job_ids:
                job = self._find(job_id)
                is_dead = job is not None and job.state is State.DEAD
                cleared = replace(job, attempts=0, losses=0, republished=0) if job and is_dead else None
                answers.append(self._publish(cleared, now) if cleared else None)
        return answers

    def drop(self, job_ids: Sequence[str]) -> list[bool]:
        """Take dead jobs off the desk for good; False = not dead."""
        answers = []
        with self._database.transaction() as now:
            for job_id in job_ids:
                job = self._find(job_id)
                is_dead = job is not None and job.state is State.DEAD
                if job is not None and is_dead:
                    self._end(job, State.DROPPED, now)
                answers.append(is_dead)
        return answers

    def prune(self, keep_ms: int, limit: int = 1000) -> int:
        """Forget jobs that were done, refused or dropped longer ago than this; return how many."""
        with self._database.transaction() as now:
            old: list[Record] = []
            for state in _PRUNED:
                old += self._jobs(
                    "WHERE state = ? AND at_ms <= ? ORDER BY at_ms LIMIT ?",
                    state.value,
                    now - keep_ms,
                    limit - len(old),
                )
            for job in old:
                self._execute("DELETE FROM jobs WHERE job_id = ?", job.job_id)
        return len(old)

    def spend(self, nonces: Sequence[str], keep_ms: int) -> list[bool]:
        """Remember nonces for so long; False = it was spent before."""
        answers = []
        with self._database.transaction() as now:
            self._execute("DELETE FROM nonces WHERE until_ms <= ?", now)
            for nonce in nonces:
                is_spent = bool(self._execute("SELECT 1 FROM nonces WHERE nonce = ?", nonce))
                if not is_spent:
                    self._execute("INSERT INTO nonces (nonce, until_ms) VALUES (?, ?)", nonce, now + keep_ms)
                answers.append(not is_spent)
        return answers

    def spent(self, nonces: Sequence[str]) -> list[bool]:
        """Tell which nonces were spent."""
        with self._database.transaction() as now:
            found = "SELECT 1 FROM nonces WHERE nonce = ? AND until_ms > ?"
            return [bool(self._execute(found, nonce, now)) for nonce in nonces]

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()

    def _execute(self, statement: str, *parameters: object) -> Rows:
        return self._database.execute(statement, parameters)

    def _jobs(self, condition: str, *parameters: object) -> list[Record]:
        return [_record(row) for row in self._execute(f"{_SELECT} {condition}", *parameters)]

    def _find(self, job_id: str) -> Record | None:
        found = self._jobs("WHERE job_id = ?", job_id)
        return found[0] if found else None

    def _held(self, grant: Grant) -> Record | None:
        job = self._held_by(grant.job_id, grant.holder)
        return job if job is not None and job.fence == grant.fence else None

    def _held_by(self, job_id: str, holder: str) -> Record | None:
        job = self._find(job_id)
        return job if job is not None and job.state is State.CLAIMED and job.holder == holder else None

    def _insert(self, job: Record) -> None:
        self._execute(_INSERT, *(_value(job, name) for name in COLUMNS))

    def _save(self, job: Record) -> Record:
        self._execute(_UPDATE, *(_value(job, name) for name in _CHANGED), job.job_id)
        return job

    def _grant(self, job: Record, holder: str, lease_ms: int, now: int) -> Grant:
        fence = max(job.fence + 1, now)
        self._save(
            replace(job, state=State.CLAIMED, fence=fence, holder=holder, at_ms=now + lease_ms, changed_ms=now)
        )  # fmt: skip
        return Grant(job.job_id, fence, holder, job.attempts, job.losses)

    def _publish(self, job: Record, now: int, delay_ms: int = 0) -> Record:
        return self._save(
            replace(job, state=State.QUEUED, at_ms=now + delay_ms, published_ms=now, changed_ms=now)
        )  # fmt: skip

    def _end(self, job: Record, state: State, now: int) -> None:
        message = job.message if state is State.DEAD else ""
        self._save(replace(job, state=state, at_ms=now, changed_ms=now, message=message))
        self._execute("DELETE FROM suspects WHERE job_id = ?", job.job_id)

    def _take_back(self, jobs: Iterable[Record], rules: SweepRules, now: int) -> Swept:
        """Decide about jobs whose holder was lost: to be published at once, parked for a last chance, or condemned."""
        alone: list[Record] = []
        condemned: list[tuple[Grant, Record]] = []
        for before in jobs:
            job = replace(before, losses=before.losses + 1)
            if job.losses > rules.max_losses:
                condemned.append((self._grant(job, rules.holder, rules.lease_ms, now), job))
            elif job.losses == rules.max_losses:
                self._execute("DELETE FROM suspects WHERE job_id = ?", job.job_id)
                self._execute("INSERT INTO suspects (job_id, running) VALUES (?, 0)", job.job_id)
                self._save(replace(job, state=State.QUEUED, at_ms=PARKED_MS, changed_ms=now))
            else:
                alone.append(self._publish(job, now))
        return Swept(alone=(*alone, *self._release_suspect(now)), condemned=tuple(condemned))

    def _release_suspect(self, now: int) -> list[Record]:
        """Let one job on its last chance run: two of them together would not show which of them kills."""
        if self._execute("SELECT 1 FROM suspects WHERE running = 1 LIMIT 1"):
            return []
        waiting = self._jobs("WHERE job_id IN (SELECT job_id FROM suspects) ORDER BY changed_ms, job_id LIMIT 1")
        for job in waiting:
            self._execute("UPDATE suspects SET running = 1 WHERE job_id = ?", job.job_id)
        return [self._publish(job, now) for job in waiting]

    def _republish_stale(self, rules: SweepRules, now: int) -> Iterable[Record]:
        for lane, claimed_ms in self._execute("SELECT lane, claimed_ms FROM lanes"):
            # Queues are in order: if a later message of the lane was taken, this one must have been as well.
            latest = now - rules.stale_ms
            latest = latest if lane in rules.idle_lanes else min(latest, claimed_ms)
            condition = "WHERE state = 'queued' AND lane = ? AND at_ms <= ? ORDER BY at_ms LIMIT ?"
            for job in self._jobs(condition, lane, latest, rules.limit):
                times = job.republished + 1
                wait_ms = rules.stale_ms * (2 ** min(times, MOST_DOUBLINGS) - 1)
                yield self._publish(replace(job, republished=times), now, wait_ms)


def _fresh(entry: Entry, now: int) -> Record:
    return Record(
        job_id=entry.job_id,
        state=State.QUEUED,
        lane=entry.lane,
        digest=entry.digest,
        message=entry.message,
        at_ms=now,
        published_ms=now,
        created_ms=now,
        changed_ms=now,
    )


def _value(job: Record, name: str) -> object:
    value = getattr(job, name)
    return value.value if isinstance(value, State) else value


def _record(row: tuple[Any, ...]) -> Record:
    job_id, state, *rest = row
    return Record(job_id, State(state), *rest)
