"""What a PDF of any origin is, has and lacks, read with pikepdf: for archives that hold invoices of many years."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pikepdf

from render.errors import MalformedInput
from render.pdf.inspect import forbidden_in, is_embedded
from render.units import PT_PER_INCH, UM_PER_INCH, UM_PER_MM

_MOST_PROBLEMS = 50
_SOURCE = re.compile(r"^stream <[^>]*>(: | )?")


@dataclass(frozen=True, slots=True)
class FontReport:
    """One font of a file: ``can_extract`` tells whether its text can be read out as characters."""

    name: str
    kind: str
    is_embedded: bool
    can_extract: bool


@dataclass(frozen=True, slots=True)
class PdfReport:
    """What a PDF is.

    Attributes:
        version: of PDF, such as "1.7".
        page_mm: width and height of each page, in mm.
        pdf_a: what the file claims to be, such as "3B"; "" = no PDF/A. The claim is not checked here.
        language: of the text, "" = not stated.
        is_tagged: it has a structure tree.
        fonts: by name.
        attachments: name and bytes of each file inside.
        signatures: how many signature fields are signed.
        forbidden: what must never be in an invoice, one line each.
        problems: faults of the file's structure, one line each; a reader had to guess.
    """

    version: str
    page_mm: tuple[tuple[float, float], ...]
    pdf_a: str
    language: str
    is_tagged: bool
    fonts: tuple[FontReport, ...]
    attachments: tuple[tuple[str, int], ...]
    signatures: int
    forbidden: tuple[str, ...]
    problems: tuple[str, ...]


def describe(data: bytes) -> PdfReport:
    """Return what a PDF is.

    Raises:
        MalformedInput: not a PDF that can be read, even by guessing, or one that needs a password.
    """
    with open_leniently(data) as pdf:
        root = pdf.Root
        # What was guessed while opening is told once, so it is asked for first.
        problems = [*warnings_of(pdf), *map(_plain, pdf.check_pdf_syntax()), *warnings_of(pdf)]
        return PdfReport(
            version=pdf.pdf_version,
            page_mm=tuple(_size_mm(page) for page in pdf.pages),
            pdf_a=_claim(pdf),
            language=str(root.get("/Lang", "")),
            is_tagged="/StructTreeRoot" in root,
            fonts=tuple(sorted(set(_fonts(pdf)), key=lambda font: (font.name, font.kind))),
            attachments=tuple((name, _attached_bytes(spec)) for name, spec in sorted(pdf.attachments.items())),
            signatures=count_signatures(pdf),
            forbidden=forbidden_in(data),
            problems=tuple(dict.fromkeys(problems))[:_MOST_PROBLEMS],
        )


def open_leniently(data: bytes) -> pikepdf.Pdf:
    """Open a PDF, also one whose table of objects must be rebuilt.

    Raises:
        MalformedInput: it cannot be read even so, or needs a password.
    """
    try:
        return pikepdf.open(io.BytesIO(data), suppress_warnings=True)
    except pikepdf.PasswordError as error:
        raise MalformedInput("the file needs a password.", hint="Remove its encryption first.") from error
    except pikepdf.PdfError as error:
        hint = "Restore the file from a backup, or render the invoice again."
        raise MalformedInput(f"the file is no readable PDF: {error}.", hint=hint) from error


def warnings_of(pdf: pikepdf.Pdf) -> list[str]:
    """Return what the reader had to guess since it was last asked."""
    return [_plain(warning) for warning in pdf.get_warnings()]


def count_signatures(pdf: pikepdf.Pdf) -> int:
    """Return how many signature values a file holds."""
    return sum(
        1
        for item in pdf.objects
        if isinstance(item, pikepdf.Dictionary) and "/ByteRange" in item and "/Contents" in item
    )


def _plain(warning: object) -> str:
    """Return a message without the reader's name for the data, which differs each time."""
    return _SOURCE.sub("", str(warning))


def _size_mm(page: pikepdf.Page) -> tuple[float, float]:
    left, bottom, right, top = (Decimal(str(edge)) for edge in page.mediabox)
    per_point = Decimal(UM_PER_INCH) / UM_PER_MM / PT_PER_INCH
    width, height = (float(round(abs(side) * per_point, 2)) for side in (right - left, top - bottom))
    return width, height


def _claim(pdf: pikepdf.Pdf) -> str:
    if "/Metadata" not in pdf.Root:
        return ""
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as metadata:
        return str(metadata.pdfa_status)


def _fonts(pdf: pikepdf.Pdf) -> Iterator[FontReport]:
    for item in pdf.objects:
        if not isinstance(item, pikepdf.Dictionary) or item.get("/Type") != "/Font":
            continue
        kind = str(item.get("/Subtype", "")).removeprefix("/")
        # The descendant of a composite font is listed with it.
        if kind.startswith("CIDFont"):
            continue
        name = str(item.get("/BaseFont", "")).removeprefix("/")
        can_extract = "/ToUnicode" in item or (kind != "Type0" and "/Encoding" in item)
        yield FontReport(name, kind, is_embedded(item), can_extract)


def _attached_bytes(spec: pikepdf.AttachedFileSpec) -> int:
    return len(spec.get_file().read_bytes())
