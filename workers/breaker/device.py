"""The gate before a device: while it fails, the processor does the work, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from render.errors import BackendUnavailable, DeviceLost
from render.gpu.events import GpuEvent, GpuEventKind, heard
from workers.breaker.gate import Gate
from workers.breaker.protocol import BreakerRules, Permit
from workers.logging import Logger

DEVICE_RULES = BreakerRules(minimum=3, open_ms=2_000)
"""A batch is many pages, so few of them tell enough; and trying again costs little, as each has another way."""

_FAULTS = frozenset({GpuEventKind.FELL_BACK, GpuEventKind.UNOPENED})
_UNIQUE_NAMES = ("GPU-", "MIG-")
_Result = TypeVar("_Result")


class Tally(Protocol):
    """Counts fallbacks."""

    def add(self, part: str) -> None:
        """Count one batch that was meant for a device."""


class DeviceGate:
    """Chooses between a device and the processor.

    Attributes:
        has_lost_device: the device broke for good in this process, which must end when its work is settled.

    Args:
        gate: of the part ``device``, one for each device: a broken one says nothing of its neighbour.
        log: takes the event ``backend.fallback``, one for each batch that the device did not make all of.
        tally: counts these batches; None = nobody does.
    """

    def __init__(self, gate: Gate, log: Logger, tally: Tally | None = None) -> None:
        self._gate = gate
        self._log = log
        self._tally = tally
        self.has_lost_device = False

    def run(self, on_device: Callable[[], _Result], on_processor: Callable[[], _Result]) -> _Result:
        """Do work on the device; on the processor where the device fails or is left alone. Both give the same.

        Args:
            on_device: does the work there, or does parts of it here and says so by events; raises BackendUnavailable
                where the device fails, DeviceLost where it fails for good.
            on_processor: does the same work here.
        """
        call = self._gate.enter()
        if isinstance(call, Permit) or self.has_lost_device:
            self._tell("device_resting")
            return on_processor()
        events: list[GpuEvent] = []
        try:
            with heard(events.append):
                result = on_device()
        except DeviceLost as error:
            # One such failure is as certain as a window full of others.
            call.ended(bad=DEVICE_RULES.minimum)
            self.has_lost_device = True
            self._tell(error.code)
            return on_processor()
        except BackendUnavailable as error:
            call.ended(bad=1)
            self._tell(error.code)
            return on_processor()
        except BaseException:
            call.ended()
            raise
        fault = next((event for event in events if event.kind in _FAULTS), None)
        if fault is None:
            call.ended(good=1)
            return result
        call.ended(bad=1)
        self._tell(fault.kind.value)
        return result

    def _tell(self, code: str) -> None:
        self._log.warning("backend.fallback", breaker=self._gate.part, code=code)
        if self._tally is not None:
            self._tally.add(self._gate.part)


def device_part(device: str, machine: str) -> str:
    """Return the name of the part that a device is, unlike that of every other device of the pool."""
    return f"device:{device}" if device.startswith(_UNIQUE_NAMES) else f"device:{machine}:{device}"
