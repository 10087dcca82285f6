"""``kaipiao gpu selftest``: the GPU path tried on this machine, with a report to keep or to send."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from workers.cli.output import EXIT_FAILED, JsonFlag, console, error_console, print_json, printable

if TYPE_CHECKING:
    from workers.selftest.report import SelfTest

REPORT_NAME = "gpu-selftest"
_STYLES = {"ok": "green", "failed": "bold red", "missing": "bold yellow", "left out": "dim"}


class GpuAction(StrEnum):
    """What to do."""

    SELFTEST = "selftest"


def gpu(
    action: Annotated[GpuAction, typer.Argument(help="There is one: selftest.")],  # noqa: ARG001 there is one
    *,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path(),
    pages: Annotated[int, typer.Option(min=1, max=4096, help="Pages of the largest batch.")] = 1024,
    dpi: Annotated[int, typer.Option(min=72, max=600, help="Resolution of what is timed.")] = 300,
    as_json: JsonFlag = False,
) -> None:
    """Try the GPU path on this machine: device, kernels, bytes against the CPU, encoders, times of batches.

    Writes gpu-selftest.json and gpu-selftest.html. Exit status: 0 = a device was tried and all is right, 1 = not.
    """
    from workers.selftest.html import to_html
    from workers.selftest.run import run_selftest

    with error_console().status("trying the device"):
        test = run_selftest(os.environ, pages, dpi)
    out.mkdir(parents=True, exist_ok=True)
    test.write_json(out / f"{REPORT_NAME}.json")
    (out / f"{REPORT_NAME}.html").write_text(to_html(test), encoding="utf-8")
    if as_json:
        print_json(test.as_dict())
    else:
        _show(test)
        console().print(f"Report: {out / REPORT_NAME}.html and .json", markup=False)
    if not test.passed:
        _show_missing(test)
        raise typer.Exit(EXIT_FAILED)


def _show(test: SelfTest) -> None:
    from workers.selftest.report import figure_text

    table = Table()
    for heading in ("step", "outcome", "found, and what to do"):
        table.add_column(heading, overflow="fold")
    for step in test.steps:
        found = Text(printable(step.detail))
        if step.remedy:
            found.append(f"\n→ {printable(step.remedy)}", style="bold")
        for name, value in step.figures.items():
            found.append(f"\n{name}: {figure_text(value)}", style="dim")
        table.add_row(step.name, Text(step.outcome.value, style=_STYLES[step.outcome]), found)
    console().print(table)
    if test.batches:
        times = Table(title="display list to PNG files in memory, transfers included")
        for heading in ("pages", "device ms", "device pages/s", "CPU ms, one core"):
            times.add_column(heading, justify="right")
        for batch in test.batches:
            cpu = f"{batch.cpu_ms:,.2f}" if batch.cpu_ms is not None else "–"
            rate = f"{1000 * batch.pages / batch.device_ms:,.0f}"
            times.add_row(f"{batch.pages:,}", f"{batch.device_ms:,.2f}", rate, cpu)
        console().print(times)


def _show_missing(test: SelfTest) -> None:
    wrong = [step.name for step in test.steps if step.outcome.value in {"failed", "missing"}]
    error_console().print(f"Not passed: {', '.join(wrong)}.", style="bold red", markup=False)
