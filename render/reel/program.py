"""FFmpeg as a child process: found, fed, read, watched, and its failures named."""

from __future__ import annotations

import fcntl
import functools
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from render.errors import BackendUnavailable, EncoderFailed, KaipiaoError, MalformedInput, StoreError
from render.reel.nvenc_failure import recognise

STALL_S = 120.0
"""A child that neither takes nor gives a byte for so long is ended."""

_PROBE_S = 30
_PIPE_BYTES = 1 << 20
_LOG_BYTES = 8192
_DISK_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
_UNWRITTEN = (*_DISK_FULL, "Error writing trailer", "av_interleaved_write_frame()")
_MISSING_ENCODER = re.compile(r"Unknown encoder '(\w+)'")
# FFmpeg begins a line with its part's name and its address in memory, which would differ each time.
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")


def find_ffmpeg() -> str:
    """Return the path of FFmpeg.

    Raises:
        BackendUnavailable: it is not on the PATH.
    """
    path = shutil.which("ffmpeg")
    if path is None:
        raise BackendUnavailable("FFmpeg is not on this machine.", hint="Run `kaipiao setup`, or install ffmpeg.")
    return path


@functools.cache
def version_of(path: str) -> str:
    """Return the version of an FFmpeg.

    Raises:
        BackendUnavailable: it does not run.
    """
    try:
        done = subprocess.run(  # noqa: S603 the path is the one found by find_ffmpeg
            [path, "-hide_banner", "-version"],
            capture_output=True,
            timeout=_PROBE_S,
            check=True,
            env=_environment(),
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BackendUnavailable(f"{path} does not run: {error}.", hint="Install ffmpeg anew.") from error
    first = done.stdout.decode("utf-8", "replace").partition("\n")[0]
    return first.removeprefix("ffmpeg version ").partition(" Copyright")[0].strip()


def compile_argv(
    path: str,
    source: str,
    source_options: Mapping[str, str],
    target: str,
    target_options: Mapping[str, str],
) -> list[str]:
    """Return the command that reads one source and writes one target, quietly and without asking."""
    import ffmpeg

    stream = ffmpeg.input(source, **source_options).output(target, **target_options)
    argv: list[str] = ffmpeg.compile(stream, cmd=path, overwrite_output=True)
    return [argv[0], "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", *argv[1:]]


class Child:
    """A running FFmpeg; leaving the context ends it, whatever happened.

    Args:
        argv: the command.
        stall_s: see STALL_S.

    Raises:
        BackendUnavailable: it cannot be started.
    """

    def __init__(self, argv: Sequence[str], *, stall_s: float = STALL_S) -> None:
        self._stall_s = stall_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 closed by __exit__
        try:
            self._process = subprocess.Popen(  # noqa: S603 argv is compiled here, never by a shell
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                env=_environment(),
                # Ctrl-C is ours to answer.
                process_group=0,
            )
        except OSError as error:
            self._log.close()
            raise BackendUnavailable(f"{argv[0]} cannot be started: {error}.", hint="Install ffmpeg anew.") from error
        self._stdin, self._stdout = _widened(self._process.stdin), _widened(self._process.stdout)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            pipe.close()
        self._log.close()

    def write(self, data: memoryview) -> None:
        """Hand all bytes to its standard input.

        Raises:
            KaipiaoError: it ended, or stalled; see :meth:`finish`.
        """
        descriptor = self._stdin.fileno()
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                self._wait(descriptor, select.POLLOUT)
            except BrokenPipeError as error:
                raise self._failure() from error

    def read_into(self, buffer: memoryview) -> int:
        """Fill a buffer from its standard output; return how many bytes there were, fewer only at the end.

        Raises:
            EncoderFailed: it stalled.
        """
        descriptor = self._stdout.fileno()
        filled = 0
        while filled < len(buffer):
            self._wait(descriptor, select.POLLIN)
            count = os.readv(descriptor, [buffer[filled:]])
            if not count:
                break
            filled += count
        return filled

    def finish(self) -> None:
        """Close its input and wait for its end.

        Raises:
            BackendUnavailable: it lacks an encoder, or the encoder a driver.
            StoreError: the disk is full.
            EncoderFailed: it stalled, was ended by a signal, or failed.
        """
        self._stdin.close()
        try:
            self._process.wait(self._stall_s)
        except subprocess.TimeoutExpired as error:
            raise self._stalled() from error
        # Where the disk is full at the very end, FFmpeg 5.1 says so and still ends with 0.
        if self._process.returncode != 0 or any(words in self.log() for words in _UNWRITTEN):
            raise self._failure()

    def frames_written(self) -> int:
        """Return how many frames it told on standard output to have written, once it has finished."""
        told = bytearray(_LOG_BYTES)
        size = self.read_into(memoryview(told))
        counts = re.findall(rb"^frame=(\d+)$", bytes(told[:size]), re.MULTILINE)
        return int(counts[-1]) if counts else 0

    def log(self) -> str:
        """Return the end of what it said, without addresses in memory."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_BYTES))
        return _ADDRESS.sub("", self._log.read().decode("utf-8", "replace"))

    def _wait(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(self._stall_s * 1000):
            raise self._stalled()

    def _stalled(self) -> EncoderFailed:
        hint = "Look at the load of this machine and at its disk."
        return EncoderFailed(f"FFmpeg made no progress for {self._stall_s:g} s and was ended.", hint=hint)

    def _failure(self) -> KaipiaoError:
        try:
            code = self._process.wait(self._stall_s)
        except subprocess.TimeoutExpired:
            return self._stalled()
        return failure(code, self.log())


def failure(code: int, log: str) -> KaipiaoError:
    """Return the error that an FFmpeg's exit status and last words stand for."""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return EncoderFailed(f"FFmpeg was ended by {name}.", hint="Look for who ended it; it may have been memory.")
    if any(words in log for words in _DISK_FULL):
        return StoreError("the disk is full; nothing was kept of the reel.", hint="Free space, or write elsewhere.")
    if missing := _MISSING_ENCODER.search(log):
        hint = "Install an FFmpeg that has it, such as Debian's."
        return BackendUnavailable(f"this FFmpeg has no encoder {missing[1]}.", hint=hint)
    if found := recognise(log):
        return BackendUnavailable(found.message, hint=found.hint)
    said = next((line.strip() for line in log.splitlines() if line.strip()), "nothing was said")
    return EncoderFailed(f"FFmpeg ended with status {code}: {said}.", hint="Report it if the input is sound.")


def unreadable(path: object, error: KaipiaoError) -> KaipiaoError:
    """Return the error of a file that FFmpeg could not read; what is no fault of the file stays as it is."""
    if isinstance(error, EncoderFailed) and "status" in error.message:
        return MalformedInput(f"{path} is damaged: {error.message}", hint="Take it from where it is whole.")
    return error


def _environment() -> dict[str, str]:
    # FFREPORT would make every child write a file of its own.
    kept = {name: value for name, value in os.environ.items() if name != "FFREPORT"}
    return kept | {"AV_LOG_FORCE_NOCOLOR": "1", "LC_ALL": "C"}


def _widened(pipe: Any) -> Any:  # noqa: ANN401 Popen's pipes are optional, these were asked for
    """Give a pipe a megabyte, so that a frame takes few turns; a system that refuses keeps its own size."""
    os.set_blocking(pipe.fileno(), False)
    with suppress(PermissionError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return pipe
