"""Files that hold secrets: written whole or not at all, readable by their owner alone, refused otherwise."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from render.errors import KeyRejected, KeyUnavailable
from render.sign.passphrase import MAX_PASSPHRASE_BYTES, Passphrase

SECRET_FILE_MODE = 0o600
SECRET_FOLDER_MODE = 0o700
PUBLIC_FILE_MODE = 0o644
_FORBIDDEN = stat.S_IRWXO | stat.S_IWGRP
"""A secret may be readable by its owner and, as mounted secrets are, by one group; never by others."""


def read_secret(path: Path, limit: int, what: str) -> bytes:
    """Read a secret file after checking who else can.

    Args:
        path: the file.
        limit: most bytes to accept.
        what: its name in messages.

    Raises:
        KeyUnavailable: missing or unreadable.
        KeyRejected: others may read it, the group may change it, it is no plain file, or it is too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise _unavailable(path, what, error) from error
    try:
        # Of the open descriptor, so that what was checked is what is read.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyRejected(f"{what} {path.name} is no plain file.")
        if status.st_mode & _FORBIDDEN:
            raise KeyRejected(
                f"{what} {path.name} has mode {stat.S_IMODE(status.st_mode):04o}: others can reach it.",
                hint=f"Run chmod {SECRET_FILE_MODE:o} on it; if others could read it, replace it.",
            )
        content = os.read(descriptor, limit + 1)
    except OSError as error:
        raise _unavailable(path, what, error) from error
    finally:
        os.close(descriptor)
    return _within(content, limit, path, what)


def read_public(path: Path, limit: int, what: str) -> bytes:
    """Read a file that anyone may see.

    Raises:
        KeyUnavailable: missing or unreadable.
        KeyRejected: too large.
    """
    try:
        with path.open("rb") as file:
            return _within(file.read(limit + 1), limit, path, what)
    except (OSError, ValueError) as error:
        raise _unavailable(path, what, error) from error


def read_passphrase(path: Path) -> Passphrase:
    """Read a passphrase file: one line, its end is not part of it.

    Raises:
        KeyUnavailable: missing or unreadable.
        KeyRejected: others may read it, or it is empty or too long.
    """
    content = read_secret(path, MAX_PASSPHRASE_BYTES + 2, "passphrase file")
    return Passphrase(content.removesuffix(b"\n").removesuffix(b"\r"))


def make_secret_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that exists keeps its mode.

    Raises:
        KeyUnavailable: the file system refused.
    """
    try:
        folder.mkdir(mode=SECRET_FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise _unavailable(folder, "folder", error) from error


def create_file(path: Path, content: bytes, mode: int) -> bool:
    """Create a file with all its content at once, or leave an existing one alone.

    Returns:
        True where it was created, False where a file was there before.

    Raises:
        KeyUnavailable: the file system refused.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 opened exclusively with its final mode
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.link(temporary, path)
        finally:
            temporary.unlink()
    except FileExistsError:
        return False
    except OSError as error:
        raise _unavailable(path, "file", error) from error
    with contextlib.suppress(OSError):
        _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _within(content: bytes, limit: int, path: Path, what: str) -> bytes:
    if len(content) > limit:
        raise KeyRejected(f"{what} {path.name} has more than {limit} bytes.")
    return content


def _unavailable(path: Path, what: str, error: OSError | ValueError) -> KeyUnavailable:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return KeyUnavailable(
        f"{what} {path} cannot be reached: {reason}.",
        hint="Run `kaipiao setup`, point KAIPIAO_KEY at the key, or set KAIPIAO_SIGNING=off.",
    )
