"""``kaipiao setup``: brings what pip cannot, and says what it does before it does it."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.output import EXIT_FAILED, console, error_console
from workers.cli.packages import (
    DEVELOPER_NEEDS,
    NEEDS,
    Need,
    Rights,
    find_rights,
    find_unmet,
    install_commands,
    run_all,
    run_command,
)

if TYPE_CHECKING:
    from render.sign.keys import IdentityPaths

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Dev = Annotated[bool, typer.Option("--dev", help="Also bring the programs that tests use.")]


def setup(*, yes: Yes = False, dry_run: DryRun = False, dev: Dev = False) -> None:
    """Bring what pip cannot: fonts, FFmpeg and a test signing identity; what is there is left as it is.

    Packages are installed by apt-get, as root or by a sudo that asks for no password; with neither, the command to run
    is printed. In the end one made-up invoice is rendered: the first time on a machine that compiles the inner loops,
    which the first real invoice need not wait for then. Exit status: 0 = all that is required is there, 1 = it is not.
    """
    from render.config import RenderSettings, home_folder
    from render.sign.keys import IdentityPaths, set_up_test_identity

    home = home_folder(os.environ)
    paths = IdentityPaths.test_identity(home)
    # Whoever has set an identity of their own, or switched signing off, needs no test identity.
    wants_identity = RenderSettings.from_mapping(os.environ).identity == paths and not _is_complete(paths)
    unmet = find_unmet((*NEEDS, *DEVELOPER_NEEDS) if dev else NEEDS, os.environ)
    rights = find_rights() if unmet else Rights(None)
    commands = install_commands([need.package for need in unmet]) if unmet else []
    if not unmet and not wants_identity:
        console().print("Everything is set up: nothing to do.")
        if not dry_run:
            _try_out()
        return
    _announce(unmet, commands, rights, paths if wants_identity else None)
    if dry_run:
        return
    if not yes and not typer.confirm("Do this?"):
        raise typer.Exit(EXIT_FAILED)
    if wants_identity:
        set_up_test_identity(home, now=datetime.now(UTC))
        console().print(f"Made the test identity in {paths.key.parent}.")
    if unmet and rights.prefix is not None:
        with error_console().status("apt-get is at work"):
            run_all(commands, rights, run_command)
        console().print(f"Installed {', '.join(need.package for need in unmet)}.")
    _conclude(find_unmet(unmet, os.environ))
    _try_out()


def _is_complete(paths: IdentityPaths) -> bool:
    return all(path.is_file() for path in (paths.key, paths.certificate, paths.passphrase))


def _announce(
    unmet: Sequence[Need], commands: Sequence[Sequence[str]], rights: Rights, identity: IdentityPaths | None
) -> None:
    screen = console()
    if identity is not None:
        screen.print("Will make a signing identity for TESTS (an SM2 key and a self-signed certificate that says so):")
        for path in (identity.key, identity.certificate, identity.passphrase):
            screen.print(f"  {path}", soft_wrap=True, markup=False)
    if unmet:
        screen.print("Will install:" if rights.prefix is not None else "Not here, and needs root to install:")
        for need in unmet:
            screen.print(f"  {need.package} ({need.purpose}){' [required]' if need.required else ''}", markup=False)
        if rights.prefix is not None:
            screen.print("by running:")
        else:
            screen.print("You are not root, and no sudo works without a password. Please run as root:")
        for command in commands:
            screen.print(f"  {shlex.join([*(rights.prefix or ()), *command])}", soft_wrap=True, markup=False)


def _conclude(unmet: Sequence[Need]) -> None:
    required = [need.package for need in unmet if need.required]
    if required:
        error_console().print(f"Still missing: {', '.join(required)}. Nothing can be rendered.", style="bold red")
        raise typer.Exit(EXIT_FAILED)
    if unmet:
        error_console().print(f"Left out, as nothing requires it: {', '.join(need.package for need in unmet)}.")
    console().print("Set up. `kaipiao doctor` says what is there.")


def _try_out() -> None:
    """Render a made-up invoice, which compiles what is not compiled yet."""
    from workers.selftest.first_page import render_first_page

    begun = time.perf_counter()
    with error_console().status("rendering one made-up invoice; the first time on a machine compiles the inner loops"):
        render_first_page(os.environ)
    console().print(f"Rendered one made-up invoice: it took {time.perf_counter() - begun:.1f} s.")
