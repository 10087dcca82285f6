"""Prints reports as tables, and compares two of them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measurement import Report, percentile

_RESAMPLES = 2000
_SEED = 1
_FEWEST_SAMPLES = 3


def print_report(report: Report, console: Console) -> None:
    """Print the rows of a run, then the machine and the notes."""
    print_results(report, console)
    print_circumstances(report, console)


def print_results(report: Report, console: Console) -> None:
    """Print the rows of a run."""
    table = Table(title="milliseconds and bytes an invoice, medians of one run")
    for heading in ("case", "backend", "median ms", "p95 ms", "bytes", "peer", "peer ms", "peer bytes", "ratio"):
        table.add_column(heading, justify="left" if heading in {"case", "backend", "peer"} else "right")
    for row in (row.as_json() for row in report.results):
        table.add_row(
            row["case"],
            row["backend"],
            f"{row['median_ms']:.3f}",
            f"{row['p95_ms']:.3f}",
            _count(row["bytes"]),
            row["peer"] or "–",
            f"{row['peer_median_ms']:.2f}" if row["peer_median_ms"] is not None else "–",
            _count(row["peer_bytes"]),
            f"{row['ratio']:.1f} ×" if row["ratio"] is not None else "–",
        )
    console.print(table)
    for result in report.results:
        if result.extra:
            figures = ", ".join(f"{name} {value:.2f}" for name, value in result.extra.items())
            console.print(f"{result.case}: {figures}")


def print_circumstances(report: Report, console: Console) -> None:
    """Print the machine that a run was on, and the notes of its case."""
    machine = report.machine
    state = " with changes" if machine["is_dirty"] else ""
    cores = f"{machine['cores_allowed']} of {machine['cores']} cores"
    load, commit = machine["load_1_minute"], machine["commit"][:12] or "none"
    console.print(f"{machine['cpu']}, {cores}, load {load}, Python {machine['python']}, commit {commit}{state}")
    if load > machine["cores_allowed"]:
        console.print(
            "Other programs compete for the cores, which slows long work more than short: read the CPU figures."
        )
    for note in report.notes:
        console.print(f"Note: {note}")


def _count(value: int | None) -> str:
    return f"{value:,}" if value else "–"


def load(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Read a report's rows by case and backend.

    Raises:
        ValueError: not a report.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {(row["case"], row["backend"]): row for row in document["results"]}
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a report of this suite: {error}") from error


def median_ratio(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """Return median(after) / median(before) and the 95 % bootstrap interval around it."""
    rng = random.Random(_SEED)
    ratios = [
        median(rng.choices(after, k=len(after))) / median(rng.choices(before, k=len(before))) for _ in range(_RESAMPLES)
    ]
    return median(after) / median(before), percentile(ratios, 0.025), percentile(ratios, 0.975)


def print_comparison(
    before: Mapping[tuple[str, str], dict[str, Any]], after: Mapping[tuple[str, str], dict[str, Any]], console: Console
) -> None:
    """Print how the medians changed, and whether that is more than noise."""
    table = Table(title="after / before: below 1 is faster")
    for heading in ("case", "backend", "before ms", "after ms", "ratio", "95 % interval", "verdict"):
        table.add_column(heading, justify="left" if heading in {"case", "backend", "verdict"} else "right")
    for key in sorted(before.keys() & after.keys()):
        old, new = before[key], after[key]
        ratio, low, high = median_ratio(old["samples_ms"], new["samples_ms"])
        verdict = "faster" if high < 1 else "slower" if low > 1 else "noise"
        if min(old["n"], new["n"]) < _FEWEST_SAMPLES:
            verdict = "too few samples"
        interval = f"{low:.3f} – {high:.3f}"
        table.add_row(*key, f"{old['median_ms']:.3f}", f"{new['median_ms']:.3f}", f"{ratio:.3f}", interval, verdict)
    console.print(table)
    for case, backend in sorted(before.keys() ^ after.keys()):
        console.print(f"only in one of the two: {case} ({backend})")
