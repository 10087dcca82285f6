"""Whether the ledger answers: on a server that is new enough, in tables of this version. Nothing is written."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import redis

from render.errors import KaipiaoError
from workers.cli.probes import Finding, State
from workers.ledger.opening import POSTGRES_SCHEMES, no_psycopg, open_ledger, sqlite_path
from workers.redis_address import connect_redis, is_redis

if TYPE_CHECKING:
    from collections.abc import Collection

ANSWER_S = 3.0
# The first with ZRANGE … BYSCORE.
LEAST_REDIS = (6, 2)
# The first with INSERT … RETURNING.
LEAST_SQLITE = (3, 35)
# The first with FOR UPDATE SKIP LOCKED and ON CONFLICT.
LEAST_POSTGRES = (9, 5)
_COLUMNS_OF_JOBS = (
    "SELECT column_name FROM information_schema.columns"
    " WHERE table_name = 'jobs' AND table_schema = ANY(current_schemas(false))"
)


def examine_ledger(url: str) -> Finding:
    """Ask the ledger at an address for what a worker asks first; never fails.

    Args:
        url: as in ``KAIPIAO_LEDGER``.
    """
    try:
        if is_redis(url):
            return _examine_redis(url)
        if urlsplit(url).scheme in POSTGRES_SCHEMES:
            return _examine_postgres(url)
        if urlsplit(url).scheme == "sqlite":
            return _examine_sqlite(sqlite_path(url))
        # Of no kind that is known, which it says itself.
        open_ledger(url).close()
    except KaipiaoError as error:
        return Finding("ledger", State.MISSING, error.message, error.hint)
    return Finding("ledger", State.LIMITED, "opens; of a kind that is not examined", "See its own documentation.")


def _examine_redis(url: str) -> Finding:
    try:
        with connect_redis(url, ANSWER_S) as client:
            said = str(client.info("server").get("redis_version", "0"))
    except redis.RedisError as error:
        remedy = "Start it, or correct KAIPIAO_LEDGER, or KAIPIAO_BROKER_URL where that is empty."
        return Finding("ledger", State.MISSING, f"Redis does not answer: {type(error).__name__}", remedy)
    if _version(said) < LEAST_REDIS:
        return _too_old("Redis", said, LEAST_REDIS)
    with closing(open_ledger(url, timeout_s=ANSWER_S)) as ledger:
        ledger.pulse()
    return Finding("ledger", State.OK, f"Redis {said} answers its script")


def _examine_sqlite(path: Path) -> Finding:
    said = sqlite3.sqlite_version
    if _version(said) < LEAST_SQLITE:
        return _too_old("SQLite", said, LEAST_SQLITE)
    if not path.exists():
        return Finding("ledger", State.OK, f"SQLite {said}: {path} is made when it is first used")
    try:
        # To read only: a probe must not be what makes the tables.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=ANSWER_S)) as connection:
            columns = {row[1] for row in connection.execute("PRAGMA table_info(jobs)")}
    except sqlite3.Error as error:
        remedy = "Check the rights at the path in KAIPIAO_LEDGER, and that it is no other kind of file."
        return Finding("ledger", State.MISSING, f"SQLite {said}: {path} cannot be read: {error}", remedy)
    return _judge_tables(f"SQLite {said}", columns)


def _examine_postgres(url: str) -> Finding:
    try:
        import psycopg
    except ImportError as error:
        raise no_psycopg() from error
    try:
        with psycopg.connect(url, connect_timeout=round(ANSWER_S), autocommit=True) as connection:
            number = connection.info.server_version
            columns = {str(row[0]) for row in connection.execute(_COLUMNS_OF_JOBS)}
    except psycopg.Error as error:
        remedy = "Start it, or correct KAIPIAO_LEDGER."
        return Finding("ledger", State.MISSING, f"PostgreSQL does not answer: {type(error).__name__}", remedy)
    # 90624 was 9.6.24; since 10, there are two parts: 150006 is 15.6.
    said = f"{number // 10_000}.{number // 100 % 100 if number < 100_000 else number % 10_000}"
    if _version(said) < LEAST_POSTGRES:
        return _too_old("PostgreSQL", said, LEAST_POSTGRES)
    return _judge_tables(f"PostgreSQL {said}", columns)


def _judge_tables(server: str, columns: Collection[str]) -> Finding:
    from workers.ledger.sql_ledger import COLUMNS

    if not columns:
        return Finding("ledger", State.OK, f"{server} answers; its tables are made when they are first used")
    if lacking := sorted(set(COLUMNS) - set(columns)):
        remedy = "Name a database of Kaipiao's own in KAIPIAO_LEDGER, or the one that this version made."
        return Finding("ledger", State.MISSING, f"{server}: its table jobs has no {', '.join(lacking)}", remedy)
    return Finding("ledger", State.OK, f"{server} answers; its tables are of this version")


def _too_old(server: str, version: str, least: tuple[int, int]) -> Finding:
    wanted = ".".join(map(str, least))
    return Finding("ledger", State.MISSING, f"{server} {version} is too old", f"Use {server} {wanted} or later.")


def _version(text: str) -> tuple[int, ...]:
    """Read the first two numbers of a version, such as 7.0.15 or 8.1-rc1."""
    return tuple(map(int, re.findall(r"[0-9]+", text)[:2]))
