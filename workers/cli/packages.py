"""Debian packages that bring what pip cannot, and how to install them with the rights at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from render.errors import KaipiaoError
from render.fonts.registry import FontSettings, find_fonts

_SYSTEMD = Path("/run/systemd/system")
_UNITS = {"redis-server": "redis-server.service", "postgresql": "postgresql.service"}
_LAST_ROWS = 15


class InstallFailed(KaipiaoError):  # noqa: N818 named like the rest of the error tree
    """A command of the set-up failed."""

    code = "setup_failed"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a package brings.

    Attributes:
        package: name in Debian.
        purpose: what it is good for.
        required: without it no invoice can be rendered.
        font_role: the role that the package's font serves, empty for programs.
        program: the program that it brings, empty for fonts.
    """

    package: str
    purpose: str
    required: bool = False
    font_role: str = ""
    program: str = ""


NEEDS = (
    Need("fonts-lxgw-wenkai", "楷体 of the invoice: LXGW WenKai", required=True, font_role="kai"),
    Need("fonts-noto-cjk", "宋体 of the invoice: Noto Serif CJK", required=True, font_role="song"),
    Need("fonts-liberation", "figures of the invoice: Liberation Mono", required=True, font_role="mono"),
    Need("ffmpeg", "page reels", program="ffmpeg"),
)
DEVELOPER_NEEDS = (
    Need("redis-server", "tests against a real broker", program="redis-server"),
    Need("postgresql", "tests of the ledger in a real database", program="pg_ctlcluster"),
    Need("g++", "tests of the CUDA kernels on the CPU, and of wrong clocks", program="g++"),
    Need("poppler-utils", "tests with another PDF reader", program="pdftotext"),
    Need("mupdf-tools", "tests with a third PDF reader", program="mutool"),
    Need("qpdf", "tests of PDF structure", program="qpdf"),
    Need("pngcheck", "tests of PNG structure", program="pngcheck"),
)


@dataclass(frozen=True, slots=True)
class Rights:
    """How commands are run as root: ``prefix`` goes before each; None = they cannot be."""

    prefix: tuple[str, ...] | None


Runner = Callable[[Sequence[str]], None]


def find_unmet(needs: Sequence[Need], values: Mapping[str, str]) -> list[Need]:
    """Return the needs that nothing on this machine meets, wherever it came from.

    Args:
        needs: what to look for.
        values: the environment, with the settings of fonts.
    """
    served = {entry.role for entry in find_fonts(FontSettings.from_mapping(values)) if entry.file is not None}
    return [need for need in needs if not (shutil.which(need.program) if need.program else need.font_role in served)]


def find_rights() -> Rights:
    """Find out how to become root without asking: by being it, or by a sudo that needs no password."""
    if os.geteuid() == 0:
        return Rights(())
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603
        return Rights((sudo, "-n"))
    return Rights(None)


def install_commands(packages: Sequence[str], *, has_systemd: bool | None = None) -> list[list[str]]:
    """Return the commands that install packages, as root runs them.

    Servers are wanted as programs that tests start by themselves, not as services: they are kept from starting (a mask
    until the next boot under systemd, runlevel 1 under other systems) and from starting at boot.

    Args:
        packages: names in Debian.
        has_systemd: None = look.
    """
    install = [
        *("env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"),
        *("apt-get", "install", "-y", "--no-install-recommends", *packages),
    ]
    commands = [["apt-get", "update"], install]
    systemd = _SYSTEMD.is_dir() if has_systemd is None else has_systemd
    units = [_UNITS[package] for package in packages if package in _UNITS]
    if units and systemd:
        commands.insert(1, ["systemctl", "mask", "--runtime", *units])
        commands += [["systemctl", "unmask", "--runtime", *units], ["systemctl", "disable", *units]]
    return commands


def run_all(commands: Sequence[Sequence[str]], rights: Rights, run: Runner) -> None:
    """Run the commands in order; after a failure only those that undo something are still run.

    Args:
        commands: as ``install_commands`` gives them.
        rights: of which the prefix must not be None.
        run: runs one command; raises InstallFailed.

    Raises:
        InstallFailed: a command failed, with the last of what it said.
    """
    failure: InstallFailed | None = None
    for command in commands:
        if failure is None or "unmask" in command:
            try:
                run([*(rights.prefix or ()), *command])
            except InstallFailed as error:
                failure = failure or error
    if failure is not None:
        raise failure


def run_command(command: Sequence[str]) -> None:
    """Run one command, keeping what it says for the case that it fails.

    Raises:
        InstallFailed: it failed or is not there.
    """
    try:
        done = subprocess.run(  # noqa: S603 the commands of install_commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise InstallFailed(f"{command[0]}: {error.strerror}.", hint="Is this Debian or a child of it?") from error
    if done.returncode != 0:
        said = "\n".join(done.stdout.strip().splitlines()[-_LAST_ROWS:])
        raise InstallFailed(f"`{' '.join(command)}` failed ({done.returncode}):\n{said}", hint="Mend it and try again.")
