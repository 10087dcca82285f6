"""``kaipiao submit``: hand documents to the pool."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from render.encode.formats import AUTO, LEVELS
from render.errors import ConfigError
from workers.cli import wishes
from workers.cli.output import console, error_console, printable
from workers.cli.wishes import Dpi, Outputs, Pdf, Png
from workers.client import JobOptions, JobStatus, PoolClient
from workers.config import WorkerSettings
from workers.messages import LANES, Level, Mode, OutputKind

Files = Annotated[list[Path], typer.Argument(help="Invoices: our JSON, or EInvoice XML.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until every job has ended.")]
Out = Annotated[Path | None, typer.Option("--out", help="Copy finished files into this folder; implies --wait.")]
LaneOption = Annotated[str, typer.Option("--lane", help=f"Queue: {', '.join(LANES)}.")]
Expires = Annotated[float | None, typer.Option("--expires", min=0, help="Drop jobs that wait longer (seconds).")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0, help="Stop waiting after so many seconds.")]

EXIT_FAILED, EXIT_UNFINISHED = 1, 3


def submit(
    files: Files,
    wait: Wait = False,  # noqa: FBT002 typer's form of a flag
    out: Out = None,
    pdf: Pdf = False,  # noqa: FBT002
    png: Png = False,  # noqa: FBT002
    outputs: Outputs = "",
    dpi: Dpi = 300,
    level: wishes.Level = LEVELS[0],
    mode: wishes.Mode = AUTO,
    lane: LaneOption = "issue",
    expires: Expires = None,
    timeout: Timeout = None,
) -> None:
    """Hand invoices to the pool; print their job ids, or with --wait what became of them.

    Exit status: 0 = all well, 1 = some jobs failed or nothing could be submitted, 2 = a file must change, 3 = some jobs
    have not ended in time.
    """
    if lane not in LANES:
        raise ConfigError(f"there is no lane {lane!r}.", hint=f"Choose from {', '.join(LANES)}.")
    options = JobOptions(
        outputs=cast("tuple[OutputKind, ...]", wishes.named_outputs(outputs, pdf=pdf, png=png)),
        dpi=dpi,
        level=cast("Level", level),
        mode=cast("Mode", mode),
        lane=lane,
        expires_s=expires,
    )
    client = PoolClient(WorkerSettings.from_mapping(os.environ))
    job_ids = client.submit(files, options)
    if wait or out is not None:
        ended = _follow(client, job_ids, out, timeout)
        _report(ended, dict(zip(job_ids, files, strict=True)))
    else:
        for job_id in job_ids:
            console().print(job_id)


def _follow(client: PoolClient, job_ids: list[str], out: Path | None, timeout: float | None) -> list[JobStatus]:
    ended = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=error_console(), transient=True) as progress:
        bar = progress.add_task("rendering", total=len(job_ids))
        for status in client.follow(job_ids, timeout):
            ended.append(status)
            if out is not None and status.receipt is not None:
                client.fetch(status.receipt, out)
            progress.advance(bar)
    return ended


def _report(ended: list[JobStatus], files: dict[str, Path]) -> None:
    errors = error_console()
    counts = Counter("already done" if status.duplicate else status.state for status in ended)
    for status in ended:
        record = status.error
        if record is not None:
            lines = [f"{files[status.job_id]}: {record.code}: {record.message} {record.hint}"]
            lines += [f"  - {fault.path}: {fault.message} [{fault.rule}] {fault.hint}" for fault in record.faults]
            errors.print(printable("\n".join(lines)), markup=False, soft_wrap=True)
    console().print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    if counts["failed"]:
        raise typer.Exit(EXIT_FAILED)
    if counts["queued"]:
        raise typer.Exit(EXIT_UNFINISHED)
