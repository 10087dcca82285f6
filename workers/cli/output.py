"""What commands share in speaking: consoles, error panels, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from render.errors import Fault, InputError, KaipiaoError

EXIT_FAILED = 1
EXIT_INPUT = 2
_MOST_FAULTS = 50


def _remember_json(ctx: typer.Context, value: bool) -> bool:  # noqa: FBT001 typer calls it so
    ctx.meta["kaipiao.json"] = value
    return value


JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of text for people.", callback=_remember_json)
]


def console() -> Console:
    """Return the console of results: standard output."""
    return Console(highlight=False)


def error_console() -> Console:
    """Return the console of errors and progress, so that results can be piped."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:  # noqa: ANN401 whatever JSON can hold
    """Print a value as readable JSON, Chinese characters as themselves."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    # Bytes, since a terminal without UTF-8 would refuse the first Chinese character.
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def exit_code(error: KaipiaoError) -> int:
    """Return 2 where the caller's input must change, 1 for everything else."""
    return EXIT_INPUT if isinstance(error, InputError) else EXIT_FAILED


def show_error(error: KaipiaoError, *, as_json: bool = False, title: str = "") -> None:
    """Show an error with its code, every fault with its remedy, and what to do."""
    if as_json:
        print_json({"error": error.as_dict()})
    else:
        error_console().print(error_panel(error, title))


def error_panel(error: KaipiaoError, title: str = "") -> Panel:
    """Return an error as a panel; what came from outside is never read as markup."""
    # A stranger's text may hold escape sequences, which a terminal would obey.
    message = Text(printable(error.message))
    if error.hint:
        message.append(f"\n{printable(error.hint)}", style="bold")
    heading = Text.assemble((error.code, "bold"), f" · {printable(title)}" if title else "")
    faults = error.faults if isinstance(error, InputError) else ()
    return Panel(Group(message, _fault_table(faults)) if faults else message, title=heading, border_style="red")


def printable(text: str) -> str:
    """Return text whose control characters are shown as escapes."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


def _fault_table(faults: Sequence[Fault]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("field", "what is wrong", "what to do", "rule"):
        table.add_column(heading, overflow="fold")
    for fault in faults[:_MOST_FAULTS]:
        table.add_row(*(Text(printable(part)) for part in (fault.path, fault.message, fault.hint, fault.rule)))
    if len(faults) > _MOST_FAULTS:
        table.add_row("…", f"and {len(faults) - _MOST_FAULTS} more", "--json lists all", "")
    return table
