"""Prints the PDF cases: one table of everyday invoices, one of invoices by their number of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.measurement import Report, Row, percentile

_OURS = "Kaipiao"
_NONE = "–"


def print_tables(report: Report, console: Console) -> None:
    """Print the rows of ``bench run pdf``."""
    rows = {row.case.removeprefix("pdf."): row for row in report.results}
    console.print(_everyday(rows))
    console.print(_by_lines(rows))
    first = _peers(rows, "document")[0]
    console.print(
        f"{_OURS} with reading the JSON and the SM3 digest of the file, which no peer makes:"
        f" {first.extra['whole_ms']:.3f} ms one by one, {rows['batch_64'].extra['whole_ms']:.3f} ms in batches."
    )


def _everyday(rows: dict[str, Row]) -> Table:
    table = Table(title="one everyday invoice as PDF: milliseconds and bytes, one core, one run")
    headings = ("who", "median", "min", "p95", "bytes", "× ours", "× ours in batches", "text", "QR")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in {"who", "text", "QR"} else "right")
    peers = _peers(rows, "document")
    mine, batch = peers[0], rows["batch_64"]
    own = (
        (_OURS, mine),
        (f"{_OURS}, batches of 64", batch),
        (f"{_OURS}, writer alone", rows["writer"]),
        (f"{_OURS}, writer alone, batches of 64", rows["writer_batch_64"]),
        (f"{_OURS}, all Chinese in one font", rows["one_font"]),
    )
    for name, row in own:
        times = _times(row.samples_ms)
        is_file = name in {_OURS, own[1][0], own[4][0]}
        checked = ("yes", "yes") if row is mine else (_NONE, _NONE)
        table.add_row(name, *times, f"{row.bytes:,}" if is_file else _NONE, _NONE, _NONE, *checked)
    table.add_section()
    for row in sorted(peers, key=_peer_median):
        if not row.peer_samples_ms:
            table.add_row(row.peer)
            continue
        theirs = median(row.peer_samples_ms)
        table.add_row(
            row.peer,
            *_times(row.peer_samples_ms),
            f"{row.peer_bytes:,}",
            f"{theirs / median(mine.samples_ms):.1f}",
            f"{theirs / median(batch.samples_ms):.1f}",
            _yes_no(row.extra["peer_text"]),
            _yes_no(row.extra["peer_qr"]),
        )
    return table


def _by_lines(rows: dict[str, Row]) -> Table:
    table = Table(title="invoices of 1 line (1 page) and of 40 lines (9 pages)")
    cases = ("lines_1", "lines_40")
    table.add_column("who")
    for name in ("1 line, ms", "bytes", "× ours", "40 lines, ms", "bytes", "× ours"):
        table.add_column(name, justify="right")
    by_case = [_peers(rows, case) for case in cases]
    ours = [figure for peers in by_case for figure in (*_figures(peers[0].samples_ms, peers[0].bytes), _NONE)]
    table.add_row(_OURS, *ours)
    table.add_section()
    for pair in sorted(zip(*by_case, strict=True), key=lambda pair: _peer_median(pair[0])):
        if not pair[0].peer_samples_ms:
            table.add_row(pair[0].peer)
            continue
        cells = [
            figure
            for row in pair
            for figure in (*_figures(row.peer_samples_ms, row.peer_bytes), f"{row.ratio or 0:.1f}")
        ]
        table.add_row(pair[0].peer, *cells)
    return table


def _peers(rows: dict[str, Row], case: str) -> list[Row]:
    return [row for name, row in rows.items() if name.startswith(f"{case}.")]


def _peer_median(row: Row) -> float:
    return median(row.peer_samples_ms) if row.peer_samples_ms else float("inf")


def _times(samples: Sequence[float]) -> Iterable[str]:
    return (_ms(median(samples)), _ms(min(samples)), _ms(percentile(samples, 0.95)))


def _figures(samples: Sequence[float], size: int) -> tuple[str, str]:
    return _ms(median(samples)), f"{size:,}"


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _yes_no(value: float) -> str:
    return "yes" if value else "NO"
