"""What a case measures: samples of our side and of a peer from the same run, as rows of one shape."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

SAMPLE_DIGITS = 4


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of all samples does not exceed.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def cpu_figures(ours_ms: Sequence[float], peer_ms: Sequence[float]) -> dict[str, float]:
    """Return median CPU time an invoice of both sides and their ratio: what to read where the machine is busy."""
    ours, peer = median(ours_ms), median(peer_ms)
    return {"cpu_ms": ours, "peer_cpu_ms": peer, "cpu_ratio": peer / ours}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report: milliseconds and bytes an invoice.

    Attributes:
        case: what was measured, such as ``stages.sign``; ``backend``: what of ours did it.
        samples_ms: our times, one a run; ``bytes``: mean size of what we made, 0 where nothing is made.
        peer: name of the other tool, empty where none does the same work; the same figures for it.
        extra: further figures by name.
    """

    case: str
    backend: str
    samples_ms: tuple[float, ...] = field(repr=False)
    bytes: int = 0
    peer: str = ""
    peer_samples_ms: tuple[float, ...] = field(default=(), repr=False)
    peer_bytes: int = 0
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times the peer's median our median fits into; None without a peer."""
        return median(self.peer_samples_ms) / median(self.samples_ms) if self.peer_samples_ms else None

    def as_json(self) -> dict[str, Any]:
        """Return the row with its medians, as plain values."""
        has_peer = bool(self.peer_samples_ms)
        return {
            "case": self.case,
            "backend": self.backend,
            "n": len(self.samples_ms),
            "median_ms": round(median(self.samples_ms), SAMPLE_DIGITS),
            "p95_ms": round(percentile(self.samples_ms, 0.95), SAMPLE_DIGITS),
            "bytes": self.bytes,
            "peer": self.peer,
            "peer_median_ms": round(median(self.peer_samples_ms), SAMPLE_DIGITS) if has_peer else None,
            "peer_p95_ms": round(percentile(self.peer_samples_ms, 0.95), SAMPLE_DIGITS) if has_peer else None,
            "peer_bytes": self.peer_bytes if has_peer else None,
            # Significant digits: a ratio far below 1 would round away.
            "ratio": float(f"{self.ratio:.3g}") if self.ratio is not None else None,
            **{name: round(value, SAMPLE_DIGITS) for name, value in self.extra.items()},
            "samples_ms": [round(sample, SAMPLE_DIGITS) for sample in self.samples_ms],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a run, the machine that it ran on, and our version."""

    results: tuple[Row, ...]
    machine: Mapping[str, Any]
    version: str
    notes: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        document = asdict(self) | {"results": [row.as_json() for row in self.results]}
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
