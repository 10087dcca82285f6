"""What a self-test found: steps with a state each, figures of measurements, and nothing that was not measured."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

SCHEMA = "kaipiao.gpu-selftest/1"
_MANY = 1000
_CPUINFO = Path("/proc/cpuinfo")


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    """It was tried and is wrong."""
    MISSING = "missing"
    """It cannot be tried here; the remedy says what is needed."""
    LEFT_OUT = "left out"
    """Not needed, and not here."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried: ``figures`` are measured numbers by name."""

    name: str
    outcome: Outcome
    detail: str
    remedy: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchTime:
    """Pages of one batch size: median milliseconds of a batch, display list to files in the host's memory.

    Attributes:
        cpu_ms: the same batch on the CPU, one core; None = not measured at this size.
        bytes_a_page: mean size of the device's files.
    """

    pages: int
    device_ms: float
    cpu_ms: float | None
    bytes_a_page: float


@dataclass(slots=True)
class SelfTest:
    """A whole run.

    Attributes:
        card: what :class:`render.gpu.device.Card` tells, None without a device.
        pictures: PNG files that the device made, to look at; on a machine without one, the CPU's.
    """

    version: str
    made_at: str
    card: Mapping[str, Any] | None = None
    steps: list[Step] = field(default_factory=list)
    batches: list[BatchTime] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Tell whether a device was tried and everything about it is right."""
        is_right = all(step.outcome in {Outcome.OK, Outcome.LEFT_OUT} for step in self.steps)
        return self.card is not None and is_right

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as JSON-ready values."""
        return {
            "schema": SCHEMA,
            "version": self.version,
            "made_at": self.made_at,
            "machine": {"cpu": cpu_name(), "system": platform.platform(), "python": platform.python_version()},
            "card": self.card,
            "passed": self.passed,
            "steps": [asdict(step) for step in self.steps],
            "batches": [asdict(batch) for batch in self.batches],
        }

    def write_json(self, path: Path) -> None:
        """Write the report for programs."""
        path.write_text(json.dumps(self.as_dict(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def figure_text(value: float) -> str:
    """Return a figure as people read it: whole numbers in full, others with three significant digits."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= _MANY else f"{value:.3g}"


def cpu_name() -> str:
    """Return what the processor calls itself."""
    rows = _CPUINFO.read_text(encoding="utf-8").splitlines() if _CPUINFO.exists() else []
    names = (row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
    return next(names, platform.machine())
