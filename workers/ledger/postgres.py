"""PostgreSQL as the ledger's database: rows are locked one by one, so that workers do not wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg

from render.errors import ConfigError
from workers.errors import LedgerUnavailable
from workers.ledger.sql_ledger import Rows

# Among all advisory locks of a database: "kaipiao" in ASCII.
_ALONE = 0x6B616970_69616F
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class PostgresDatabase:
    """A connection, made at first use and anew after it broke.

    Args:
        url: ``postgresql://user:password@host/database``.
        timeout_s: how long a connection attempt or a statement may take.
        clock: milliseconds, for tests; None = the server's own time.

    Raises:
        ConfigError: the address cannot be read.
    """

    row_lock = " FOR UPDATE"
    free_row_lock = " FOR UPDATE SKIP LOCKED"
    member = "= ANY(?)"

    def __init__(self, url: str, *, timeout_s: float = 15.0, clock: Callable[[], int] | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        try:
            given = psycopg.conninfo.conninfo_to_dict(url)
            self._address = psycopg.conninfo.make_conninfo(
                url,
                connect_timeout=max(2, round(timeout_s)),
                options=f"{given.get('options', '')} -c statement_timeout={round(timeout_s * 1000)}",
                application_name="kaipiao",
            )
        except psycopg.Error as error:
            raise ConfigError(
                "KAIPIAO_LEDGER is no address of a database.", hint="Write postgresql://user@host/database."
            ) from error

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[int]:
        """Begin a transaction, give the time in milliseconds, and commit or roll back at the end.

        Args:
            alone: no other transaction that asks for this runs at the same time.
        """
        with self._lock:
            try:
                connection = self._connected()
                with connection.transaction():
                    if alone:
                        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ALONE,))
                    ((server_ms,),) = connection.execute(_CLOCK).fetchall()
                    yield self._clock() if self._clock else server_ms
            except psycopg.Error as error:
                self._forget_if_broken()
                raise LedgerUnavailable(
                    f"the ledger's database fails: {type(error).__name__}.",
                    hint="Check KAIPIAO_LEDGER, that the server runs, and what its log says.",
                ) from error

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """Execute a statement with ``?`` for parameters and return its rows."""
        cursor = self._connected().execute(_with_placeholders(statement), parameters)
        return cursor.fetchall() if cursor.description else []

    def execute_many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement once for each row of parameters, in one exchange with the server."""
        if rows:
            with self._connected().cursor() as cursor:
                cursor.executemany(_with_placeholders(statement), rows)

    def elements(self, values: Sequence[str]) -> list[str]:
        """Return a list as one parameter."""
        return list(values)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg.connect(self._address, autocommit=True)
        return self._connection

    def _forget_if_broken(self) -> None:
        if self._connection is not None and (self._connection.closed or self._connection.broken):
            self._connection = None


@lru_cache(maxsize=64)
def _with_placeholders(statement: str) -> Any:  # noqa: ANN401 psycopg wants a literal, to keep values out; ours hold none
    return statement.replace("?", "%s")
