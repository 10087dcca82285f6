"""What happened on the way to the device: said aloud each time, so that no page changes its way in silence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

_log = logging.getLogger(__name__)


class GpuEventKind(StrEnum):
    """What happened; also the label of a metric."""

    HALVED = "halved"
    """The device had no room for so many pages at once; fewer are tried."""
    FELL_BACK = "fell_back"
    """The device failed at pages that were meant for it; the CPU makes them."""
    DECLINED = "declined"
    """The device works, but not for these pages, whose files outgrow their room for instance; the CPU makes them."""
    UNOPENED = "unopened"
    """The device answered and could not be opened; the CPU draws everything."""


@dataclass(frozen=True, slots=True)
class GpuEvent:
    """One event: how many pages it concerns, and why."""

    kind: GpuEventKind
    pages: int
    reason: str


OnEvent = Callable[[GpuEvent], None]
_listeners: ContextVar[tuple[OnEvent, ...]] = ContextVar("listeners", default=())


def log_event(event: GpuEvent) -> None:
    """Write an event to the log, and tell it to whoever listens."""
    _log.warning("gpu.%s pages=%d reason=%s", event.kind, event.pages, event.reason)
    for listener in _listeners.get():
        listener(event)


@contextmanager
def heard(listener: OnEvent) -> Iterator[None]:
    """Tell a listener of every event that is logged in this context while the block runs."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)
