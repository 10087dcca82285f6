"""The gate before a device: while it fails, the processor does the work, and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from render.errors import BackendUnavailable
from workers.breaker.gate import Gate
from workers.breaker.protocol import Permit
from workers.logging import Logger

_Result = TypeVar("_Result")


class DeviceGate:
    """Chooses between a device and the processor.

    Args:
        gate: of the part ``device``, one for each device: a broken one says nothing of its neighbour.
        log: takes the event ``backend.fallback``.
    """

    def __init__(self, gate: Gate, log: Logger) -> None:
        self._gate = gate
        self._log = log

    def run(self, on_device: Callable[[], _Result], on_processor: Callable[[], _Result]) -> _Result:
        """Do work on the device; on the processor where the device fails or is left alone. Both give the same.

        Args:
            on_device: does the work there; raises BackendUnavailable where the device fails.
            on_processor: does the same work here.
        """
        call = self._gate.enter()
        if isinstance(call, Permit):
            self._log.info("backend.fallback", breaker=self._gate.part, code="device_resting")
            return on_processor()
        try:
            result = on_device()
        except BackendUnavailable as error:
            call.ended(bad=1)
            self._log.warning("backend.fallback", breaker=self._gate.part, code=error.code)
            return on_processor()
        except BaseException:
            call.ended()
            raise
        call.ended(good=1)
        return result
