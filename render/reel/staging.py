"""A hidden folder beside the target, in which a file becomes whole before it gets its name."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from render.errors import StoreConflict, StoreError

_PREFIX = ".kaipiao-reel-"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK)


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Give a folder in the target's folder, and remove it with all that is in it, whatever happens.

    What a killed process left behind is removed by the next one: a folder in use is locked, and locks die with their
    processes.

    Raises:
        StoreError: the folder cannot be made or the disk does not take what is written.
    """
    try:
        folder, lock = _make_folder(target.parent)
    except OSError as error:
        raise _refused(target, error) from error
    try:
        yield folder
    except OSError as error:
        raise _refused(target, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def publish(whole: Path, target: Path, *, is_replacing: bool) -> None:
    """Give a whole file its name, once the disk has it.

    Raises:
        StoreConflict: the name is taken, and nothing may be replaced.
        OSError: the disk refuses.
    """
    _flush(whole)
    if is_replacing:
        whole.replace(target)
    else:
        try:
            target.hardlink_to(whole)
        except FileExistsError as error:
            raise taken(target) from error
        except OSError as error:
            # A file system without hard links: the moment between looking and renaming stays.
            if error.errno not in _NO_LINKS:
                raise
            if target.exists():
                raise taken(target) from error
            whole.replace(target)
    _flush(target.parent)


def taken(target: Path) -> StoreConflict:
    """Return the error of a name that is taken."""
    return StoreConflict(f"{target} is already there.", hint="Choose another name, or ask for it to be replaced.")


def _refused(target: Path, error: OSError) -> StoreError:
    return StoreError(f"{target} cannot be written: {error.strerror or error}.", hint="Check space and rights.")


def _make_folder(parent: Path) -> tuple[Path, int]:
    """Return a new folder and the descriptor that locks it."""
    above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Others wait here, so that none takes a folder for an orphan between its making and its locking.
        fcntl.flock(above, fcntl.LOCK_EX)
        _remove_orphans(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(above)
    return folder, lock


def _remove_orphans(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            # Gone meanwhile, or another's.
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
