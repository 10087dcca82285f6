"""Which kind of ledger an address means."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from render.errors import ConfigError
from workers.ledger.protocol import Ledger
from workers.redis_address import is_redis

POSTGRES_SCHEMES = frozenset({"postgres", "postgresql"})


def open_ledger(url: str, *, timeout_s: float = 15.0) -> Ledger:
    """Return the ledger at an address; Redis is connected to at the first operation.

    Args:
        url: ``redis://…``, ``rediss://…``, ``sentinel://…?master=name``, ``unix:///socket``,
            ``redis+socket:///socket``, ``sqlite:///file``, or ``postgresql://…``.
        timeout_s: how long an answer may take.

    Raises:
        ConfigError: an unknown scheme, a missing library, or a file that cannot be opened.
        LedgerUnavailable: the tables cannot be made where there are none.
    """
    scheme = urlsplit(url).scheme
    if is_redis(url):
        from workers.ledger.redis_ledger import RedisLedger

        return RedisLedger(url, timeout_s=timeout_s)
    if scheme == "sqlite":
        from workers.ledger.sql_ledger import SqlLedger
        from workers.ledger.sqlite import SqliteDatabase

        return SqlLedger(SqliteDatabase(sqlite_path(url), timeout_s=timeout_s))
    if scheme in POSTGRES_SCHEMES:
        return _open_postgres(url, timeout_s)
    raise ConfigError(
        f"no ledger is known for the scheme {scheme!r}.",
        hint="Set KAIPIAO_LEDGER to redis://host:6379/0, sqlite:////absolute/path.db or postgresql://host/database.",
    )


def _open_postgres(url: str, timeout_s: float) -> Ledger:
    try:
        from workers.ledger.postgres import PostgresDatabase
    except ImportError as error:
        raise no_psycopg() from error
    from workers.ledger.sql_ledger import SqlLedger

    return SqlLedger(PostgresDatabase(url, timeout_s=timeout_s))


def no_psycopg() -> ConfigError:
    """Return the error of an installation without PostgreSQL's driver."""
    return ConfigError(
        "KAIPIAO_LEDGER names PostgreSQL, but psycopg is not installed.",
        hint="Install the extra: pip install 'kaipiao[postgres]'.",
    )


def can_hold_a_ledger(broker_url: str) -> bool:
    """Tell whether the broker at this address is a Redis, beside whose queues a ledger can live."""
    return is_redis(broker_url)


def sqlite_path(url: str) -> Path:
    """Return the file of ``sqlite:///relative`` or ``sqlite:////absolute``.

    Raises:
        ConfigError: the address names none.
    """
    parts = urlsplit(url)
    if parts.netloc or len(parts.path) < len("/x"):
        raise ConfigError("KAIPIAO_LEDGER names no file.", hint="Write sqlite:////absolute/path.db, with four slashes.")
    return Path(unquote(parts.path[1:])).expanduser()
