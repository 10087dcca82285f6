"""Process trees that the fault suite starts, hurts and always ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import redis

from tests.workers.pool_processes import ROOT, descendants_of, kill_tree, need

CELERY = [sys.executable, "-m", "celery", "-q"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


# How the command lines of Celery's and of multiprocessing's spawned processes begin; those of trackers say "_tracker".
_RENDERS = b"spawn_main"


def _command_of(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A process with its descendants, logging to a file."""

    def __init__(self, command, environment, folder, name, prefix=()):
        self._command = [*prefix, *command]
        self._environment = environment
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._process = None
        self.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def is_alive(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def children(self):
        return descendants_of(self.pid) if self.is_alive else []

    def kill(self):
        """SIGKILL the whole tree."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                kill_tree(self.pid)
        self._process.wait()

    def kill_children(self):
        """SIGKILL the processes that render, and return them; what Celery keeps beside them lives on."""
        family = [child for child in self.children() if _RENDERS in _command_of(child)]
        for child in family:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return family

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self, patience_s=60):
        """SIGTERM, and wait for a warm end; return whether it came."""
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def said(self):
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def worker_command(concurrency=1):
    return [*CELERY, "-A", "workers.celery_app", "worker", "-c", str(concurrency), "-P", "prefork", *QUIET]


def bare_command(concurrency=1):
    return [*CELERY, "-A", "tests.chaos.bare_celery", "worker", "-c", str(concurrency), "-P", "prefork", *QUIET]


class RedisServer:
    """Debian's redis-server on a port of the loopback, which can be killed and started again with its data.

    Its append-only file is written before every answer: the usual ``everysec`` loses what it acknowledged up to two
    seconds before, if it is killed while the disk is busy.
    """

    def __init__(self, folder, *, append_only, port=None, options=()):
        self.folder = folder
        self.port = port or free_port()
        self._append_only = append_only
        self._options = options
        self._process = None
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self):
        return self._process.pid

    def start(self):
        keep = "yes" if self._append_only else "no"
        command = [need("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += [
            "--dir",
            str(self.folder),
            "--appendonly",
            keep,
            "--appendfsync",
            "always",
            "--maxmemory-policy",
            "noeviction",
        ]
        self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                else:
                    return

    def client(self):
        return redis.Redis(port=self.port, socket_timeout=5)

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class Stage(ExitStack):
    """Ends everything that was started on it, in the reverse order."""

    def redis(self, folder, *, append_only=True, **more):
        server = RedisServer(folder, append_only=append_only, **more)
        self.callback(server.kill)
        return server

    def worker(self, pool, name, concurrency=1, prefix=()):
        process = Process(worker_command(concurrency), pool.environment, pool.home, name, prefix)
        self.callback(process.kill)
        return process

    def bare_worker(self, environment, folder, name, concurrency=1):
        process = Process(bare_command(concurrency), environment, folder, name)
        self.callback(process.kill)
        return process


def bare_environment(folder, broker_url, *, is_careful):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KAIPIAO_", "CHAOS_"))}
    return environment | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "CHAOS_BROKER": broker_url,
        "CHAOS_LOG": str(folder / "bare.log"),
        "CHAOS_CAREFUL": "1" if is_careful else "",
    }


def lines_of(path):
    path = Path(path)
    return path.read_text().splitlines() if path.exists() else []
