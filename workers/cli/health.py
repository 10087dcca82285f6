"""``kaipiao health``: whether the pool moves."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from workers.cli.output import EXIT_FAILED, JsonFlag, console, print_json, printable

StalledAfter = Annotated[
    float, typer.Option("--stalled-after", min=1, metavar="SECONDS", help="Patience with work that waits.")
]


def health(*, stalled_after: StalledAfter = 60.0, as_json: JsonFlag = False) -> None:
    """Say whether the pool is ready, judged by its progress: not where work waits and nothing ends.

    Looks at broker, ledger and store, and at when a job last ended; a process that runs but does nothing is not ready.
    Exit status: 0 = ready, 1 = not ready.
    """
    from workers.client import PoolClient
    from workers.config import WorkerSettings
    from workers.health import examine

    found = examine(PoolClient(WorkerSettings.from_mapping(os.environ)), stalled_after)
    if as_json:
        print_json(found.as_dict())
    else:
        table = Table(show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        table.add_row("pool", Text("ready", "green") if found.is_ready else Text("not ready", "bold red"))
        for reason in found.reasons:
            table.add_row("because", Text(printable(reason)))
        for state, number in found.counts.items():
            table.add_row(state, str(number))
        table.add_row("longest wait", f"{found.waiting_s:.0f} s")
        table.add_row("last end", "never" if found.since_end_s is None else f"{found.since_end_s:.0f} s ago")
        for name, device in found.devices.items():
            table.add_row(printable(name), f"{device.fallbacks} batches fell back, breaker {device.breaker}")
        console().print(table)
    raise typer.Exit(0 if found.is_ready else EXIT_FAILED)
