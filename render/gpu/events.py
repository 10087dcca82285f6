"""What happened on the way to the device: said aloud each time, so that no page changes its way in silence."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_log = logging.getLogger(__name__)


class GpuEventKind(StrEnum):
    """What happened; also the label of a metric."""

    HALVED = "halved"
    """The device had no room for so many pages at once; fewer are tried."""
    FELL_BACK = "fell_back"
    """The CPU made pages that were meant for the device."""


@dataclass(frozen=True, slots=True)
class GpuEvent:
    """One event: how many pages it concerns, and why."""

    kind: GpuEventKind
    pages: int
    reason: str


OnEvent = Callable[[GpuEvent], None]


def log_event(event: GpuEvent) -> None:
    """Write an event to the log."""
    _log.warning("gpu.%s pages=%d reason=%s", event.kind, event.pages, event.reason)
