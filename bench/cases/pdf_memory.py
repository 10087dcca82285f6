"""How the memory of one process grows over many PDFs: resident size at the start and at the end, and its slope."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.bed import BACKEND
from bench.cases.pdf_ours import Ours, open_ours
from bench.corpus import typical
from bench.measurement import Row
from bench.runner import one_core

DEFAULT_COUNT = 20_000
NOTES = (
    "one process writes batches of 64 different invoices and keeps none; some batches before the first fill the caches",
    "kb_per_1000: KB (1,000 bytes) of resident memory that 1,000 documents add, by the line through all samples",
    "late_kb_per_1000: the same over the second half",
)
_SEED = 25
_BATCH = 64
_SETTLING_BATCHES = 10
_SPOKEN_EVERY = 1000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_BYTES_A_MB = 1_000_000
_BYTES_A_KB = 1000
_POINTS_OF_A_LINE = 2


def run(count: int) -> list[Row]:
    """Write ``count`` documents, saying now and then how far it is."""
    console = Console(stderr=True)
    with one_core(), open_ours() as ours:
        seeds = random.Random(_SEED)
        for _ in range(min(_SETTLING_BATCHES, -(-count // _BATCH))):
            ours(typical(_BATCH, seeds.randrange(10**6)))
        made, spoken = 0, 0
        times: list[float] = []
        sizes = [(0, resident_bytes())]
        while made < count:
            batch = typical(min(_BATCH, count - made), seeds.randrange(10**6))
            times.append(ours(batch)["document"])
            made += len(batch)
            sizes.append((made, resident_bytes()))
            if made // _SPOKEN_EVERY > spoken:
                spoken = made // _SPOKEN_EVERY
                console.print(f"{made:,} of {count:,} documents: {sizes[-1][1] / _BYTES_A_MB:.1f} MB")
    return [_row(count, times, sizes, ours)]


def resident_bytes() -> int:
    """Return how much memory this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def slope_kb_per_1000(sizes: list[tuple[int, int]]) -> float:
    """Return the slope of the line through (documents, bytes), in KB for 1,000 documents; 0 with fewer than two."""
    if len(sizes) < _POINTS_OF_A_LINE:
        return 0.0
    documents, held = np.array(sizes, float).T
    return float(np.polyfit(documents, held, 1)[0]) * 1000 / _BYTES_A_KB


def _row(count: int, times: list[float], sizes: list[tuple[int, int]], ours: Ours) -> Row:
    return Row(
        case=f"pdf-memory.{count}",
        backend=BACKEND,
        samples_ms=tuple(times),
        bytes=ours.mean_bytes,
        extra={
            "start_rss_mb": sizes[0][1] / _BYTES_A_MB,
            "end_rss_mb": sizes[-1][1] / _BYTES_A_MB,
            "highest_rss_mb": max(size for _, size in sizes) / _BYTES_A_MB,
            "kb_per_1000": slope_kb_per_1000(sizes),
            "late_kb_per_1000": slope_kb_per_1000(sizes[len(sizes) // 2 :]),
        },
    )
