"""The ledger between a broker that forgets, workers that die or freeze, and a clock that jumps.

The machine keeps a queue of its own in place of the broker, and workers that are only lists of grants, so that
Hypothesis can take every step at every moment: between recording and publishing, between fetching and claiming, between
sweeping and publishing again. Nothing may be lost or doubled.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.workers.ledgers import LEASE_MS, RULES, STALE_MS, Clock, entry, ledger_opener
from workers.ledger.protocol import OPEN, PARKED_MS, Burial, Commitment, Grant, Retry, State

LANES = ("issue", "bulk")
WORKERS = ("w1", "w2", "w3")
DAY_MS = 86_400_000


class LedgerMachine(RuleBasedStateMachine):
    """Jobs by number; the test sets what opens an empty ledger."""

    open_empty = None

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory(prefix="kaipiao-")
        self.clock = Clock()
        self.ledger = self.open_empty(Path(self.folder.name), self.clock)
        self.lane_of = {}
        self.queue = []
        self.grants = []
        self.frozen = []
        self.committed = {}
        self.fences = {}
        self.ended = {}

    def teardown(self):
        if hasattr(self, "ledger"):
            try:
                self.drain()
            finally:
                self.ledger.close()
                self.folder.cleanup()

    @rule(lane=st.sampled_from(LANES), is_published=st.booleans())
    def submit(self, lane, is_published):
        """The submitter may die before it publishes."""
        job_id = f"j{len(self.lane_of)}"
        self.lane_of[job_id] = lane
        self.ledger.record([entry(job_id, lane)])
        if is_published:
            self.queue.append(job_id)

    @precondition(lambda self: self.queue)
    @rule(worker=st.sampled_from(WORKERS), count=st.integers(1, 3))
    def fetch_and_claim(self, worker, count):
        taken, self.queue = self.queue[:count], self.queue[count:]
        self.claim(list(dict.fromkeys(taken)), worker)

    @precondition(lambda self: self.queue)
    @rule()
    def die_in_the_fetch_window(self):
        self.queue.pop(0)

    @precondition(lambda self: self.queue)
    @rule(place=st.integers(0, 99))
    def deliver_twice(self, place):
        self.queue.append(self.queue[place % len(self.queue)])

    @precondition(lambda self: self.grants)
    @rule(place=st.integers(0, 99))
    def commit(self, place):
        self.finish(self.grants.pop(place % len(self.grants)))

    @precondition(lambda self: self.grants)
    @rule(is_published=st.booleans())
    def fail_and_try_again(self, is_published):
        grant = self.grants.pop(0)
        if self.ledger.retry([Retry(grant, 2000, "store_failed")]) == [True] and is_published:
            self.queue.append(grant.job_id)

    @precondition(lambda self: self.grants)
    @rule(state=st.sampled_from([State.REFUSED, State.DEAD]))
    def fail_for_good(self, state):
        self.ledger.bury([Burial(self.grants.pop(0), state, "x", "y")])

    @precondition(lambda self: self.grants)
    @rule()
    def stop_and_give_back(self):
        grant = self.grants.pop(0)
        self.ledger.give_back([grant.job_id], grant.holder)
        self.queue.append(grant.job_id)

    @precondition(lambda self: self.grants)
    @rule(worker=st.sampled_from(WORKERS))
    def crash(self, worker):
        self.grants = [grant for grant in self.grants if grant.holder != worker]

    @precondition(lambda self: self.grants)
    @rule(worker=st.sampled_from(WORKERS))
    def crash_and_be_noticed(self, worker):
        gone = [grant for grant in self.grants if grant.holder == worker]
        self.grants = [grant for grant in self.grants if grant not in gone]
        for grant in gone:
            self.settle(self.ledger.lose([grant.job_id], grant.holder, RULES), is_published=True)

    @precondition(lambda self: self.grants)
    @rule(worker=st.sampled_from(WORKERS))
    def freeze(self, worker):
        self.frozen += [grant for grant in self.grants if grant.holder == worker]
        self.grants = [grant for grant in self.grants if grant.holder != worker]

    @precondition(lambda self: self.frozen)
    @rule()
    def thaw_and_commit(self):
        self.finish(self.frozen.pop())

    @precondition(lambda self: self.grants)
    @rule(other=st.sampled_from(WORKERS), wakes_up=st.booleans())
    def freeze_until_another_takes_over(self, other, wakes_up):
        """The other may bear the same name, as after a restart."""
        self.freeze(self.grants[0].holder)
        self.clock.pass_ms(LEASE_MS)
        self.sweep(is_published=True)
        if self.queue:
            self.fetch_and_claim(other, 3)
        if wakes_up:
            self.thaw_and_commit()

    @precondition(lambda self: self.queue)
    @rule(worker=st.sampled_from(WORKERS), deaths=st.integers(1, 3))
    def kill_whoever_takes_it(self, worker, deaths):
        """The first job in the queue ends its worker whenever it is claimed, with all that the worker holds."""
        for _ in range(deaths):
            self.fetch_and_claim(worker, 2)
            self.crash(worker)
            self.clock.pass_ms(LEASE_MS)
            self.sweep(is_published=True)
            if not self.queue:
                return

    @precondition(lambda self: self.grants)
    @rule()
    def heartbeat(self):
        standing = self.ledger.renew(self.grants, LEASE_MS)
        self.grants = [grant for grant, stands in zip(self.grants, standing, strict=True) if stands]

    @rule(ms=st.sampled_from([1, LEASE_MS, STALE_MS, 10 * STALE_MS]))
    def wait(self, ms):
        self.clock.pass_ms(ms)

    @rule(ms=st.integers(-DAY_MS, DAY_MS))
    def clock_jump(self, ms):
        self.clock.pass_ms(ms)

    @rule()
    def broker_loss(self):
        self.queue.clear()

    @rule(is_published=st.booleans())
    def sweep(self, is_published):
        """The sweeper may die before it publishes and before it buries."""
        idle = tuple(lane for lane in LANES if not any(self.lane_of[each] == lane for each in self.queue))
        self.settle(self.ledger.sweep(replace(RULES, idle_lanes=idle)), is_published=is_published)

    @precondition(lambda self: self.lane_of)
    @rule(place=st.integers(0, 99), is_replayed=st.booleans())
    def work_at_the_desk(self, place, is_replayed):
        job_id = f"j{place % len(self.lane_of)}"
        if is_replayed:
            (record,) = self.ledger.replay([job_id])
            if record is not None:
                self.ended.pop(job_id, None)
                self.queue.append(job_id)
        else:
            self.ledger.drop([job_id])

    @invariant()
    def every_job_stands_somewhere_and_no_end_is_undone(self):
        if not getattr(self, "lane_of", None):
            return
        names = list(self.lane_of)
        records = self.ledger.look(names)
        assert all(record is not None for record in records)
        assert sum(self.ledger.census().values()) == len(names)
        # Two on their last chance together would not show which of them kills.
        suspects = [record for record in records if record.state in OPEN and record.losses == RULES.max_losses]
        assert sum(record.at_ms != PARKED_MS for record in suspects) <= 1
        for name, record in zip(names, records, strict=True):
            assert (record.state is State.DONE) == (name in self.committed)
            before = self.ended.get(name)
            # The desk alone moves a job on from where it ended, and only off the desk.
            assert before in (None, record.state) or (before, record.state) == (State.DEAD, State.DROPPED)
            if record.state not in OPEN:
                self.ended[name] = record.state

    def claim(self, job_ids, worker):
        for answer in self.ledger.claim(job_ids, worker, LEASE_MS):
            if isinstance(answer, Grant):
                assert answer.fence > self.fences.get(answer.job_id, 0)
                assert answer.losses <= RULES.max_losses
                self.fences[answer.job_id] = answer.fence
                self.grants.append(answer)

    def finish(self, grant):
        (answer,) = self.ledger.commit([(grant, f"{grant.fence}")])
        if answer is Commitment.COMMITTED:
            assert grant.job_id not in self.committed, "committed twice"
            assert grant.fence == self.fences[grant.job_id], "an older grant won"
            self.committed[grant.job_id] = grant.fence

    def settle(self, swept, *, is_published):
        for grant, _ in swept.condemned:
            self.fences[grant.job_id] = max(grant.fence, self.fences.get(grant.job_id, 0))
        if is_published:
            self.queue += [record.job_id for record in (*swept.alone, *swept.together)]
            self.ledger.bury([Burial(grant, State.DEAD, "worker_lost", "") for grant, _ in swept.condemned])

    def drain(self):
        """Once faults stop, everything ends, whatever happened before."""
        self.grants.clear()
        for _ in range(6 + 2 * len(self.lane_of)):
            self.clock.pass_ms(2 * DAY_MS)
            self.sweep(is_published=True)
            taken, self.queue = list(dict.fromkeys(self.queue)), []
            self.claim(taken, "last")
            while self.grants:
                self.finish(self.grants.pop())
        census = self.ledger.census()
        assert (census[State.QUEUED], census[State.CLAIMED]) == (0, 0), "jobs were lost"
        while self.frozen:
            self.finish(self.frozen.pop())
        self.every_job_stands_somewhere_and_no_end_is_undone()


@pytest.mark.parametrize(("kind", "examples"), [("valkey", 100), ("sqlite", 40), ("postgres", 12)])
def test_nothing_is_lost_or_doubled(kind, examples, server, request):
    databases = request.getfixturevalue("databases") if kind == "postgres" else None

    def open_empty(self, folder, clock):
        return ledger_opener(kind, server=server, folder=folder, clock=clock, databases=databases)()

    machine = type("Machine", (LedgerMachine,), {"open_empty": open_empty})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None, database=None)
    )
