"""Prints the picture cases: for each resolution and number of lines one table, and beside pairs what stands out."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.measurement import Report, Row

_OURS = "Kaipiao"
_NONE = "–"
_SECTIONS = {
    "rgb": "pixels, colour",
    "rgb_batch": "the same in batches",
    "grey": "pixels, grey",
    "ink": "pixels, ink levels",
    "ink_batch": "the same in batches",
    "png": "PNG",
    "png_small": "PNG, small",
    "jpeg": "JPEG",
    "webp": "WebP, lossless",
    "webp_small": "WebP, small",
    "tiff": "TIFF",
    "tiff_small": "TIFF, small",
    "g4": "TIFF G4",
    "both": "pixels and PNG",
    "both_batch": "the same in batches",
}


def print_tables(report: Report, console: Console) -> None:
    """Print the rows of ``bench run images``."""
    groups: dict[str, list[Row]] = {}
    for row in report.results:
        groups.setdefault(".".join(row.case.split(".")[:3]), []).append(row)
    for name, rows in groups.items():
        console.print(_table(name, rows))
        for sentence in sentences(rows):
            console.print(sentence)


def sentences(rows: Sequence[Row]) -> list[str]:
    """Say of one resolution how pixels and PNG together stand beside pairs of libraries, and whose PNG is larger."""
    by_name = {row.case.split(".", 3)[3]: row for row in rows}
    said = []
    for name, row in by_name.items():
        if name.startswith("both.") and row.ratio is not None:
            cpu = f"{row.extra['cpu_ratio']:.1f} × by CPU time"
            batch = median(row.peer_samples_ms) / median(by_name["both_batch"].samples_ms)
            said.append(
                f"Pixels and PNG together: {row.ratio:.1f} × as fast ({cpu}), in batches {batch:.1f} ×, as {row.peer}."
            )
    for key in ("pillow", "pillow_palette"):
        row = by_name[f"png.{key}"]
        if row.peer_bytes:
            verdict = "NOT smaller" if row.bytes >= row.peer_bytes else "smaller"
            said.append(f"Our PNG is {verdict} than {row.peer}'s: {row.bytes:,} to {row.peer_bytes:,} bytes.")
    return said


def _table(name: str, rows: Sequence[Row]) -> Table:
    _, dpi, lines = name.split(".")
    title = f"one page at {dpi.removesuffix('dpi')} dpi, invoices of {lines.removeprefix('lines_')} line(s), one core"
    table = Table(title=title)
    for heading in ("what", "who", "median ms", "min", "CPU", "bytes", "× ours", "× ours, CPU"):
        table.add_column(heading, justify="left" if heading in {"what", "who"} else "right")
    sections: dict[str, list[Row]] = {}
    for row in rows:
        sections.setdefault(row.case.split(".")[3], []).append(row)
    for section, own in sections.items():
        first = own[0]
        table.add_row(_SECTIONS[section], _OURS, *_times(first, ""), f"{first.bytes:,}", _NONE, _NONE)
        for row in sorted((row for row in own if row.case.count(".") > 3), key=_peer_median):
            if not row.peer_samples_ms:
                table.add_row("", row.peer)
                continue
            ratios = (f"{row.ratio or 0:.1f}", f"{row.extra['cpu_ratio']:.1f}")
            table.add_row("", row.peer, *_times(row, "peer_"), f"{row.peer_bytes:,}", *ratios)
        table.add_section()
    return table


def _peer_median(row: Row) -> float:
    return median(row.peer_samples_ms) if row.peer_samples_ms else float("inf")


def _times(row: Row, side: str) -> tuple[str, str, str]:
    """Return median, minimum and CPU time of our side, or of the ``peer_`` side."""
    samples = row.peer_samples_ms if side else row.samples_ms
    return _ms(median(samples)), _ms(min(samples)), _ms(row.extra[f"{side}cpu_ms"])


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
