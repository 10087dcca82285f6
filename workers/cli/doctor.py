"""``kaipiao doctor``: what is there, what is not, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from workers.cli.broker_probes import examine_config
from workers.cli.output import EXIT_FAILED, JsonFlag, console, error_console, print_json, printable
from workers.cli.probes import Finding, State, examine

ConfigFlag = Annotated[
    bool, typer.Option("--config", help="Examine instead what the settings and the broker do with jobs.")
]
_STYLES = {
    State.OK: "green",
    State.LIMITED: "yellow",
    State.ABSENT: "dim",
    State.MISSING: "bold red",
    State.UNSAFE: "bold red",
}


def doctor(*, config: ConfigFlag = False, as_json: JsonFlag = False) -> None:
    """Say what is on this machine, what is not, and what to do about it, by trying it.

    States: ok; limited = works, but not at its best; absent = not there and not needed; missing = needed; unsafe =
    works, and can lose jobs without a word. Exit status: 0 = nothing is missing or unsafe, 1 = something is.
    """
    with error_console().status("looking"):
        findings = list(examine_config(os.environ) if config else examine(os.environ))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console().print(_table(findings))
    for state in (State.MISSING, State.UNSAFE):
        names = [finding.name for finding in findings if finding.state is state]
        if names:
            error_console().print(f"{state.value.capitalize()}: {', '.join(names)}.", style="bold red")
    if any(finding.state in (State.MISSING, State.UNSAFE) for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table()
    table.add_column("what")
    table.add_column("state")
    table.add_column("found, and what to do", overflow="fold")
    for finding in findings:
        state = Text(finding.state.value, style=_STYLES[finding.state])
        found = Text(printable(finding.detail))
        if finding.remedy:
            found.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(finding.name, state, found)
    return table
