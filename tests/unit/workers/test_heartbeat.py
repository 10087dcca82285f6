"""The heartbeat: what is held is renewed, what was taken is noticed, what hangs is not kept alive for ever."""

import threading

import pytest

from workers.errors import LedgerUnavailable
from workers.lease import Heart
from workers.ledger.protocol import Grant

A, B = Grant("a", 1, "w", 1, 0), Grant("b", 1, "w", 1, 0)


class Ledger:
    """Remembers renewals; ``taken``: jobs that another has since."""

    def __init__(self):
        self.beats = []
        self.taken = set()
        self.failures = 0
        self.beaten = threading.Event()

    def renew(self, grants, lease_ms):
        self.beats.append(sorted(grant.job_id for grant in grants))
        self.beaten.set()
        if self.failures:
            self.failures -= 1
            raise LedgerUnavailable("gone.")
        return [grant.job_id not in self.taken for grant in grants]

    def await_beats(self, number):
        while len(self.beats) < number:
            self.beaten.clear()
            assert self.beaten.wait(20)


class SilentLog:
    def __getattr__(self, level):
        return lambda event, **fields: None


@pytest.fixture
def ledger():
    return Ledger()


def heart_of(ledger, lease_s=0.03, limit_s=60.0):
    return Heart(ledger, SilentLog(), lease_s=lease_s, limit_s=limit_s)


def test_what_is_held_is_renewed_until_it_is_let_go(ledger):
    heart = heart_of(ledger)
    with heart.holding([A, B]):
        ledger.await_beats(3)
    with heart.holding([B]):
        ledger.await_beats(len(ledger.beats) + 2)
    assert ledger.beats[0] == ["a", "b"]
    assert ledger.beats[-1] == ["b"]


def test_a_job_that_was_taken_is_known_and_no_longer_renewed(ledger):
    ledger.taken.add("a")
    with heart_of(ledger).holding([A, B]) as lease:
        ledger.await_beats(3)
        assert (lease.stands("a"), lease.stands("b")) == (False, True)
    assert ledger.beats[-1] == ["b"]


def test_a_beat_that_fails_takes_nothing_away(ledger):
    ledger.failures = 2
    with heart_of(ledger).holding([A]) as lease:
        ledger.await_beats(4)
        assert lease.stands("a")


def test_what_hangs_beyond_the_limit_is_left_to_the_sweep(ledger):
    heart = heart_of(ledger, limit_s=-1)
    with heart.holding([A]), heart.holding([B]) as other:
        other.ends_at += 100
        ledger.await_beats(3)
    assert {tuple(names) for names in ledger.beats} == {("b",)}


def test_a_lease_is_confirmed_before_writing_only_if_the_last_beat_was_long_ago(ledger, monkeypatch):
    heart = heart_of(ledger, lease_s=3000)
    with heart.holding([A]) as lease:
        heart.confirm(lease)
        assert ledger.beats == []
        ledger.taken.add("a")
        frozen_until = lease.renewed_at + 5000
        monkeypatch.setattr("workers.lease.time.monotonic", lambda: frozen_until)
        heart.confirm(lease)
        assert not lease.stands("a")
        assert ledger.beats == [["a"]]
