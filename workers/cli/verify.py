"""``kaipiao verify``: who signed a PDF, when, and whether it was changed since."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from render.errors import ConfigError, MalformedInput
from workers.cli.output import EXIT_FAILED, EXIT_INPUT, JsonFlag, console, print_json, printable, show_error

if TYPE_CHECKING:
    from render.sign.verify import SignatureReport, Verification

MAX_PDF_BYTES = 256 * 1024 * 1024
_MEANING = {
    "valid": "Unchanged since it was signed, by a signer that you trust.",
    "valid_untrusted": "Unchanged since it was signed, but the signer is a stranger: anybody can sign as anybody.",
    "changed": "CHANGED: this is not what was signed.",
    "invalid": "The signature or its certificate is not in order.",
    "unsigned": "There is no signature.",
    "unreadable": "This is no PDF that can be read.",
}

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Signed PDF files.", show_default=False)]
Trust = Annotated[
    list[Path] | None,
    typer.Option("--trust", metavar="CERTIFICATE", help="Trust this signer or authority too (PEM or DER); repeatable."),
]
AnySigner = Annotated[bool, typer.Option("--any-signer", help="Be content with a signer that is not trusted.")]


def verify(files: Files, *, trust: Trust = None, any_signer: AnySigner = False, as_json: JsonFlag = False) -> None:
    """Say who signed a PDF, when, and whether it was changed since.

    Trusted are the certificate that this machine signs with and those that --trust names. Exit status: 0 = every file
    is valid, 1 = one is not, 2 = one could not be read.
    """
    from render.sign.verify import verify_pdf

    trusted = [*own_certificate(os.environ), *(_certificate(path) for path in trust or [])]
    records, code = [], 0
    for file in files:
        try:
            found = verify_pdf(read_pdf(file), trusted)
        except MalformedInput as error:
            code = EXIT_INPUT
            records.append({"file": str(file), "valid": False, "error": error.as_dict()})
            if not as_json:
                show_error(error, title=str(file))
            continue
        valid = found.is_intact if any_signer else found.status.value == "valid"
        code = max(code, 0 if valid else EXIT_FAILED)
        records.append(_record(file, found, valid=valid))
        if not as_json:
            _show(file, found, valid=valid)
    if as_json:
        print_json(records)
    raise typer.Exit(code)


def own_certificate(values: Mapping[str, str]) -> list[bytes]:
    """Return the certificate that this machine signs with, if there is one."""
    from render.config import RenderSettings

    identity = RenderSettings.from_mapping(values).identity
    return [identity.certificate.read_bytes()] if identity and identity.certificate.is_file() else []


def _certificate(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", hint="Name a certificate, PEM or DER.") from error


def read_pdf(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        MalformedInput: it cannot be read, or is larger than any document.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PDF_BYTES + 1)
    except OSError as error:
        raise MalformedInput(f"{path}: {error.strerror}.", hint="Name files that can be read.") from error
    if len(data) > MAX_PDF_BYTES:
        raise MalformedInput(f"{path} has more than {MAX_PDF_BYTES} bytes.", hint="Name one document.")
    return data


def _record(file: Path, found: Verification, *, valid: bool) -> dict[str, Any]:
    return {
        "file": str(file),
        "valid": valid,
        "status": found.status.value,
        "signer": found.signer,
        "serial": found.serial,
        "signing_time": found.signing_time.isoformat() if found.signing_time else None,
        "covers_whole_file": found.covers_whole_file,
        "codes": list(found.codes),
        "problems": list(found.problems),
        "signatures": [_signature_record(report) for report in found.signatures],
    }


def _signature_record(report: SignatureReport) -> dict[str, Any]:
    return {
        "field": report.field,
        "status": report.status.value,
        "format": report.sub_filter,
        "seal": report.seal,
        "signer": report.signer,
        "serial": report.serial,
        "signing_time": report.signing_time.isoformat() if report.signing_time else None,
        "signed_bytes": report.signed_bytes,
        "followed_by": _followed_by(report),
        "codes": [finding.code for finding in (*report.findings, *report.later)],
    }


def _followed_by(report: SignatureReport) -> str:
    """Say what stands behind a signature: nothing, only further signatures, or changes."""
    if report.covers_whole_file:
        return "nothing"
    return "signatures" if report.is_countersigned else "changes"


def _show(file: Path, found: Verification, *, valid: bool) -> None:
    table = Table(title=Text(printable(str(file))), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("verdict", Text(_MEANING[found.status.value], style="green" if valid else "red"))
    if found.signer:
        signed = found.signing_time.isoformat() if found.signing_time else "not stated"
        table.add_row("signed by", Text(printable(found.signer)))
        table.add_row("certificate", found.serial)
        table.add_row("signed at", f"{signed} (by the signer's own clock)")
        table.add_row("covers", "the whole file" if found.covers_whole_file else "only a part of the file")
    if len(found.signatures) > 1:
        for report in found.signatures:
            words = f"{report.field}: {report.signer or 'unreadable'}, {report.status.value}"
            followed = _followed_by(report)
            table.add_row(
                "signature", Text(printable(f"{words}, {followed} follow" if followed != "nothing" else words))
            )
    for finding in found.findings:
        table.add_row("problem", Text(printable(f"{finding.text} [{finding.code}]")))
    if found.status.value == "valid_untrusted" and not valid:
        table.add_row("what to do", "Trust the certificate with --trust, or ask for less with --any-signer.")
    console().print(table)
