"""Addresses of Redis: what they mean, and a client for each kind, Sentinel (哨兵) among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.sentinel import Sentinel

from render.errors import ConfigError

SENTINEL = "sentinel"
SCHEMES = frozenset({"redis", "rediss", "unix", "redis+socket", SENTINEL})
DEFAULT_SENTINEL_PORT = 26_379
_HINT = "Write redis://host:6379/0, or sentinel://one:26379;sentinel://two:26379/0?master=NAME."


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """``sentinel://[:password@]host:port;sentinel://host:port/database?master=name``.

    Attributes:
        nodes: host and port of each Sentinel.
        master: the name under which the Sentinels know the master.
        plain: the address without the name, as kombu reads it.
        password: of the master, not of the Sentinels; empty = none.
    """

    nodes: tuple[tuple[str, int], ...]
    master: str
    database: int
    plain: str
    password: str = ""

    @classmethod
    def read(cls, url: str) -> SentinelAddress:
        """Read an address.

        Raises:
            ConfigError: it names no master, or is malformed.
        """
        plain, _, query = url.partition("?")
        master = parse_qs(query).get("master", [""])[0]
        try:
            parts = [urlsplit(part) for part in plain.split(";")]
            nodes = tuple((part.hostname or "", part.port or DEFAULT_SENTINEL_PORT) for part in parts)
            database = int(parts[-1].path.strip("/") or "0")
        except ValueError as error:
            raise ConfigError("an address of Sentinels cannot be read.", hint=_HINT) from error
        if not master or any(part.scheme != SENTINEL or not part.hostname for part in parts):
            raise ConfigError("an address of Sentinels names no master, or something else beside them.", hint=_HINT)
        password = next((unquote(part.password) for part in parts if part.password), "")
        return cls(nodes, master, database, plain, password)


def is_redis(url: str) -> bool:
    """Tell whether an address is one of Redis."""
    return urlsplit(url).scheme in SCHEMES


def is_sentinel(url: str) -> bool:
    """Tell whether an address is one of Sentinels."""
    return urlsplit(url).scheme == SENTINEL


def connect_redis(url: str, timeout_s: float) -> redis.Redis:
    """Return a client of the Redis at an address; it connects at first use, behind Sentinels to their master.

    Raises:
        ConfigError: the address cannot be read.
    """
    parts = urlsplit(url)
    # Once more, since a connection that has been idle may be gone; what fails twice is the caller's to try again.
    options: dict[str, Any] = {"socket_timeout": timeout_s, "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 1)}
    if parts.scheme == SENTINEL:
        return _behind_sentinels(SentinelAddress.read(url), timeout_s, options)
    try:
        if parts.scheme in {"redis+socket", "unix"}:
            database = int(parse_qs(parts.query).get("virtual_host", ["0"])[0])
            return redis.Redis(unix_socket_path=unquote(parts.path), db=database, **options)
        return redis.Redis.from_url(url, socket_connect_timeout=timeout_s, socket_keepalive=True, **options)
    except ValueError as error:
        raise ConfigError("an address of Redis cannot be read.", hint=_HINT) from error


def _behind_sentinels(address: SentinelAddress, timeout_s: float, options: dict[str, Any]) -> redis.Redis:
    own = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    sentinels = Sentinel(address.nodes, sentinel_kwargs=own)  # type: ignore[no-untyped-call]
    client: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
        address.master,
        db=address.database,
        password=address.password or None,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        **options,
    )
    return client
