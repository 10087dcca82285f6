"""``kaipiao version``."""

from __future__ import annotations

import platform

import typer

import render
from workers.cli.output import JsonFlag, print_json


def version(*, as_json: JsonFlag = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"kaipiao": render.__version__, "python": platform.python_version()})
    else:
        typer.echo(f"kaipiao {render.__version__} (Python {platform.python_version()})")
