"""Shards: which broker carries the jobs of which region, for those who outgrow one broker.

The shard (分片) is the region part of an enterprise code: two letters of the province as GB/T 2260 writes them, and two
digits, such as ``SH01`` or ``ZJ02``. A shard's broker, its ledger beside it, and its workers are a pool of their own;
shards share nothing but the store. So no broker needs know of another, and losing one stops one region alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from render.errors import ConfigError, Fault, InputError

if TYPE_CHECKING:
    from workers.config import WorkerSettings

PROVINCES = frozenset(
    {
        "BJ",
        "TJ",
        "HE",
        "SX",
        "NM",
        "LN",
        "JL",
        "HL",
        "SH",
        "JS",
        "ZJ",
        "AH",
        "FJ",
        "JX",
        "SD",
        "HA",
        "HB",
        "HN",
        "GD",
        "GX",
        "HI",
        "CQ",
        "SC",
        "GZ",
        "YN",
        "XZ",
        "SN",
        "GS",
        "QH",
        "NX",
        "XJ",
        "TW",
        "HK",
        "MO",
    }
)
"""Letters of the provinces, GB/T 2260."""
EVERYWHERE = "*"
_CODE = re.compile(r"([A-Z]{2})([0-9]{2})")
_SCHEMES = re.compile(r"(redis|rediss|sentinel|redis\+socket|amqp|amqps)://\S+")


def check_shard(code: str) -> str:
    """Return a shard's code if it is one.

    Raises:
        InputError: not two letters of a province and two digits.
    """
    match = _CODE.fullmatch(code)
    if match is None or match[1] not in PROVINCES:
        fault = Fault("shard", "shard.code", f"{code[:16]!a} is no shard.", "Write province and number, such as SH01.")
        raise InputError("the region of the enterprise code cannot be read.", faults=(fault,))
    return code


@dataclass(frozen=True, slots=True)
class Route:
    """Where a shard's jobs go; ``name`` is the key of the table that fits: ``SH01``, ``SH`` or ``*``."""

    name: str
    broker_url: str = field(repr=False)


class ShardTable:
    """Brokers by shard: a shard's own before its province's before the one for everything else.

    Args:
        brokers: URL by ``SH01``, ``SH`` or ``*``.

    Raises:
        ConfigError: a key that is none of these, or no URL of a broker.
    """

    def __init__(self, brokers: Mapping[str, str]) -> None:
        for name, url in brokers.items():
            match = _CODE.fullmatch(name)
            if name != EVERYWHERE and name not in PROVINCES and (match is None or match[1] not in PROVINCES):
                raise ConfigError(
                    f"{name!r} is no shard.", hint="Write SH01, a province such as SH, or * for the rest."
                )
            if not _SCHEMES.fullmatch(url):
                raise ConfigError(f"shard {name} has no URL of a broker.", hint="Write SH01=redis://host:6379/0.")
        self._brokers = dict(brokers)

    @classmethod
    def from_text(cls, text: str) -> ShardTable:
        """Read ``SH01=redis://one/0 ZJ=redis://two/0 *=redis://three/0``, with white space between.

        Raises:
            ConfigError: a key stands twice, or what the class raises.
        """
        brokers: dict[str, str] = {}
        for part in text.split():
            name, _, url = part.partition("=")
            if name in brokers:
                raise ConfigError(f"shard {name[:16]} stands twice.", hint="Name each shard once.")
            brokers[name] = url
        return cls(brokers)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Return all routes."""
        return tuple(Route(name, url) for name, url in self._brokers.items())

    def route(self, shard: str) -> Route:
        """Return where the jobs of a shard go.

        Raises:
            InputError: no shard; ConfigError: no broker for it.
        """
        for name in (check_shard(shard), shard[:2], EVERYWHERE):
            if name in self._brokers:
                return Route(name, self._brokers[name])
        raise ConfigError(f"no broker is named for shard {shard}.", hint="Name it, its province, or * for the rest.")

    def settings_of(self, settings: WorkerSettings, shard: str) -> WorkerSettings:
        """Return the settings of the pool that serves a shard.

        Raises:
            InputError: no shard; ConfigError: no broker for it.
        """
        return replace(settings, broker_url=self.route(shard).broker_url)
