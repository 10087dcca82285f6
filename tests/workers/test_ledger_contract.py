"""What every kind of ledger does, in the same words for each."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from render.errors import ConfigError
from tests.workers.ledgers import KINDS, LEASE_MS, RULES, STALE_MS, Clock, entry, ledger_opener
from workers.errors import LedgerUnavailable
from workers.ledger.opening import can_hold_a_ledger, open_ledger
from workers.ledger.protocol import Burial, Commitment, Grant, Recorded, Refusal, Retry, State, Swept
from workers.ledger.redis_ledger import RedisLedger
from workers.ledger.sqlite import SqliteDatabase


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=KINDS)
def open_same(request, server, tmp_path, clock):
    """Return a function that opens one and the same ledger."""
    databases = request.getfixturevalue("databases") if request.param == "postgres" else None
    opener = ledger_opener(request.param, server=server, folder=tmp_path, clock=clock, databases=databases)
    opened = []

    def open_it():
        opened.append(opener())
        return opened[-1]

    yield open_it
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_same):
    return open_same()


def grant(ledger, job_id="a", holder="w1"):
    (granted,) = ledger.claim([job_id], holder, LEASE_MS)
    assert isinstance(granted, Grant), granted
    return granted


def state(ledger, job_id="a"):
    return ledger.look([job_id])[0].state


def ids(records):
    return [record.job_id for record in records]


def test_a_recorded_job_is_queued_with_its_message(ledger, clock):
    assert ledger.record([entry("a", message='{"票": "\\u0000 / 一"}')]) == [Recorded.NEW]
    (record,) = ledger.look(["a"])
    assert (record.state, record.lane, record.digest, record.message) == (
        State.QUEUED, "issue", "sm3:1", '{"票": "\\u0000 / 一"}',
    )  # fmt: skip
    assert (record.created_ms, record.published_ms, record.attempts) == (clock.now, clock.now, 0)


def test_nothing_is_asked_and_nothing_is_answered(ledger):
    assert ledger.record([]) == ledger.claim([], "w", 1) == ledger.commit([]) == ledger.look([]) == []
    assert ledger.sweep(RULES) == Swept()
    assert ledger.standing(State.DEAD, 9) == []
    assert ledger.look(["unknown"]) == [None]


def test_an_id_stands_for_one_piece_of_work(ledger):
    ledger.record([entry("a")])
    assert ledger.record([entry("a"), entry("a", digest="sm3:2"), entry("b")]) == [
        Recorded.KNOWN, Recorded.CONFLICT, Recorded.NEW,
    ]  # fmt: skip
    ledger.commit([(grant(ledger), "r")])
    assert ledger.record([entry("a"), entry("a", digest="sm3:2")]) == [Recorded.ENDED, Recorded.CONFLICT]
    assert state(ledger) is State.DONE


def test_a_job_is_granted_once_at_a_time_with_a_growing_fence(ledger, clock):
    ledger.record([entry("a"), entry("b")])
    first, unknown, other = ledger.claim(["a", "x", "b"], "w1", LEASE_MS)
    assert (first.job_id, first.holder, first.attempts, first.losses, first.failures) == ("a", "w1", 1, 0, 0)
    assert (unknown, other.job_id) == (Refusal.UNKNOWN, "b")
    assert ledger.claim(["a", "a"], "w2", LEASE_MS) == [Refusal.HELD, Refusal.HELD]
    # Only a sweep takes back what was lost, so that losses are counted in one place.
    clock.pass_ms(LEASE_MS * 2)
    assert ledger.claim(["a"], "w2", LEASE_MS) == [Refusal.HELD]
    ledger.sweep(RULES)
    second = grant(ledger, holder="w2")
    assert second.fence > first.fence
    assert (second.attempts, second.losses, second.failures) == (2, 1, 0)


def test_an_id_is_granted_only_for_the_work_that_was_recorded(ledger):
    ledger.record([entry("a"), entry("b")])
    answers = ledger.claim(["a", "b"], "w1", LEASE_MS, ["sm3:other", "sm3:1"])
    assert answers[0] is Refusal.CONFLICT
    assert answers[1].job_id == "b"
    assert state(ledger) is State.QUEUED


def test_the_fence_grows_although_the_clock_goes_back(ledger, clock):
    ledger.record([entry("a")])
    first = grant(ledger)
    ledger.retry([Retry(first, 0, "x")])
    clock.pass_ms(-3_600_000)
    assert grant(ledger).fence > first.fence


def test_the_first_commit_wins_and_the_same_one_again_changes_nothing(ledger):
    ledger.record([entry("a")])
    granted = grant(ledger)
    assert ledger.commit([(granted, "receipt")]) == [Commitment.COMMITTED]
    assert ledger.commit([(granted, "other")]) == [Commitment.ALREADY]
    (record,) = ledger.look(["a"])
    assert (record.state, record.receipt, record.message) == (State.DONE, "receipt", "")
    assert ledger.claim(["a"], "w2", LEASE_MS) == [Refusal.ENDED]


def test_a_holder_whose_lease_was_taken_back_is_fenced_out_of_everything(ledger, clock):
    ledger.record([entry("a")])
    frozen = grant(ledger)
    clock.pass_ms(LEASE_MS)
    assert ids(ledger.sweep(RULES).alone) == ["a"]

    def is_fenced():
        return (
            ledger.commit([(frozen, "late")]) == [Commitment.FENCED]
            and ledger.renew([frozen], LEASE_MS) == [False]
            and ledger.retry([Retry(frozen, 0, "x")]) == [False]
            and ledger.bury([Burial(frozen, State.DEAD, "x", "y")]) == [False]
        )

    assert is_fenced()
    second = grant(ledger, holder="w2")
    assert is_fenced()
    assert ledger.commit([(second, "in time")]) == [Commitment.COMMITTED]
    assert is_fenced()
    assert ledger.look(["a"])[0].receipt == "in time"


def test_a_grant_must_match_by_fence_and_by_holder(ledger):
    ledger.record([entry("a")])
    granted = grant(ledger)
    assert ledger.commit([(replace(granted, holder="w9"), "r")]) == [Commitment.FENCED]
    assert ledger.commit([(replace(granted, fence=granted.fence + 1), "r")]) == [Commitment.FENCED]
    assert ledger.give_back(["a"], "w9") == [False]
    assert state(ledger) is State.CLAIMED


def test_a_heartbeat_keeps_a_lease(ledger, clock):
    ledger.record([entry("a")])
    granted = grant(ledger)
    for _ in range(5):
        clock.pass_ms(LEASE_MS - 1)
        assert ledger.sweep(RULES) == Swept()
        assert ledger.renew([granted], LEASE_MS) == [True]
    clock.pass_ms(LEASE_MS)
    assert ids(ledger.sweep(RULES).alone) == ["a"]


def test_failures_and_losses_are_counted_apart(ledger, clock):
    ledger.record([entry("a")])
    for failures in range(3):
        granted = grant(ledger)
        assert (granted.attempts, granted.losses, granted.failures) == (failures + 1, 0, failures)
        assert ledger.retry([Retry(granted, 1000, "store_failed")]) == [True]
    grant(ledger)
    clock.pass_ms(LEASE_MS)
    ledger.sweep(RULES)
    again = grant(ledger)
    assert (again.attempts, again.losses, again.failures) == (5, 1, 3)
    assert ledger.look(["a"])[0].code == "store_failed"


def test_a_job_that_is_lost_too_often_is_condemned_and_buried_by_the_sweeper(ledger, clock):
    ledger.record([entry("a")])
    for _ in range(RULES.max_losses):
        grant(ledger)
        clock.pass_ms(LEASE_MS)
        swept = ledger.sweep(RULES)
        assert (ids(swept.alone), swept.condemned) == (["a"], ())
    grant(ledger)
    clock.pass_ms(LEASE_MS)
    swept = ledger.sweep(RULES)
    assert swept.alone == ()
    ((condemned, record),) = swept.condemned
    assert (record.job_id, record.losses, condemned.holder) == ("a", 3, "sweeper")
    assert record.message == entry("a").message
    # A sweeper that dies here leaves the job to the next.
    assert ledger.sweep(RULES).condemned == ()
    clock.pass_ms(LEASE_MS)
    ((again, _),) = ledger.sweep(RULES).condemned
    assert ledger.bury([Burial(condemned, State.DEAD, "worker_lost", "x")]) == [False]
    assert ledger.bury([Burial(again, State.DEAD, "worker_lost", "died")]) == [True]
    (record,) = ledger.standing(State.DEAD, 10)
    assert (record.code, record.reason, record.message) == ("worker_lost", "died", entry("a").message)


def test_jobs_on_their_last_chance_run_one_at_a_time(ledger, clock):
    ledger.record([entry("a"), entry("b"), entry("c")])
    for _ in range(RULES.max_losses):
        for job_id in "abc":
            grant(ledger, job_id)
        clock.pass_ms(LEASE_MS)
        swept = ledger.sweep(RULES)
    alone, seen = ids(swept.alone), []
    assert swept.suspects == 3
    for _ in range(3):
        (name,) = alone
        seen.append(name)
        assert ledger.claim([each for each in "abc" if each not in seen], "w", LEASE_MS) == [Refusal.HELD] * (
            3 - len(seen)
        )
        clock.pass_ms(STALE_MS - 1)
        assert ids(ledger.sweep(RULES).alone) == []
        ledger.commit([(grant(ledger, name), "r")])
        swept = ledger.sweep(RULES)
        alone = ids(swept.alone)
        assert swept.suspects == 3 - len(seen)
    assert (sorted(seen), alone) == (["a", "b", "c"], [])
    assert ledger.census()[State.DONE] == 3


def test_what_its_holder_gives_back_is_no_attempt(ledger):
    ledger.record([entry("a")])
    grant(ledger)
    assert ledger.give_back(["a", "x"], "w1") == [True, False]
    again = grant(ledger)
    assert (again.attempts, again.losses) == (1, 0)


def test_jobs_of_a_dead_holder_need_not_wait_for_their_leases(ledger):
    ledger.record([entry("a"), entry("b")])
    grant(ledger, "a", "dead")
    grant(ledger, "b", "alive")
    assert ids(ledger.lose(["a", "b", "x"], "dead", RULES).alone) == ["a"]
    assert (state(ledger, "a"), state(ledger, "b")) == (State.QUEUED, State.CLAIMED)
    grant(ledger, "a", "dead")
    ((condemned, _),) = ledger.lose(["a"], "dead", replace(RULES, max_losses=-1)).condemned
    assert ledger.bury([Burial(condemned, State.DEAD, "job_timeout", "")]) == [True]


def test_what_was_given_back_tells_nothing_about_the_messages_behind_it(ledger, clock):
    ledger.record([entry("first")])
    clock.pass_ms(10)
    ledger.record([entry("waits")])
    clock.pass_ms(STALE_MS)
    grant(ledger, "first", "stops")
    # Its message goes back to the front of the queue, and whoever is next takes it from there.
    assert ledger.give_back(["first"], "stops") == [True]
    assert ledger.sweep(RULES) == Swept()
    grant(ledger, "first", "next")
    assert ledger.sweep(RULES) == Swept()


def test_a_message_that_must_have_been_taken_is_published_again(ledger, clock):
    ledger.record([entry("lost"), entry("other lane", lane="bulk")])
    clock.pass_ms(10)
    ledger.record([entry("later")])
    clock.pass_ms(STALE_MS)
    # Nothing later was taken, so the queue may simply be long.
    assert ledger.sweep(RULES) == Swept()
    grant(ledger, "later")
    assert ids(ledger.sweep(RULES).together) == ["lost"]
    assert ledger.look(["lost"])[0].republished == 1
    assert ledger.sweep(RULES) == Swept()


def test_what_was_recorded_together_may_still_wait_in_a_long_queue(ledger, clock):
    ledger.record([entry(f"j{number}") for number in range(5)])
    grant(ledger, "j0")
    clock.pass_ms(STALE_MS)
    assert ledger.sweep(replace(RULES, lease_ms=STALE_MS * 9)).together == ()


def test_an_empty_queue_means_that_messages_were_lost(ledger, clock):
    ledger.record([entry("a"), entry("b", lane="bulk")])
    idle = replace(RULES, idle_lanes=("issue",))
    clock.pass_ms(STALE_MS - 1)
    assert ledger.sweep(idle) == Swept()
    clock.pass_ms(1)
    assert ids(ledger.sweep(idle).together) == ["a"]


def test_publishing_again_waits_twice_as_long_each_time(ledger, clock):
    ledger.record([entry("a")])
    idle = replace(RULES, idle_lanes=("issue",))
    waits, waited = [], 0
    while len(waits) < 9:
        clock.pass_ms(STALE_MS // 4)
        waited += STALE_MS // 4
        if ledger.sweep(idle).together:
            waits.append(waited // STALE_MS)
            waited = 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_a_job_that_waits_for_its_retry_is_not_taken_for_lost(ledger, clock):
    ledger.record([entry("a")])
    ledger.retry([Retry(grant(ledger), 32_000, "x")])
    idle = replace(RULES, idle_lanes=("issue",))
    clock.pass_ms(32_000 + STALE_MS - 1)
    assert ledger.sweep(idle) == Swept()
    clock.pass_ms(1)
    assert ids(ledger.sweep(idle).together) == ["a"]


def test_a_sweep_is_bounded(ledger, clock):
    ledger.record([entry(f"j{number}") for number in range(10)])
    ledger.claim([f"j{number}" for number in range(5)], "w", LEASE_MS)
    clock.pass_ms(STALE_MS)
    rules = replace(RULES, idle_lanes=("issue",), limit=3)
    sizes = []
    while (swept := ledger.sweep(rules)) != Swept():
        sizes.append((len(swept.alone), len(swept.together)))
    assert sizes == [(3, 3), (2, 2)]


def test_the_desk_replays_and_drops_the_dead_alone(ledger):
    ledger.record([entry("a"), entry("b"), entry("c")])
    ledger.bury([Burial(grant(ledger, name), State.DEAD, "x", "y") for name in "ab"])
    assert ledger.replay(["c", "x"]) == [None, None]
    (replayed,) = ledger.replay(["a"])
    assert (replayed.state, replayed.message, replayed.code) == (State.QUEUED, entry("a").message, "x")
    assert grant(ledger, "a").attempts == 1
    assert ledger.drop(["a", "b", "b"]) == [False, True, False]
    assert (state(ledger, "b"), ledger.look(["b"])[0].message) == (State.DROPPED, "")
    assert ledger.claim(["b"], "w", LEASE_MS) == [Refusal.ENDED]


def test_the_census_counts_every_job_once(ledger):
    ledger.record([entry(name, lane) for name, lane in zip("abcdef", ["issue", "bulk"] * 3, strict=True)])
    ledger.commit([(grant(ledger, "a"), "r")])
    ledger.bury([Burial(grant(ledger, "b"), State.DEAD, "x", ""), Burial(grant(ledger, "c"), State.REFUSED, "x", "")])
    grant(ledger, "d")
    ledger.bury([Burial(grant(ledger, "e"), State.DEAD, "x", "")])
    ledger.drop(["e"])
    assert ledger.census() == dict.fromkeys(State, 1)


def test_the_pulse_tells_since_when_work_waits_and_when_some_last_ended(ledger, clock):
    assert (ledger.pulse().due_ms, ledger.pulse().ended_ms) == (0, 0)
    ledger.record([entry("a")])
    due = clock.now
    clock.pass_ms(5)
    ledger.record([entry("b", lane="bulk"), entry("c")])
    assert (ledger.pulse().now_ms, ledger.pulse().due_ms, ledger.pulse().ended_ms) == (clock.now, due, 0)
    ledger.retry([Retry(grant(ledger, "a"), 1000, "x")])
    assert ledger.pulse().due_ms == due + 5
    clock.pass_ms(1)
    ledger.bury([Burial(grant(ledger, "b"), State.DEAD, "x", "")])
    assert ledger.pulse().ended_ms == clock.now
    ledger.commit([(grant(ledger, "c"), "r")])
    assert ledger.pulse().due_ms == due + 1005


def test_a_job_that_waits_for_its_turn_is_not_due(ledger, clock):
    ledger.record([entry("a"), entry("b")])
    for _ in range(RULES.max_losses):
        ledger.claim(["a", "b"], "w", LEASE_MS)
        clock.pass_ms(LEASE_MS)
        ledger.sweep(RULES)
    grant(ledger, "a")
    assert ledger.pulse().due_ms == 0


def test_states_are_told_without_the_rest(ledger):
    ledger.record([entry("a"), entry("b")])
    grant(ledger, "b")
    assert ledger.states(["b", "x", "a"]) == [State.CLAIMED, None, State.QUEUED]
    assert ledger.states([]) == []


def test_any_text_can_be_a_reason(ledger):
    ledger.record([entry("a")])
    ledger.bury([Burial(grant(ledger), State.DEAD, "x", "nul \0, quote \" ' and 票")])
    reason = ledger.look(["a"])[0].reason
    assert reason.startswith("nul ")
    assert reason.endswith(""", quote " ' and 票""")


def test_jobs_of_a_state_come_in_pages(ledger, clock):
    for number in range(7):
        clock.pass_ms(1)
        ledger.record([entry(f"j{number}", lane="issue")])
    pages = [ids(ledger.standing(State.QUEUED, 3, offset)) for offset in (0, 3, 6)]
    assert pages == [["j0", "j1", "j2"], ["j3", "j4", "j5"], ["j6"]]


def test_what_has_ended_is_forgotten_in_time_but_not_the_dead(ledger, clock):
    ledger.record([entry(name) for name in "abcd"])
    ledger.commit([(grant(ledger, "a"), "r")])
    ledger.bury([Burial(grant(ledger, "b"), State.REFUSED, "x", ""), Burial(grant(ledger, "c"), State.DEAD, "x", "")])
    assert ledger.prune(1000) == 0
    clock.pass_ms(1000)
    assert ledger.prune(1000) == 2
    assert [record and record.state for record in ledger.look(list("abcd"))] == [None, None, State.DEAD, State.QUEUED]


def test_a_nonce_is_spent_once(ledger):
    assert ledger.spent(["n"]) == [False]
    assert ledger.spend(["n", "m"], 60_000) == [True, True]
    assert ledger.spend(["n"], 60_000) == [False]
    assert ledger.spent(["n", "m", "o"]) == [True, True, False]


def run_at_once(work, arguments):
    """Run a function in a thread for each argument, all at the same moment, and return what each gave."""
    barrier = threading.Barrier(len(arguments))

    def begin(argument):
        barrier.wait()
        return work(argument)

    with ThreadPoolExecutor(len(arguments)) as threads:
        return list(threads.map(begin, arguments))


def test_of_many_claims_at_once_one_is_granted(open_same):
    names = [f"j{number}" for number in range(40)]
    ledgers = [open_same() for _ in range(6)]
    ledgers[0].record([entry(name) for name in names])

    def claim(number):
        order = names if number % 2 else names[::-1]
        parts = [order[:20], order[20:]]
        return [each for part in parts for each in ledgers[number].claim(part, f"w{number}", LEASE_MS)]

    granted = [each for part in run_at_once(claim, range(6)) for each in part if isinstance(each, Grant)]
    assert sorted(each.job_id for each in granted) == sorted(names)


def test_of_many_records_at_once_one_is_new(open_same):
    names = [f"j{number}" for number in range(40)]
    ledgers = [open_same() for _ in range(6)]

    def record(number):
        order = names if number % 2 else names[::-1]
        return ledgers[number].record([entry(name, digest=f"sm3:{number // 2}") for name in order])

    answers = [each for part in run_at_once(record, range(6)) for each in part]
    assert answers.count(Recorded.NEW) == len(names)
    # Of six who write, two bring the same work.
    assert answers.count(Recorded.KNOWN) == len(names)


def test_of_many_sweepers_at_once_one_finds_a_job(open_same, clock):
    names = [f"j{number}" for number in range(60)]
    ledgers = [open_same() for _ in range(4)]
    ledgers[0].record([entry(name) for name in names])
    ledgers[0].claim(names[:30], "w", LEASE_MS)
    clock.pass_ms(STALE_MS)
    rules = replace(RULES, idle_lanes=("issue",))
    swept = run_at_once(lambda number: ledgers[number].sweep(rules), range(4))
    found = [name for each in swept for name in ids((*each.alone, *each.together))]
    assert sorted(found) == sorted(names)


def test_time_is_the_servers_and_no_clients(server, monkeypatch):
    """Two clients whose clocks are a day apart: a lease of a minute stands for both."""
    ledger = RedisLedger(server, prefix="{test}:time")
    ledger.record([entry("a")])
    granted = grant(ledger)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert ledger.sweep(RULES) == Swept()
    with RedisLedger(server)._client as client:
        seconds, _ = client.time()
    assert abs(granted.fence - seconds * 1000) < 60_000


def test_a_file_is_shared_by_those_who_open_it(tmp_path):
    url = f"sqlite:///{tmp_path}/deep/ledger.db"
    first, second = open_ledger(url), open_ledger(url)
    first.record([entry("a")])
    assert grant(second).attempts == 1
    assert first.claim(["a"], "w", LEASE_MS) == [Refusal.HELD]
    assert (tmp_path / "deep" / "ledger.db").stat().st_mode & 0o077 == 0


def test_a_ledger_that_is_gone_says_so(tmp_path):
    with pytest.raises(LedgerUnavailable, match="KAIPIAO_LEDGER"):
        open_ledger(f"unix://{tmp_path}/none.sock").claim(["a"], "w", 1)
    ledger = open_ledger(f"sqlite:///{tmp_path}/l.db")
    ledger._database._connection.execute("DROP TABLE jobs")
    with pytest.raises(LedgerUnavailable, match="KAIPIAO_LEDGER"):
        ledger.look(["a"])
    assert ledger.spend(["n"], 1) == [True]


@pytest.mark.parametrize("url", ["mysql://x/y", "", "sqlite://host/x", "sqlite:///", "redis://host:port/0"])
def test_addresses_that_mean_no_ledger_are_refused(url):
    with pytest.raises(ConfigError, match=r"KAIPIAO_LEDGER|address of Redis"):
        open_ledger(url)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    with pytest.raises(ConfigError, match="cannot be opened"):
        SqliteDatabase(tmp_path / "x.db")


def test_which_brokers_can_hold_a_ledger():
    assert can_hold_a_ledger("redis+socket:///x")
    assert can_hold_a_ledger("rediss://h/0")
    assert not can_hold_a_ledger("amqp://h")


def test_a_job_that_is_held_has_not_failed(ledger):
    ledger.record([entry("a")])
    for _ in range(5):
        (granted,) = ledger.claim(["a"], "w1", LEASE_MS)
        assert (granted.attempts, granted.failures) == (1, 0)
        assert ledger.retry([Retry(granted, 0, "waiting_for_key", counts=False)]) == [True]
        assert ledger.look(["a"])[0].code == "waiting_for_key"
    (granted,) = ledger.claim(["a"], "w1", LEASE_MS)
    ledger.retry([Retry(granted, 0, "store_failed")])
    (granted,) = ledger.claim(["a"], "w1", LEASE_MS)
    assert granted.failures == 1
