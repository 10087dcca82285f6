"""kombu's Redis transport, guarded: an entry that is no message ends as a refusal, not as the end of the worker.

Whoever can write to a queue can write anything. kombu parses entries in the loop that reads from Redis, where Celery
takes every error for the end of the world: one entry that was cut off would end a worker, a handful a whole pool.
"""

from __future__ import annotations

from collections.abc import Callable
from json import JSONDecodeError
from queue import Empty
from typing import Any

from kombu import transport
from kombu.transport import redis

from workers.entry import check_entry
from workers.errors import EntryUnreadable

REFUSE_OPTION = "refuse_entry"
"""Transport option: called with the entry as text, empty where it cannot be told, and the error.

Connections without it are as kombu makes them: other applications of the process may have messages of their own.
"""

_UNREADABLE = (JSONDecodeError, UnicodeDecodeError, RecursionError)
# What parts of kombu and Celery raise at values of other types than they expect. Failures of the broker are none of
# these: their errors stem from OSError or from the client library's own.
_NO_MESSAGE = (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)

Refuse = Callable[[str, EntryUnreadable], None]


def use_guarded_transport() -> None:
    """Let every Redis connection that kombu makes in this process from now on be guarded."""
    guarded = f"{__name__}:GuardedTransport"
    transport.TRANSPORT_ALIASES.update(
        {"redis": guarded, "rediss": guarded, "sentinel": f"{__name__}:GuardedSentinelTransport"}
    )


class _Guard:
    """What both kinds of channels do about entries that are no JSON."""

    connection: Any

    def _brpop_read(self, **options: object) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[misc]
        except _UNREADABLE as error:
            _refuse(self.connection, _text_of(error), error)
            return True

    def _get(self, queue: str) -> Any:  # noqa: ANN401 kombu is untyped
        try:
            return super()._get(queue)  # type: ignore[misc]
        except _UNREADABLE as error:
            _refuse(self.connection, _text_of(error), error)
            raise Empty from error


class GuardedChannel(_Guard, redis.Channel):  # type: ignore[misc]  # kombu is untyped
    """A channel that outlives whatever stands in its queues."""


class GuardedSentinelChannel(_Guard, redis.SentinelChannel):  # type: ignore[misc]
    """The same behind Sentinels."""


class _Delivery:
    """What both kinds of transports do about JSON that is no message."""

    channels: Any
    client: Any

    def _deliver(self, message: Any, queue: str) -> None:  # noqa: ANN401 hostile until checked
        try:
            if REFUSE_OPTION in self.client.transport_options:
                check_entry(message)
            super()._deliver(message, queue)  # type: ignore[misc]
        except _NO_MESSAGE as error:
            _refuse(self, repr(message), error)
            self._forget(message)

    def _forget(self, message: Any) -> None:  # noqa: ANN401
        """Take the entry off the list of those under way, if it came that far."""
        try:
            tag = message["properties"]["delivery_tag"]
            holding = [channel for channel in self.channels if channel.qos.get(tag)]
        except _NO_MESSAGE:
            return
        for channel in holding:
            channel.basic_reject(tag, requeue=False)


class GuardedTransport(_Delivery, redis.Transport):
    """Redis at an address or a socket."""

    Channel = GuardedChannel


class GuardedSentinelTransport(_Delivery, redis.SentinelTransport):
    """Redis behind Sentinels."""

    Channel = GuardedSentinelChannel


def _refuse(transport: Any, text: str, error: Exception) -> None:  # noqa: ANN401 kombu's
    """Hand an entry to whom the options name, so that it is written down; raise the error where they name nobody."""
    tell: Refuse | None = transport.client.transport_options.get(REFUSE_OPTION)
    if tell is None:
        raise error
    refusal = EntryUnreadable(
        f"an entry of a queue is no message: {type(error).__name__}.",
        hint="Find out who can write to the broker. A job that it stood for is published again by the ledger.",
    )
    tell(text, refusal)


def _text_of(error: Exception) -> str:
    if isinstance(error, JSONDecodeError):
        return error.doc
    return repr(error.object) if isinstance(error, UnicodeDecodeError) else ""
