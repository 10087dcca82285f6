"""The command line: ``kaipiao`` and its commands, each loaded when it is called."""

from workers.cli.commands import main

__all__ = ["main"]
