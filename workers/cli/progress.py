"""Progress of long work, on standard error so that results can be piped."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from workers.cli.output import error_console


def progress_bar() -> Progress:
    """Return a bar that counts things done, shows time spent and time left, and vanishes when it is full."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=error_console(),
        transient=True,
    )
