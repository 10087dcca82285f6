"""What becomes of lost jobs: the sweeper and the recovery over a real ledger, with a broker that is a list."""

import time
from datetime import UTC, datetime

import pytest

from render.errors import BrokerError
from render.store.api import Store
from tests.workers.ledgers import LEASE_MS, STALE_MS, Clock
from workers.errors import LedgerUnavailable
from workers.ledger.entries import entry_of, work_digest
from workers.ledger.protocol import Burial, Entry, Grant, State, SweepRules
from workers.ledger.sql_ledger import SqlLedger
from workers.ledger.sqlite import SqliteDatabase
from workers.messages import Chunk, Job
from workers.records import Records
from workers.recovery import Recovery, in_chunks
from workers.sweeper import Sweeper

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
RULES = SweepRules(stale_ms=STALE_MS, max_losses=1, lease_ms=LEASE_MS, holder="sweeper", limit=5)


class Log:
    def __init__(self):
        self.events = []

    def __getattr__(self, level):
        return lambda event, **fields: self.events.append((event, fields))


class Pool:
    """Everything of a pool but the processes."""

    def __init__(self, folder):
        self.clock = Clock()
        self.ledger = SqlLedger(SqliteDatabase(folder / "ledger.db", clock=self.clock))
        self.records = Records(Store("memory://"), lambda: NOW)
        self.log = Log()
        self.published = []
        self.is_down = False
        self.idle = ()
        self.recovery = Recovery(self.ledger, self.records, self.log, publish=self.publish, chunk_jobs=3)

    def publish(self, chunks):
        if self.is_down:
            raise BrokerError("down.")
        self.published += [[job.job_id for job in chunk.jobs] for chunk in chunks]

    def sweeper(self, recovery=None, interval_s=0.01):
        return Sweeper(
            recovery or (lambda: self.recovery),
            self.log,
            idle_lanes=lambda: self.idle,
            rules=RULES,
            interval_s=interval_s,
            keep_s=3600,
            random=lambda: 0.5,
        )

    def claim(self, *names, holder="w"):
        return self.ledger.claim(names, holder, LEASE_MS)

    def state(self, name):
        return self.ledger.look([name])[0].state


@pytest.fixture
def pool(tmp_path):
    pool = Pool(tmp_path)
    yield pool
    pool.ledger.close()


def job(name, lane="issue", **more):
    return Job(job_id=name, created=NOW, signing_time=NOW, invoice="{}", lane=lane, **more)


def record(pool, *names, lane="issue"):
    pool.ledger.record([entry_of(job(name, lane)) for name in names])


def test_jobs_of_a_dead_worker_go_out_alone(pool):
    record(pool, "a", "b", "c")
    pool.claim("a", "b")
    assert pool.sweeper().visit() == 0
    pool.clock.pass_ms(LEASE_MS)
    rules = SweepRules(stale_ms=STALE_MS, max_losses=5, lease_ms=LEASE_MS, holder="s")
    assert pool.recovery.settle(pool.ledger.sweep(rules)) == 2
    assert pool.published == [["a"], ["b"]]


def test_lost_messages_go_out_again_together_lane_by_lane_in_bounded_rounds(pool):
    record(pool, *(f"i{number}" for number in range(7)))
    record(pool, "b0", "b1", lane="bulk")
    pool.clock.pass_ms(STALE_MS)
    pool.idle = ("issue",)
    assert pool.sweeper().visit() == 7
    assert [len(names) for names in pool.published] == [3, 2, 2]
    pool.idle = ("issue", "bulk")
    assert pool.sweeper().visit() == 2
    assert pool.published[-1] == ["b0", "b1"]


def test_a_job_that_was_lost_too_often_is_buried_with_a_record(pool):
    record(pool, "a", "b")
    for _ in range(2):
        assert isinstance(pool.claim("a")[0], Grant)
        pool.clock.pass_ms(LEASE_MS)
        pool.sweeper().visit()
    (dead,) = pool.ledger.standing(State.DEAD, 9)
    assert (dead.job_id, dead.code, dead.losses) == ("a", "worker_lost", 2)
    assert "died 2 times" in dead.reason
    error = pool.records.outcome("a")
    assert (error.code, error.attempts) == ("worker_lost", 2)
    assert pool.state("b") is State.QUEUED


def test_a_job_that_lost_a_worker_goes_out_alone_also_where_its_message_is_lost_afterwards(pool):
    rules = SweepRules(stale_ms=STALE_MS, max_losses=2, lease_ms=LEASE_MS, holder="s", idle_lanes=("issue",))
    record(pool, "a", "b", "c")
    pool.claim("b")
    pool.clock.pass_ms(LEASE_MS)
    pool.recovery.settle(pool.ledger.sweep(rules))
    pool.published.clear()
    pool.clock.pass_ms(STALE_MS * 2)
    pool.recovery.settle(pool.ledger.sweep(rules))
    assert pool.published == [["b"], ["a", "c"]]


def test_what_could_not_be_published_or_buried_comes_back(pool):
    record(pool, "a", "b")
    pool.claim("a")
    pool.clock.pass_ms(STALE_MS)
    pool.idle, pool.is_down = ("issue",), True
    with pytest.raises(BrokerError):
        pool.sweeper().visit()
    pool.is_down = False
    assert pool.sweeper().visit() == 0
    pool.clock.pass_ms(STALE_MS * 3)
    assert pool.sweeper().visit() == 2
    assert sorted(name for names in pool.published for name in names) == ["a", "b"]


def test_a_copy_that_cannot_be_read_is_buried_and_takes_no_other_along(pool):
    pool.ledger.record([Entry("old", "issue", "sm3:1", '{"schema":"kaipiao.job/0"}')])
    record(pool, "a")
    pool.clock.pass_ms(STALE_MS)
    pool.idle = ("issue",)
    assert pool.sweeper().visit() == 2
    assert (pool.published, pool.state("old"), pool.state("a")) == ([["a"]], State.DEAD, State.QUEUED)
    assert pool.records.outcome("old").code == "message_invalid"


def test_jobs_on_their_last_chance_follow_one_another_without_a_pause(pool):
    record(pool, "a", "b")
    for _ in range(RULES.max_losses):
        pool.claim("a", "b")
        pool.clock.pass_ms(LEASE_MS)
        sweeper = pool.sweeper(interval_s=600)
        sweeper.visit()
    (first,) = pool.published[-1]
    sweeper.start()
    try:
        pool.ledger.commit([(grant, "r") for grant in pool.claim(first)])
        deadline = time.monotonic() + 60
        while pool.published[-1] == [first] and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        sweeper.stop()
    assert [first, *pool.published[-1]] in (["a", "b"], ["b", "a"])


def take_back(pool, *names, limit_s=None, holder="w"):
    chunk = Chunk(chunk_id="c", jobs=tuple(job(name) for name in names))
    pool.recovery.take_back(chunk, holder, RULES, limit_s)


def test_of_a_dead_process_the_claimed_jobs_are_lost_and_the_others_go_out_as_they_were(pool):
    record(pool, "a", "b", "c")
    pool.claim("a")
    take_back(pool, "a", "b", "c")
    # Its last chance already, by these rules: it goes out alone, and is not published twice.
    assert pool.published == [["a"], ["b", "c"]]
    assert [each.losses for each in pool.ledger.look(["a", "b", "c"])] == [1, 0, 0]


def test_a_job_that_was_alone_when_the_time_ran_out_is_to_blame(pool):
    record(pool, "a", "b", "c")
    pool.claim("a", "b", "c")
    take_back(pool, "a", "b", limit_s=60)
    assert (pool.state("a"), pool.state("b")) == (State.QUEUED, State.QUEUED)
    take_back(pool, "c", limit_s=60)
    (dead,) = pool.ledger.standing(State.DEAD, 9)
    assert (dead.job_id, dead.code) == ("c", "job_timeout")
    assert "took longer than 60 s" in pool.records.outcome("c").message


def test_what_another_worker_holds_or_has_ended_is_left_alone(pool):
    record(pool, "a", "b")
    pool.claim("a", holder="other")
    (grant,) = pool.claim("b", holder="other")
    pool.ledger.bury([Burial(grant, State.REFUSED, "x", "")])
    take_back(pool, "a", "b")
    assert (pool.published, pool.state("a"), pool.state("b")) == ([], State.CLAIMED, State.REFUSED)


def test_a_sweeper_survives_whatever_goes_wrong_and_stops_when_told(pool):
    visits = []

    def recovery():
        visits.append(len(visits))
        if len(visits) <= 3:
            raise (LedgerUnavailable("gone."), OSError("gone"), ZeroDivisionError())[len(visits) - 1]
        return pool.recovery

    record(pool, "a")
    pool.clock.pass_ms(STALE_MS)
    pool.idle = ("issue",)
    sweeper = pool.sweeper(recovery, interval_s=0.005)
    sweeper.start()
    sweeper._thread.join(0.5)
    sweeper.stop()
    assert not sweeper._thread.is_alive()
    assert pool.published == [["a"]]
    failures = [fields for event, fields in pool.log.events if event == "sweep.failed"]
    assert failures == [
        {"code": "ledger_unavailable"}, {"error_type": "OSError"}, {"error_type": "ZeroDivisionError"},
    ]  # fmt: skip


def test_the_ledger_forgets_in_time(pool):
    record(pool, "a", "b")
    pool.ledger.commit([(grant, "r") for grant in pool.claim("a")])
    pool.clock.pass_ms(3_600_000)
    assert pool.sweeper().prune() == 1
    assert pool.ledger.look(["a"]) == [None]


def test_the_work_is_what_counts_and_not_when_or_how_urgently():
    first = job("a")
    again = job("b", lane="bulk", expires=NOW)
    assert work_digest(first) == work_digest(again)
    others = [
        job("a", dpi=150),
        job("a", outputs=("pdf",)),
        Job(job_id="a", created=NOW, signing_time=NOW, invoice="x"),
    ]
    assert len({work_digest(each) for each in [first, *others]}) == 4


def test_chunks_hold_one_lane_and_so_many_jobs():
    jobs = [job(f"{lane[0]}{number}", lane) for number in range(4) for lane in ("issue", "bulk")]
    assert [[each.job_id for each in chunk.jobs] for chunk in in_chunks(jobs, 3)] == [
        ["b0", "b1", "b2"], ["b3"], ["i0", "i1", "i2"], ["i3"],
    ]  # fmt: skip
