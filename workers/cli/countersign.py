"""``kaipiao countersign``: adds this machine's signature to PDFs that are signed already, as an incremental update."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from render.errors import ConfigError, InputError, KaipiaoError, StoreError
from workers.cli.output import EXIT_INPUT, JsonFlag, console, exit_code, print_json, printable, show_error
from workers.cli.verify import read_pdf

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="PDF files, signed or not.", show_default=False)]
Target = Annotated[
    Path,
    typer.Option("--to", metavar="FOLDER", help="Write the signed copies into this folder; originals stay.",
                 show_default=False),
]  # fmt: skip


def countersign(files: Files, *, to: Target, as_json: JsonFlag = False) -> None:
    """Sign PDFs a second time (会签): what is there stays byte for byte, and the earlier signatures stay valid.

    The key is the one that this machine signs with; the time is now. A file that was changed after its last signature
    is refused. Exit status: 0 = every file was signed, 1 = the key or the folder failed, 2 = a file was refused.
    """
    from render.config import RenderSettings
    from render.sign.keys import load_identity

    identity = RenderSettings.from_mapping(os.environ).identity
    if identity is None:
        raise ConfigError("signing is switched off.", hint="Set KAIPIAO_SIGNING=on, or unset it.")
    signer, now = load_identity(identity), datetime.now(UTC).replace(microsecond=0)
    records, code = [], 0
    for file in files:
        record: dict[str, Any] = {"file": str(file)}
        records.append(record)
        target = to / file.name
        try:
            signed = _sign(read_pdf(file), signer, now)
            _write(target, signed)
            record |= {"written": str(target), "signer": signer.subject, "signing_time": now.isoformat()}
            if not as_json:
                console().print(Text(f"{printable(str(target))}: signed by {printable(signer.subject)}"))
        except KaipiaoError as error:
            record["error"] = error.as_dict()
            code = max(code, EXIT_INPUT if isinstance(error, InputError) else exit_code(error))
            if not as_json:
                show_error(error, title=str(file))
    if as_json:
        print_json(records)
    raise typer.Exit(code)


def _sign(data: bytes, signer: Any, now: datetime) -> bytes:  # noqa: ANN401 a signer, whose module loads slowly
    from render.sign.countersign import countersign_pdf
    from render.sign.verify import Status, verify_pdf

    found = verify_pdf(data)
    if not (found.is_intact or found.status is Status.UNSIGNED):
        problems = " ".join(found.problems)
        raise InputError(f"the file is {found.status.value}: {problems}", hint="Ask for the file as it was signed.")
    return countersign_pdf(data, signer, now)


def _write(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise InputError(f"{target} is already there.", hint="Choose an empty folder.") from error
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}.", hint="Choose a folder that can be written.") from error
