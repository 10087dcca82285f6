"""A folder as a store: whole and durable files under their names, or nothing.

obstore could write here as well, but it neither flushes to the disk nor cleans up after a process that was killed
while writing, and both matter for documents that are issued once.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from render.store.backend import Missing, ObjectHead

FOLDER_MODE = 0o750
FILE_MODE = 0o640
STAGING = ".staging"
FEWEST_FOR_A_FLUSH = 4
FILES_AT_A_TIME = 256
"""Each is open until all are written, and a process may have 1024 files open."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_Result = TypeVar("_Result")
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

    def create_many(self, objects: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        """Write many new files with two flushes of the whole file system, where one by one each would take two.

        Names are given only after the first flush, so that here too a name never stands for less than its bytes.
        """
        results: dict[str, bool | Exception] = {}
        items = list(objects.items())
        for start in range(0, len(items), FILES_AT_A_TIME):
            part = items[start : start + FILES_AT_A_TIME]
            if len(part) >= FEWEST_FOR_A_FLUSH and self._knows_unnamed_files():
                results |= self._create_together(part)
            else:
                results |= {key: _result_of(self.create, key, data) for key, data in part}
        return results

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

    def _knows_unnamed_files(self) -> bool:
        try:
            os.close(os.open(self.root, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
        except OSError:
            return False
        return True

    def _create_together(self, items: Sequence[tuple[str, bytes]]) -> dict[str, bool | Exception]:
        results: dict[str, bool | Exception] = {}
        with ExitStack() as opened:
            root = opened.enter_context(_descriptor(self.root, os.O_RDONLY | os.O_DIRECTORY))
            written: dict[str, int] = {}
            for key, data in items:
                file = _result_of(self._write_unnamed, key, data, opened)
                if isinstance(file, Exception):
                    results[key] = file
                elif file is None:
                    results[key] = False
                else:
                    written[key] = file
            try:
                _flush_file_system(root)
                results |= {key: _result_of(_link, file, self.root / key) for key, file in written.items()}
                _flush_file_system(root)
            except OSError as error:
                return dict.fromkeys((key for key, _ in items), error)
        return results

    def _write_unnamed(self, key: str, data: bytes, opened: ExitStack) -> int | None:
        """Return a descriptor of the written file; None where the name is taken."""
        target = self.root / key
        if target.exists():
            return None
        _make_folder(target.parent)
        file = opened.enter_context(_descriptor(target.parent, os.O_TMPFILE | os.O_WRONLY))
        _write_all(file, data)
        return file

    def _link_named(self, target: Path, data: bytes) -> bool:
        """Write through a named file, where the file system has no unnamed ones (NFS, old overlays)."""
        staging = self.root / STAGING
        _make_folder(staging)
        _remove_orphans(staging)
        path = staging / f"{os.getpid()}-{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
            target.hardlink_to(path)
        except FileExistsError:
            return False
        finally:
            os.close(descriptor)
            path.unlink()
        return True


def _link_unnamed(target: Path, data: bytes) -> bool:
    """Write to a file without a name and then link it: a killed process leaves nothing behind."""
    with _descriptor(target.parent, os.O_TMPFILE | os.O_WRONLY) as file:
        _write_all(file, data)
        os.fsync(file)
        return _link(file, target)


def _link(file: int, target: Path) -> bool:
    with _descriptor(target.parent, os.O_RDONLY | os.O_DIRECTORY) as folder:
        try:
            # The folder's descriptor makes the call a linkat(), the only one that follows the link in /proc.
            os.link(f"/proc/self/fd/{file}", target.name, dst_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            return False
    return True


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _result_of(act: Callable[..., _Result], *arguments: object) -> _Result | Exception:
    try:
        return act(*arguments)
    except OSError as error:
        return error


def _flush_file_system(descriptor: int) -> None:
    """Put everything on the disk that was written to the descriptor's file system (Linux)."""
    if _LIBC.syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


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
        with _descriptor(folder, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
            os.fsync(descriptor)


def _remove_orphans(staging: Path) -> None:
    """Remove what processes that have ended left behind."""
    for path in staging.iterdir():
        owner = path.name.partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            path.unlink(missing_ok=True)
