"""Mends PDFs of any origin with pikepdf: broken structure is rebuilt, and what no invoice may hold is taken out."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import pikepdf

from render.errors import Fault, InputError
from render.pdf.inspect import remove_forbidden
from render.pdf.report import count_signatures, open_leniently, warnings_of


@dataclass(frozen=True, slots=True)
class Repaired:
    """A mended file, and what was done to it, one line each; nothing where it was sound."""

    data: bytes = field(repr=False)
    changes: tuple[str, ...]


def repair(data: bytes) -> Repaired:
    """Return a PDF with sound structure and without actions, scripts and references to anything outside.

    The pages are not touched: text, fonts and pictures stay what they were, embedded or not. The same file gives the
    same bytes.

    Raises:
        MalformedInput: not a PDF that can be read, even by guessing, or one that needs a password.
        InputError: the file is signed; whatever is changed in it voids the signature.
    """
    with open_leniently(data) as pdf:
        if count_signatures(pdf):
            fault = Fault("file", "pdf.signed", "a mended copy would not be the signed document.", "Keep it as it is.")
            raise InputError("a signed PDF cannot be mended.", faults=(fault,))
        changes = [f"structure rebuilt: {warning}" for warning in dict.fromkeys(warnings_of(pdf))]
        changes += [f"removed {removed}" for removed in remove_forbidden(pdf)]
        target = io.BytesIO()
        pdf.remove_unreferenced_resources()
        pdf.save(target, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return Repaired(target.getvalue(), tuple(changes))
