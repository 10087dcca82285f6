"""SQLite as the ledger's database: one file for one machine, safe for many processes."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from render.errors import ConfigError
from workers.errors import LedgerUnavailable
from workers.ledger.sql_ledger import Rows


class SqliteDatabase:
    """A file in write-ahead mode, flushed to the disk at every commit.

    Args:
        path: of the file; its folder is made if need be.
        timeout_s: how long to wait for another process's transaction.
        clock: milliseconds; None = this machine's time, which all processes of one machine share.

    Raises:
        ConfigError: the file cannot be opened or is no database.
    """

    # A transaction that writes keeps all others out as it is.
    row_lock = free_row_lock = ""
    member = "IN (SELECT value FROM json_each(?))"

    def __init__(self, path: Path, *, timeout_s: float = 15.0, clock: Callable[[], int] | None = None) -> None:
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        # The heartbeat's thread and the main thread take the connection in turns.
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
            self._connection.execute("PRAGMA synchronous = FULL")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"the ledger cannot be opened: {error}.", hint="Check KAIPIAO_LEDGER.") from error

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[int]:  # noqa: ARG002 every transaction is alone
        """Begin a transaction that keeps all other writers out, and give the time in milliseconds."""
        with self._lock:
            try:
                # Immediate: two transactions that read first and write then would otherwise deadlock.
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._clock()
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise LedgerUnavailable(
                    f"the ledger's file cannot be read or written: {error}.",
                    hint="Check the space and the rights at the path in KAIPIAO_LEDGER.",
                ) from error

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """Execute a statement and return its rows."""
        return self._connection.execute(statement, parameters).fetchall()

    def execute_many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement once for each row of parameters."""
        if rows:
            self._connection.executemany(statement, rows)

    def elements(self, values: Sequence[str]) -> str:
        """Return a list as one parameter."""
        return json.dumps(list(values))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
