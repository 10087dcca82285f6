"""Real brokers and real worker processes for tests, each ended by its test."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from workers.broker import EmbeddedBroker
from workers.client import PoolClient
from workers.config import WorkerSettings

ROOT = Path(__file__).parents[2]
KAIPIAO = [sys.executable, "-c", "from workers.cli import main; main()"]
ENGINE = "tests.workers.fake_engine:build"


def need(program):
    """Skip where a program is missing, fail where CI_REQUIRES names it."""
    path = shutil.which(program)
    if path is None:
        if {program, "broker"} & set(os.environ.get("CI_REQUIRES", "").split(",")):
            pytest.fail(f"CI_REQUIRES names {program} or broker, but it is not installed", pytrace=False)
        pytest.skip(f"{program} is not installed")
    return path


@dataclass
class Pool:
    """Settings, client, and the environment of worker processes."""

    home: Path
    environment: dict

    @property
    def settings(self):
        return WorkerSettings.from_mapping(self.environment)

    @property
    def client(self):
        return PoolClient(self.settings)

    @property
    def engine_log(self):
        path = Path(self.environment["FAKE_ENGINE_LOG"])
        return path.read_text().splitlines() if path.exists() else []

    def end_all(self, job_ids, timeout_s=60):
        """Wait for jobs and return their statuses by id."""
        return {status.job_id: status for status in self.client.follow(job_ids, timeout_s)}


def make_pool(home, **settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAIPIAO_")}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "FAKE_ENGINE_LOG": str(home / "engine.log"),
        "KAIPIAO_HOME": str(home),
        "KAIPIAO_ENGINE": ENGINE,
        **{f"KAIPIAO_{name.upper()}": str(value) for name, value in settings.items()},
    }
    return Pool(home, environment)


@contextmanager
def embedded_broker(pool):
    with EmbeddedBroker(pool.settings) as broker:
        yield broker


class RedisServer:
    """Debian's redis-server on a port of the loopback; it remembers nothing beyond its end."""

    def __init__(self, folder):
        self._program = need("redis-server")
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process = None

    def start(self):
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port) as client:
            wait_until(lambda: _pings(client), 10)

    def kill(self):
        self._process.kill()
        self._process.wait()


@contextmanager
def redis_server(folder):
    """Run a server and yield its URL."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.kill()


def _pings(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


@contextmanager
def celery_worker(pool, concurrency=2):
    """Run Celery's own command line as a process; every process of it has ended afterwards."""
    command = ["-m", "celery", "-q", "-A", "workers.celery_app", "worker", "-c", str(concurrency), "-P", "prefork"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with _process([sys.executable, *command, *quiet], pool) as process:
        yield process


@contextmanager
def kaipiao_worker(pool, *options):
    """Run the worker command as a process."""
    with _process([*KAIPIAO, "worker", *options], pool) as process:
        yield process


@contextmanager
def _process(command, pool):
    log = (pool.home / "worker.log").open("ab")
    with log:
        process = subprocess.Popen(command, env=pool.environment, cwd=pool.home, stderr=log, stdout=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            kill_tree(process.pid)
        process.wait()


def signal_tree(pid, number):
    """Send a signal to a process and its descendants."""
    for member in (pid, *descendants_of(pid)):
        os.kill(member, number)


def kill_tree(pid):
    """SIGKILL a process and its descendants, each stopped first so that none can react."""
    os.kill(pid, signal.SIGSTOP)
    family = [pid, *descendants_of(pid)]
    for member in family:
        os.kill(member, signal.SIGKILL)


def descendants_of(pid):
    family = [pid]
    for member in family:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            family += [int(child) for child in task.read_text().split()]
    return family[1:]


def program_of(pid):
    """Return the name of a running process's program; empty if it has ended."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except FileNotFoundError:
        return ""
    return "" if rest.split()[0] == "Z" else name


def wait_until(claim, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "what was waited for did not come true"
        time.sleep(0.05)
