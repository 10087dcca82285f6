"""A breaker that all workers share through Redis or Valkey: one Lua script, in the server's time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from typing import TypeVar

import msgspec
import redis

from workers.breaker.errors import BreakerUnavailable
from workers.breaker.protocol import BreakerRules, BreakerState, Change, Permit

PREFIX = "{kaipiao}:breaker"
_Answer = TypeVar("_Answer")


class _StateAnswer(msgspec.Struct, frozen=True):
    state: BreakerState


class SharedBreaker:
    """Counts calls of all processes together.

    Args:
        client: of the server; it is not closed here.
        rules: the same for all who share.
        clock: milliseconds, for tests; None = the server's own time.
        prefix: of every key.
    """

    def __init__(
        self,
        client: redis.Redis,
        rules: BreakerRules,
        *,
        clock: Callable[[], int] | None = None,
        prefix: str = PREFIX,
    ) -> None:
        self._script = client.register_script(
            resources.files("workers.breaker").joinpath("breaker.lua").read_text(encoding="utf-8")
        )
        self._rules = asdict(rules)
        self._clock = clock
        self._prefix = prefix

    def admit(self, part: str) -> Permit:
        """Tell whether a call may be made.

        Raises:
            BreakerUnavailable: the server does not answer.
        """
        return self._ask("admit", part, Permit)

    def report(self, part: str, *, good: int, bad: int, probe: str = "") -> Change | None:
        """Count calls; return the change that follows, to one caller alone.

        Raises:
            BreakerUnavailable: the server does not answer.
        """
        answer: Change | bool = self._ask("report", part, Change | bool, good=good, bad=bad, probe=probe)  # type: ignore[arg-type]  # a union is no class to mypy
        return answer if isinstance(answer, Change) else None

    def state(self, part: str) -> BreakerState:
        """Tell how a breaker stands.

        Raises:
            BreakerUnavailable: the server does not answer.
        """
        return self._ask("state", part, _StateAnswer).state

    def _ask(self, operation: str, part: str, kind: type[_Answer], **arguments: object) -> _Answer:
        arguments["rules"] = self._rules
        if self._clock is not None:
            arguments["now"] = self._clock()
        name = f"{self._prefix}:{part}"
        try:
            answer = self._script(keys=[name, f"{name}:probes"], args=[operation, msgspec.json.encode(arguments)])
        except redis.RedisError as error:
            raise BreakerUnavailable(type(error).__name__) from error
        return msgspec.json.decode(answer, type=kind)
