"""The ledger in SQL: each operation is one transaction that locks rows, changes them in memory and writes them back.

What differs between databases (locks, lists as parameters, the clock) is a :class:`Database`. How many statements an
operation takes does not depend on the number of its jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from itertools import zip_longest
from typing import Any, Protocol

from workers.ledger.batch import Batch, fresh
from workers.ledger.protocol import (
    MOST_DOUBLINGS,
    OPEN,
    PARKED_MS,
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

COLUMNS = tuple(item.name for item in fields(Record))
_FINISHED = (State.DONE, State.REFUSED, State.DEAD)
_PRUNED = (State.DONE, State.REFUSED, State.DROPPED)
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM jobs"  # noqa: S608 names of fields
# Messages are the bulk of a row, and most operations need none.
_SELECT_LEAN = _SELECT.replace("message", "''")
_INSERT = f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES"
_ROW = f"({', '.join('?' for _ in COLUMNS)})"
_ROWS_A_STATEMENT = 200
# All who claim from a lane write its row, so they do it only when it has fallen so far behind.
_MARK_STEP_MS = 500
_CHANGED = tuple(name for name in COLUMNS if name not in {"job_id", "lane", "digest", "message", "created_ms"})
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
    """A connection.

    Attributes:
        row_lock: follows a SELECT whose rows others shall not change before the transaction ends.
        free_row_lock: the same, passing over rows that others have locked.
        member: follows a column's name: it is an element of a list, which :meth:`elements` makes a parameter.
    """

    row_lock: str
    free_row_lock: str
    member: str

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[int]:
        """Begin a transaction, give the time in milliseconds, and commit or roll back at the end.

        Args:
            alone: no other transaction that asks for this runs at the same time.
        """

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """Execute a statement with ``?`` for parameters and return its rows."""

    def execute_many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement once for each row of parameters, in few exchanges."""

    def elements(self, values: Sequence[str]) -> object:
        """Return a list as one parameter."""

    def close(self) -> None:
        """Close the connection."""


class SqlLedger:
    """Jobs in tables; outlives the broker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction(alone=True):
            for statement in SCHEMA:
                database.execute(statement)

    def record(self, entries: Sequence[Entry]) -> list[Recorded]:
        """Write jobs down as queued before they are published; an id that is known stays as it is."""
        if not entries:
            return []
        with self._database.transaction() as now:
            self._add_lanes({entry.lane for entry in entries})
            first: dict[str, Entry] = {}
            for entry in entries:
                first.setdefault(entry.job_id, entry)
            # In order of their ids, so that two who write the same ones wait for each other instead of for ever.
            new = self._insert([fresh(first[job_id], now) for job_id in sorted(first)])
            known = {job.job_id: job for job in self._select([name for name in first if name not in new])}
        known |= {job_id: fresh(first[job_id], 0) for job_id in new}
        answers = []
        for entry in entries:
            if entry.job_id in new and first[entry.job_id] is entry:
                answers.append(Recorded.NEW)
            elif known[entry.job_id].digest != entry.digest:
                answers.append(Recorded.CONFLICT)
            else:
                answers.append(Recorded.KNOWN if known[entry.job_id].state in OPEN else Recorded.ENDED)
        return answers

    def claim(
        self, job_ids: Sequence[str], holder: str, lease_ms: int, digests: Sequence[str] = ()
    ) -> list[Grant | Refusal]:
        """Grant queued jobs to a holder for the length of a lease, and count an attempt of each."""
        answers: list[Grant | Refusal] = []
        latest: dict[str, int] = {}
        with self._changing(job_ids) as batch:
            for job_id, digest in zip_longest(job_ids, digests, fillvalue=""):
                job = batch.jobs.get(job_id)
                if job is None:
                    answers.append(Refusal.UNKNOWN)
                elif digest not in ("", job.digest):
                    answers.append(Refusal.CONFLICT)
                elif job.state not in OPEN:
                    answers.append(Refusal.ENDED)
                elif job.state is State.CLAIMED or job.at_ms == PARKED_MS:
                    answers.append(Refusal.HELD)
                else:
                    latest[job.lane] = max(job.published_ms, latest.get(job.lane, 0))
                    answers.append(batch.grant(replace(job, attempts=job.attempts + 1), holder, lease_ms))
            self._mark_lanes(latest)
        return answers

    def renew(self, grants: Sequence[Grant], lease_ms: int) -> list[bool]:
        """Prolong leases; False = the grant no longer stands."""
        with self._changing([grant.job_id for grant in grants]) as batch:
            standing = [batch.held(grant) for grant in grants]
            for job in standing:
                if job is not None:
                    batch.save(replace(job, at_ms=batch.now + lease_ms))
        return [job is not None for job in standing]

    def commit(self, done: Sequence[tuple[Grant, str]]) -> list[Commitment]:
        """End jobs as done by the receipts with these keys, where the grant still stands."""
        answers = []
        with self._changing([grant.job_id for grant, _ in done]) as batch:
            for grant, receipt in done:
                job = batch.jobs.get(grant.job_id)
                is_last = job is not None and (job.fence, job.holder) == (grant.fence, grant.holder)
                if job is not None and is_last and job.state is State.CLAIMED:
                    batch.end(replace(job, receipt=receipt), State.DONE)
                    answers.append(Commitment.COMMITTED)
                elif job is not None and is_last and job.state is State.DONE:
                    answers.append(Commitment.ALREADY)
                else:
                    answers.append(Commitment.FENCED)
        return answers

    def retry(self, retries: Sequence[Retry]) -> list[bool]:
        """Queue jobs again after a failed attempt; False = the grant no longer stands."""
        answers = []
        with self._changing([each.grant.job_id for each in retries]) as batch:
            for each in retries:
                job = batch.held(each.grant)
                if job is not None:
                    attempts = job.attempts if each.counts else job.attempts - 1
                    batch.publish(replace(job, code=each.code, attempts=attempts), each.delay_ms)
                answers.append(job is not None)
        return answers

    def bury(self, burials: Sequence[Burial]) -> list[bool]:
        """End jobs without outputs; False = the grant no longer stands."""
        answers = []
        with self._changing([each.grant.job_id for each in burials]) as batch:
            for each in burials:
                job = batch.held(each.grant)
                if job is not None:
                    # PostgreSQL has no NUL in its texts.
                    reason = each.reason.replace("\0", "\ufffd")
                    batch.end(replace(job, code=each.code, reason=reason), each.state)
                answers.append(job is not None)
        return answers

    def give_back(self, job_ids: Sequence[str], holder: str) -> list[bool]:
        """Queue jobs of a holder who stops before the work is done: that was no attempt."""
        with self._changing(job_ids) as batch:
            jobs = [batch.held_by(job_id, holder) for job_id in job_ids]
            for job in jobs:
                if job is not None:
                    # Its message goes back to where it stood, so it counts as published when it was.
                    back = replace(job, state=State.QUEUED, attempts=job.attempts - 1)
                    batch.save(replace(back, at_ms=batch.now, changed_ms=batch.now))
        return [job is not None for job in jobs]

    def lose(self, job_ids: Sequence[str], holder: str, rules: SweepRules) -> Swept:
        """Treat jobs of a holder who is known to be dead as if their leases had ended."""
        with self._database.transaction(alone=True) as now:
            batch = Batch(now, self._select(job_ids, lock=self._database.row_lock, lean=False))
            jobs = [job for job in (batch.held_by(job_id, holder) for job_id in job_ids) if job is not None]
            return self._take_back(batch, jobs, rules)

    def sweep(self, rules: SweepRules) -> Swept:
        """Queue again what was lost, and grant what was lost too often to the sweeper."""
        with self._database.transaction(alone=True) as now:
            expired = f"WHERE state = 'claimed' AND at_ms <= ? ORDER BY at_ms LIMIT ?{self._database.free_row_lock}"
            batch = Batch(now, self._jobs(expired, now, rules.limit))
            swept = self._take_back(batch, list(batch.jobs.values()), rules)
            return replace(swept, together=tuple(self._republish_stale(rules, now)))

    def look(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Return what is known of jobs."""
        with self._database.transaction():
            found = {job.job_id: job for job in self._select(job_ids, lean=False)}
        return [found.get(job_id) for job_id in job_ids]

    def states(self, job_ids: Sequence[str]) -> list[State | None]:
        """Return where jobs stand, for a fraction of what ``look`` costs; None = unknown."""
        statement = f"SELECT job_id, state FROM jobs WHERE job_id {self._database.member}"  # noqa: S608 no values
        with self._database.transaction():
            found: dict[str, str] = dict(self._execute(statement, self._database.elements(job_ids)))
        return [State(found[job_id]) if job_id in found else None for job_id in job_ids]

    def standing(self, state: State, limit: int, offset: int = 0) -> list[Record]:
        """Return jobs that stand in a state, those that have stood there longest first."""
        with self._database.transaction():
            return self._jobs("WHERE state = ? ORDER BY at_ms, job_id LIMIT ? OFFSET ?", state.value, limit, offset)

    def census(self) -> Mapping[State, int]:
        """Return how many jobs stand in each state."""
        with self._database.transaction():
            counts: dict[str, int] = dict(self._execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        return {state: counts.get(state.value, 0) for state in State}

    def pulse(self) -> Pulse:
        """Return since when work has been waiting, and when some last ended."""
        with self._database.transaction() as now:
            due = "SELECT min(at_ms) FROM jobs WHERE state = 'queued' AND at_ms < ?"
            ended = "SELECT max(at_ms) FROM jobs WHERE state = ?"
            last = max(self._execute(ended, state.value)[0][0] or 0 for state in _FINISHED)
            return Pulse(now_ms=now, due_ms=self._execute(due, PARKED_MS)[0][0] or 0, ended_ms=last)

    def replay(self, job_ids: Sequence[str]) -> list[Record | None]:
        """Queue dead jobs anew with no attempts counted; None = not dead. The caller publishes them."""
        answers: list[Record | None] = []
        with self._changing(job_ids, lean=False) as batch:
            for job_id in job_ids:
                job = batch.jobs.get(job_id)
                is_dead = job is not None and job.state is State.DEAD
                cleared = replace(job, attempts=0, losses=0, republished=0) if job and is_dead else None
                answers.append(batch.publish(cleared) if cleared else None)
        return answers

    def drop(self, job_ids: Sequence[str]) -> list[bool]:
        """Take dead jobs off the desk for good; False = not dead."""
        answers = []
        with self._changing(job_ids) as batch:
            for job_id in job_ids:
                job = batch.jobs.get(job_id)
                is_dead = job is not None and job.state is State.DEAD
                if job is not None and is_dead:
                    batch.end(job, State.DROPPED)
                answers.append(is_dead)
        return answers

    def prune(self, keep_ms: int, limit: int = 1000) -> int:
        """Forget jobs that were done, refused or dropped longer ago than this; return how many."""
        old: list[tuple[str]] = []
        with self._database.transaction(alone=True) as now:
            statement = "SELECT job_id FROM jobs WHERE state = ? AND at_ms <= ? ORDER BY at_ms LIMIT ?"
            for state in _PRUNED:
                old += self._execute(statement, state.value, now - keep_ms, limit - len(old))
            self._database.execute_many("DELETE FROM jobs WHERE job_id = ?", old)
        return len(old)

    def spend(self, nonces: Sequence[str], keep_ms: int) -> list[bool]:
        """Remember nonces for so long; False = it was spent before."""
        answers = []
        with self._database.transaction() as now:
            self._execute("DELETE FROM nonces WHERE until_ms <= ?", now)
            for nonce in nonces:
                statement = "INSERT INTO nonces (nonce, until_ms) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1"
                answers.append(bool(self._execute(statement, nonce, now + keep_ms)))
        return answers

    def spent(self, nonces: Sequence[str]) -> list[bool]:
        """Tell which nonces were spent."""
        statement = f"SELECT nonce FROM nonces WHERE nonce {self._database.member} AND until_ms > ?"  # noqa: S608
        with self._database.transaction() as now:
            found = {row[0] for row in self._execute(statement, self._database.elements(nonces), now)}
        return [nonce in found for nonce in nonces]

    def close(self) -> None:
        """Let go of connections."""
        self._database.close()

    def _execute(self, statement: str, *parameters: object) -> Rows:
        return self._database.execute(statement, parameters)

    def _jobs(self, condition: str, *parameters: object, lean: bool = False) -> list[Record]:
        return [_record(row) for row in self._execute(f"{_SELECT_LEAN if lean else _SELECT} {condition}", *parameters)]

    def _select(self, job_ids: Sequence[str], *, lock: str = "", lean: bool = True) -> list[Record]:
        condition = f"WHERE job_id {self._database.member} ORDER BY job_id{lock}"
        return self._jobs(condition, self._database.elements(job_ids), lean=lean) if job_ids else []

    @contextmanager
    def _changing(self, job_ids: Sequence[str], *, lean: bool = True) -> Iterator[Batch]:
        with self._database.transaction() as now:
            batch = Batch(now, self._select(job_ids, lock=self._database.row_lock, lean=lean))
            yield batch
            self._write(batch)

    def _write(self, batch: Batch) -> None:
        rows = [[*(_value(job, name) for name in _CHANGED), job.job_id] for job in batch.changed.values()]
        self._database.execute_many(_UPDATE, rows)
        ended = [(job_id,) for job_id in batch.ended]
        self._database.execute_many("UPDATE jobs SET message = '' WHERE job_id = ? AND state <> 'dead'", ended)
        self._database.execute_many("DELETE FROM suspects WHERE job_id = ?", ended)

    def _insert(self, jobs: Sequence[Record]) -> set[str]:
        """Insert jobs and return the ids of those that were not there."""
        new: set[str] = set()
        for start in range(0, len(jobs), _ROWS_A_STATEMENT):
            part = jobs[start : start + _ROWS_A_STATEMENT]
            rows = ", ".join([_ROW] * len(part))
            values = [_value(job, name) for job in part for name in COLUMNS]
            new |= {
                row[0] for row in self._execute(f"{_INSERT} {rows} ON CONFLICT DO NOTHING RETURNING job_id", *values)
            }
        return new

    def _add_lanes(self, lanes: Iterable[str]) -> None:
        known = {row[0] for row in self._execute("SELECT lane FROM lanes")}
        rows = [(lane,) for lane in sorted(set(lanes) - known)]
        self._database.execute_many("INSERT INTO lanes (lane, claimed_ms) VALUES (?, 0) ON CONFLICT DO NOTHING", rows)

    def _mark_lanes(self, latest: Mapping[str, int]) -> None:
        statement = "UPDATE lanes SET claimed_ms = ? WHERE lane = ? AND claimed_ms <= ?"
        self._database.execute_many(statement, [(ms, lane, ms - _MARK_STEP_MS) for lane, ms in sorted(latest.items())])

    def _take_back(self, batch: Batch, jobs: Iterable[Record], rules: SweepRules) -> Swept:
        """Decide about jobs whose holder was lost: to be published at once, parked for a last chance, or condemned."""
        alone: list[Record] = []
        condemned: list[tuple[Grant, Record]] = []
        suspects: list[tuple[str]] = []
        for before in jobs:
            job = replace(before, losses=before.losses + 1)
            if job.losses > rules.max_losses:
                condemned.append((batch.grant(job, rules.holder, rules.lease_ms), job))
            elif job.losses == rules.max_losses:
                suspects.append((job.job_id,))
                batch.save(replace(job, state=State.QUEUED, at_ms=PARKED_MS, changed_ms=batch.now))
            else:
                alone.append(batch.publish(job))
        self._write(batch)
        park = "INSERT INTO suspects (job_id, running) VALUES (?, 0) ON CONFLICT (job_id) DO UPDATE SET running = 0"
        self._database.execute_many(park, suspects)
        return Swept(
            alone=(*alone, *self._release_suspect(batch.now)),
            condemned=tuple(condemned),
            suspects=self._execute("SELECT COUNT(*) FROM suspects")[0][0] or 0,
        )

    def _release_suspect(self, now: int) -> list[Record]:
        """Let one job on its last chance run: two of them together would not show which of them kills."""
        if self._execute("SELECT 1 FROM suspects WHERE running = 1 LIMIT 1"):
            return []
        waiting = "WHERE job_id IN (SELECT job_id FROM suspects) ORDER BY changed_ms, job_id LIMIT 1"
        batch = Batch(now, self._jobs(waiting))
        released = [batch.publish(job) for job in batch.jobs.values()]
        self._write(batch)
        marked = [(job.job_id,) for job in released]
        self._database.execute_many("UPDATE suspects SET running = 1 WHERE job_id = ?", marked)
        return released

    def _republish_stale(self, rules: SweepRules, now: int) -> list[Record]:
        published: list[Record] = []
        for lane, claimed_ms in self._execute("SELECT lane, claimed_ms FROM lanes ORDER BY lane"):
            # Queues are in order: if a later message of the lane was taken, this one must have been as well. What was
            # recorded in the same moment tells nothing: it may stand behind.
            latest = now - rules.stale_ms
            latest = latest if lane in rules.idle_lanes else min(latest, claimed_ms - 1)
            stale = "WHERE state = 'queued' AND lane = ? AND at_ms <= ? ORDER BY at_ms LIMIT ?"
            batch = Batch(now, self._jobs(stale + self._database.free_row_lock, lane, latest, rules.limit))
            for job in list(batch.jobs.values()):
                times = job.republished + 1
                wait_ms = rules.stale_ms * (2 ** min(times, MOST_DOUBLINGS) - 1)
                published.append(batch.publish(replace(job, republished=times), wait_ms))
            self._write(batch)
        return published


def _value(job: Record, name: str) -> object:
    value = getattr(job, name)
    return value.value if isinstance(value, State) else value


def _record(row: tuple[Any, ...]) -> Record:
    job_id, state, *rest = row
    return Record(job_id, State(state), *rest)
