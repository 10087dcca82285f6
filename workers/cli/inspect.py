"""``kaipiao inspect``: what a PDF of any origin is, has and lacks; and a mended copy of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from render.errors import InputError, KaipiaoError
from workers.cli.output import EXIT_FAILED, EXIT_INPUT, JsonFlag, console, exit_code, print_json, printable, show_error
from workers.cli.verify import read_pdf

if TYPE_CHECKING:
    from render.pdf.report import PdfReport

_MOST_ROWS = 12

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="PDF files, of any origin.", show_default=False)]
Repair = Annotated[
    Path | None,
    typer.Option(
        "--repair",
        metavar="FOLDER",
        help="Write mended copies of unsigned files into this folder; originals stay as they are.",
    ),
]


def inspect(files: Files, *, repair: Repair = None, as_json: JsonFlag = False) -> None:
    """Say what PDF files are: pages, PDF/A claim, fonts, attachments, signatures, and what does not belong in them.

    Exit status: 0 = nothing is wrong with any file, 1 = something is, 2 = a file could not be read or mended.
    """
    from render.pdf.report import describe

    records, code = [], 0
    for file in files:
        record: dict[str, Any] = {"file": str(file)}
        records.append(record)
        try:
            data = read_pdf(file)
            report = describe(data)
            record |= dataclasses.asdict(report)
            code = max(code, EXIT_FAILED if _faults(report) else 0)
            if not as_json:
                _show(file, report)
            if repair is not None:
                record["repair"] = _repair(data, repair / file.name)
                if not as_json:
                    _show_repair(repair / file.name, record["repair"])
        except KaipiaoError as error:
            record["error"] = error.as_dict()
            code = max(code, EXIT_INPUT if isinstance(error, InputError) else exit_code(error))
            if not as_json:
                show_error(error, title=str(file))
    if as_json:
        print_json(records)
    raise typer.Exit(code)


def _repair(data: bytes, target: Path) -> list[str]:
    from render.pdf.repair import repair

    mended = repair(data)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            file.write(mended.data)
    except FileExistsError as error:
        raise InputError(f"{target} is already there.", hint="Choose an empty folder.") from error
    return list(mended.changes)


def _faults(report: PdfReport) -> list[tuple[str, str]]:
    """Return what is wrong: its kind, and one line each."""
    loose = [f"{font.name or 'a font without name'} is not embedded" for font in report.fonts if not font.is_embedded]
    mute = [f"{font.name} has no map to characters" for font in report.fonts if not font.can_extract]
    kinds = (("structure", report.problems), ("forbidden", report.forbidden), ("fonts", (*loose, *mute)))
    return [(kind, line) for kind, lines in kinds for line in lines]


def _show(file: Path, report: PdfReport) -> None:
    table = Table(title=Text(printable(str(file))), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    sizes = ", ".join(f"{width:g} × {height:g} mm" for width, height in dict.fromkeys(report.page_mm))
    tagged = "tagged" if report.is_tagged else "not tagged"
    language = report.language or "not stated"
    claim = f"PDF/A-{report.pdf_a.lower()} by its own claim" if report.pdf_a else "no PDF/A"
    attachments = ", ".join(f"{name} ({size:,} bytes)" for name, size in report.attachments) or "none"
    rows = (
        ("PDF", f"{report.version}, {claim}"),
        ("pages", f"{len(report.page_mm)}: {sizes}"),
        ("text", f"{tagged}, language {language}, {len(report.fonts)} fonts"),
        ("attachments", attachments),
        ("signatures", str(report.signatures)),
    )
    for name, value in rows:
        table.add_row(name, Text(printable(value)))
    faults = _faults(report)
    for kind, line in faults[:_MOST_ROWS]:
        table.add_row(kind, Text(printable(line), style="red"))
    if len(faults) > _MOST_ROWS:
        table.add_row("…", f"and {len(faults) - _MOST_ROWS} more; --json lists all")
    if not faults:
        table.add_row("verdict", Text("Nothing is wrong with it.", style="green"))
    console().print(table)


def _show_repair(target: Path, changes: list[str]) -> None:
    console().print(Text(f"mended copy: {printable(str(target))}"))
    for change in changes or ["nothing had to be changed"]:
        console().print(Text(f"  {printable(change)}"))
