"""The table of commands, and the boundary at which an error becomes a panel and an exit code."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from render.errors import KaipiaoError
from workers.cli.output import exit_code, show_error

# A command stands here with its one line of help, so that `kaipiao --help` loads none of them.
COMMANDS = {
    "render": "Render invoices to signed PDF, PNG and other pictures, here and now.",
    "submit": "Hand invoices to the worker pool.",
    "worker": "Run a worker of the pool.",
    "reel": "Put pages into one video file, list them, take them out again.",
    "health": "Say whether the worker pool moves.",
    "dead": "Look at jobs that died, send them out again or drop them.",
    "reconcile": "Compare what was submitted, done and stored: one verdict a job.",
    "verify": "Say who signed a PDF, when, and whether it was changed since.",
    "countersign": "Sign PDFs a second time; what is there stays byte for byte.",
    "inspect": "Say what a PDF of any origin is, has and lacks; write a mended copy.",
    "envelope": "Keep the keys with which producers seal their messages.",
    "schema": "Print the JSON Schema of an invoice or of a message of the pool.",
    "doctor": "Say what is on this machine, what is not, and what to do about it.",
    "gpu": "Try the GPU path on this machine and write a report.",
    "setup": "Bring what pip cannot: fonts, FFmpeg, a test signing identity.",
    "version": "Print the version.",
}


class LazyCommand(TyperCommand):
    """Stands for ``workers.cli.<name>:<name>`` until that is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 typer's own type of contexts is private
        """Load the command and let it parse its own arguments."""
        return load_command(str(self.name)).make_context(info_name, args, parent, **extra)


class Kaipiao(TyperGroup):
    """All commands; an error of ours ends the process with a panel instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 typer's own type of contexts is private
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except KaipiaoError as error:
            show_error(error, as_json=bool(ctx.meta.get("kaipiao.json")))
            raise typer.Exit(exit_code(error)) from error


def load_command(name: str) -> Any:  # noqa: ANN401 typer's own type of commands is private
    """Import a command's module and return the command, or the group of commands."""
    command = getattr(import_module(f"workers.cli.{name}"), name)
    if isinstance(command, typer.Typer):
        return get_command(command)
    app = typer.Typer(add_completion=False)
    app.command(name, help=None)(command)
    return get_command(app)


def build() -> Kaipiao:
    """Return the group of all commands."""
    stubs = [LazyCommand(name, help=text, short_help=text) for name, text in COMMANDS.items()]
    return Kaipiao(
        name="kaipiao",
        commands=stubs,
        no_args_is_help=True,
        help="Kaipiao (开票) renders Chinese e-invoices: PDF/A-3 with SM2 signature, and pictures.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def main() -> None:
    """Run the command line of this process."""
    build()(prog_name="kaipiao")
