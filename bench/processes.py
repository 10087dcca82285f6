"""Starts processes that are all ended again: each carries a mark in its environment, and marks can be looked for."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

MARK = "DEMO_PROCESS_MARK"
_PROC = Path("/proc")
_POLL_S = 0.05


class ProcessGroup:
    """Processes started here, and whatever they start, down to servers that leave their parent.

    Args:
        log_folder: where each process writes what it says.
    """

    def __init__(self, log_folder: Path) -> None:
        self.mark = secrets.token_hex(8)
        self._logs = log_folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a process that Ctrl-C does not reach: this group ends it in order."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**environment, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def log(self, name: str, last: int = 12) -> str:
        """Return the last rows that a process wrote."""
        path = self._logs / f"{name}.log"
        rows = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        return "\n".join(rows[-last:])

    def ended(self) -> list[int]:
        """Return the exit codes of processes that are no longer running."""
        return [code for process in self._started if (code := process.poll()) is not None]

    def stop_started(self, patience_s: float = 20.0) -> None:
        """Ask the processes that were started here to end, and wait for them."""
        for process in reversed(self._started):
            if process.poll() is None:
                process.terminate()
        _wait_until(lambda: len(self.ended()) == len(self._started), patience_s)

    def stop(self, patience_s: float = 20.0) -> list[int]:
        """Ask every process to end, insist with those that do not, and return what is still there after that."""
        self.stop_started(patience_s)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.alive():
                _send(pid, number)
            _wait_until(lambda: len(self.ended()) == len(self._started) and not self.alive(), patience_s / 4)
        return self.alive()

    def alive(self) -> list[int]:
        """Return the ids of running processes that carry the mark, this one apart."""
        wanted = f"{MARK}={self.mark}".encode()
        own = os.getpid()
        return [pid for pid in _process_ids() if pid != own and wanted in _environment(pid)]


@contextmanager
def marked(mark: str) -> Iterator[None]:
    """Give the mark to processes that other code starts meanwhile."""
    os.environ[MARK] = mark
    try:
        yield
    finally:
        del os.environ[MARK]


def _wait_until(condition: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _process_ids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    """Return the environment that a process was started with; nothing once it has ended."""
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
