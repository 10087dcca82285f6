"""A folder as a store: whole and durable files under their names, or nothing.

obstore could write here as well, but it neither flushes to the disk nor cleans up after a process that was killed
while writing, and both matter for documents that are issued once.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from render.store.backend import Missing, ObjectHead

FOLDER_MODE = 0o750
FILE_MODE = 0o640
STAGING = ".staging"
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


class LocalBackend:
    """Objects as files below ``root``; a file gets its name only once its bytes are on the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        _flush_folders(_make_folder(root))

    def create(self, key: str, data: bytes) -> bool:
        """Write a new file and return True, or return False and change nothing where the name is taken."""
        target = self.root / key
        if target.exists():
            _flush_folders([target.parent])
            return False
        changed = _make_folder(target.parent)
        try:
            created = _link_unnamed(target, data)
        except OSError as error:
            if error.errno not in _NO_UNNAMED_FILES:
                raise
            created = self._link_named(target, data)
        # After the file itself, so that a journal is committed twice in all, not once for each new folder.
        _flush_folders([target.parent, *changed])
        return created

    def get(self, key: str) -> bytes:
        """Return the bytes of a file."""
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise Missing from error

    def head(self, key: str) -> ObjectHead:
        """Return the size of a file."""
        path = self.root / key
        if not path.is_file():
            raise Missing
        return ObjectHead(key=key, size=path.stat().st_size)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder."""
        for folder, folders, files in os.walk(self.root / prefix):
            folders[:] = [name for name in folders if not name.startswith(".")]
            parent = Path(folder).relative_to(self.root)
            yield from ((parent / name).as_posix() for name in files if not name.startswith("."))

    def _link_named(self, target: Path, data: bytes) -> bool:
        """Write through a named file, where the file system has no unnamed ones (NFS, old overlays)."""
        staging = self.root / STAGING
        _make_folder(staging)
        _remove_orphans(staging)
        path = staging / f"{os.getpid()}-{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            _write_all(descriptor, data)
            target.hardlink_to(path)
        except FileExistsError:
            return False
        finally:
            os.close(descriptor)
            path.unlink()
        return True


def _link_unnamed(target: Path, data: bytes) -> bool:
    """Write to a file without a name and then link it: a killed process leaves nothing behind."""
    descriptor = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    try:
        _write_all(descriptor, data)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # The folder's descriptor makes the call a linkat(), the only one that follows the link in /proc.
            os.link(f"/proc/self/fd/{descriptor}", target.name, dst_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it; return the folders that gained one, still to be flushed."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=FOLDER_MODE, exist_ok=True)
    return [new.parent for new in missing]


def _flush_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_orphans(staging: Path) -> None:
    """Remove what processes that have ended left behind."""
    for path in staging.iterdir():
        owner = path.name.partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            path.unlink(missing_ok=True)
