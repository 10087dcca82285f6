"""Prints invoices with one warm Chromium over its DevTools pipe: ``Page.setDocumentContent``, ``Page.printToPDF``.

The browser listens nowhere: it reads commands from a pipe and ends when that closes. What is still there after that
is killed, whatever happened before.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.peers import form, pdf_html
from bench.peers.pdf_peer import Draw, PeerFonts, PeerMissing
from bench.peers.pdf_sheet import sheets
from render.model.invoice import Invoice

_PROGRAMS = ("chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome")
_REMEDY = "not installed: apt-get install chromium-headless-shell (or chromium)"
_SWITCHES = (
    "--headless",
    "--remote-debugging-pipe",
    # Root may not use the sandbox; the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
)
_COMMANDS_FD, _ANSWERS_FD = 3, 4
_FREE_FD = 10
_ANSWER_S = 60.0
_END_S = 5.0
_POLL_S = 0.02
_CHUNK = 1 << 20
_MM_AN_INCH = 25.4
_PROC = Path("/proc")


@contextmanager
def open_peer(fonts: PeerFonts) -> Iterator[tuple[str, Draw]]:
    """Yield the peer's name with its version, and what draws an invoice.

    Raises:
        PeerMissing: no Chromium is installed, or it does not start.
    """
    program = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        raise PeerMissing(_REMEDY)
    style = pdf_html.style_sheet(fonts)
    width, height = (length / _MM_AN_INCH for length in form.PAGE_MM)
    settings = {
        "paperWidth": width,
        "paperHeight": height,
        **dict.fromkeys(("marginTop", "marginBottom", "marginLeft", "marginRight"), 0),
        "printBackground": True,
        "preferCSSPageSize": True,
        # Tags cost it a sixth of its time and a quarter of its bytes, and the others write none.
        "generateTaggedPDF": False,
    }
    with _browser(program) as pipe:
        version = pipe.call("Browser.getVersion", {})["product"]
        target = pipe.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = pipe.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        frame = pipe.call("Page.getFrameTree", {}, session)["frameTree"]["frame"]["id"]

        def draw(invoice: Invoice) -> bytes:
            html = f"<!DOCTYPE html><style>{style}</style><body>{pdf_html.body(sheets(invoice), fonts)}</body>"
            pipe.call("Page.setDocumentContent", {"frameId": frame, "html": html}, session)
            return base64.b64decode(pipe.call("Page.printToPDF", settings, session)["data"])

        yield f"Chromium {version.partition('/')[2]} ({Path(program).name})", draw


class _Pipe:
    """Commands to a browser and its answers, JSON ended by a zero byte."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._number = 0

    def call(self, method: str, arguments: dict[str, Any], session: str = "") -> dict[str, Any]:
        """Return what the browser answers to a command.

        Raises:
            RuntimeError: it answers with an error, not in time, or is gone.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if session:
            message["sessionId"] = session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._commands, left) :]
        deadline = time.monotonic() + _ANSWER_S
        while True:
            answer = json.loads(self._message(deadline, method))
            if answer.get("id") != self._number:
                continue
            if "error" in answer:
                raise RuntimeError(f"Chromium refuses {method}: {answer['error'].get('message')}")
            result: dict[str, Any] = answer["result"]
            return result

    def _message(self, deadline: float, method: str) -> bytes:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise RuntimeError(f"Chromium does not answer {method} within {_ANSWER_S:.0f} s")
            data = os.read(self._answers, _CHUNK)
            if not data:
                raise RuntimeError(f"Chromium ended before it answered {method}")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return message


@contextmanager
def _browser(program: str) -> Iterator[_Pipe]:
    """Start a browser with a profile of its own; end it and all that it started."""
    with TemporaryDirectory(prefix="kaipiao-bench-", ignore_cleanup_errors=True) as folder:
        child_reads, commands = _high_pipe()
        answers, child_writes = _high_pipe()
        arguments = [program, *_SWITCHES, f"--user-data-dir={folder}/profile", "about:blank"]
        try:
            pid = os.posix_spawn(
                program,
                arguments,
                {**os.environ, "HOME": folder},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, child_reads, _COMMANDS_FD),
                    (os.POSIX_SPAWN_DUP2, child_writes, _ANSWERS_FD),
                ],
                setsid=True,
            )
        finally:
            os.close(child_reads)
            os.close(child_writes)
        try:
            yield _Pipe(commands, answers)
        finally:
            # The end of the commands tells the browser to close.
            os.close(commands)
            os.close(answers)
            _end(pid)


def _high_pipe() -> tuple[int, int]:
    """Return a pipe whose ends are not among the numbers that the browser expects."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FREE_FD) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]


def _end(leader: int) -> None:
    """Wait for a browser to close, then kill what is left of its session."""
    deadline = time.monotonic() + _END_S
    while os.waitpid(leader, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(leader, signal.SIGKILL)
            os.waitpid(leader, 0)
            break
        time.sleep(_POLL_S)
    deadline = time.monotonic() + _END_S
    while (left := session_members(leader)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def session_members(session: int) -> list[int]:
    """Return the processes of a session that are still running."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            # A process may end while it is looked at.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state, _, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(its_session) == session and state != "Z":
                    found.append(int(entry.name))
    return found
