"""What a caller says about a document and gets back: description, attachments, the finished file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from render.errors import Fault, InputError

RELATIONSHIPS = ("Source", "Data", "Alternative", "Supplement", "Unspecified")
PRODUCER = "Kaipiao"

SIGNATURE_HANDLERS = {"adbe.pkcs7.detached": "Adobe.PPKLite", "GM.sm2seal": "Gomain.GMPkiLite"}
"""Formats of signatures (/SubFilter), and the handlers that readers of each look for (/Filter)."""
PDF_A_SIGNATURE = "adbe.pkcs7.detached"

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,5}")
# What XML 1.0 cannot hold, control characters that have no place in a title, and marks that reorder what is shown.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
_PATH_SIGNS = re.compile(r'[/\\:*?"<>|]')
# A PDF/A string has at most 32,767 bytes (ISO 19005-3, 6.1.13): two a character, and the byte order mark.
_MAX_CHARS = 8_000
_SECONDS_A_MINUTE = 60
_KEPT_ANSWERS = 64


@dataclass(frozen=True, slots=True)
class PdfInfo:
    """The description of a document, written to the Info dictionary and, the same, to the XMP packet.

    Attributes:
        created: date of creation and change, with a time zone.
        language: of the text, a BCP 47 tag.
        document_id: identifies the document across versions of the file; "" = the file's content does.
        signed: signing time for the signature dictionary (/M); None = told by the signature alone.
        claims_pdf_a: say in the XMP packet that the file is PDF/A-3b.
        signature_format: of the reserved signature, one of SIGNATURE_HANDLERS. ``GM.sm2seal`` holds a seal signature
            of GB/T 38540, which PDF/A-3 forbids (ISO 19005-3, annex B, asks for PKCS#7): it goes with
            ``claims_pdf_a=False`` alone.

    Raises:
        InputError: a text that XMP cannot hold, a date without time zone, a malformed language tag, an unknown
            signature format, or one that contradicts the claim of PDF/A.
    """

    title: str
    author: str
    subject: str
    keywords: str
    created: datetime
    producer: str = PRODUCER
    language: str = "zh-CN"
    document_id: str = ""
    signed: datetime | None = None
    claims_pdf_a: bool = True
    signature_format: str = PDF_A_SIGNATURE

    def __post_init__(self) -> None:
        texts = ("title", "author", "subject", "keywords", "producer", "document_id")
        given = (self.title, self.author, self.subject, self.keywords, self.producer, self.document_id)
        faults: list[Fault] = []
        # Almost all are well, which is quickly told of all together.
        if _text_faults("info", "".join(given)):
            faults = [fault for name in texts for fault in _text_faults(f"info.{name}", getattr(self, name))]
        if not _is_language(self.language):
            faults.append(_fault("info.language", "pdf.language", f"{self.language[:40]!r} is no language tag."))
        faults += _date_faults("info.created", self.created)
        faults += _date_faults("info.signed", self.signed)
        faults += _signature_faults(self.signature_format, claims_pdf_a=self.claims_pdf_a)
        _refuse("the document information cannot be written.", faults)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the PDF (associated file, ISO 19005-3, 6.8).

    Attributes:
        name: file name without folders; ``media_type``: such as "text/xml".
        relationship: one of RELATIONSHIPS: Source = the document was made from it, Data = it holds the same data.
        modified: date of change, with a time zone.

    Raises:
        InputError: a name that is a path, an unknown relationship, a malformed media type, a date without time zone.
    """

    name: str
    data: bytes = field(repr=False)
    media_type: str
    relationship: str
    description: str
    modified: datetime

    def __post_init__(self) -> None:
        faults: list[Fault] = []
        if _text_faults("attachment", self.name + self.description):
            faults += _text_faults("attachment.name", self.name)
            faults += _text_faults("attachment.description", self.description)
        if not self.name or self.name in {".", ".."} or _PATH_SIGNS.search(self.name):
            faults.append(_fault("attachment.name", "pdf.file_name", f"{self.name[:40]!r} is no plain file name."))
        if not _is_media_type(self.media_type):
            faults.append(_fault("attachment.media_type", "pdf.media_type", f"{self.media_type[:40]!r} is none."))
        if self.relationship not in RELATIONSHIPS:
            remedy = f"Choose from {', '.join(RELATIONSHIPS)}."
            message = f"no relationship {self.relationship[:40]!r}."
            faults.append(Fault("attachment.relationship", "pdf.relationship", message, remedy))
        faults += _date_faults("attachment.modified", self.modified)
        _refuse("the file cannot be attached.", faults)


@dataclass(frozen=True, slots=True)
class PdfFile:
    """A finished PDF.

    Attributes:
        signature_span: file offsets of the "<" and just behind the ">" of the reserved /Contents; None = unsigned.
    """

    data: bytes = field(repr=False)
    signature_span: tuple[int, int] | None


@lru_cache(maxsize=_KEPT_ANSWERS)
def _is_language(tag: str) -> bool:
    return _LANGUAGE.fullmatch(tag) is not None


@lru_cache(maxsize=_KEPT_ANSWERS)
def _is_media_type(name: str) -> bool:
    return _MEDIA_TYPE.fullmatch(name) is not None


def _text_faults(path: str, text: str) -> list[Fault]:
    faults = []
    found = _FORBIDDEN.search(text)
    if found:
        message = f"U+{ord(found.group()):04X} cannot stand in a document's description."
        faults.append(_fault(path, "pdf.text_forbidden", message))
    if len(text) > _MAX_CHARS:
        faults.append(_fault(path, "pdf.text_length", f"{len(text):,} characters; at most {_MAX_CHARS:,} fit."))
    return faults


def _date_faults(path: str, moment: datetime | None) -> list[Fault]:
    if moment is None:
        return []
    offset = moment.utcoffset()
    # A day has whole minutes, so the rest of it tells.
    if offset is None or offset.microseconds or offset.seconds % _SECONDS_A_MINUTE:
        return [_fault(path, "pdf.time_zone", "the date has no time zone of whole minutes.")]
    return []


def _signature_faults(signature_format: str, *, claims_pdf_a: bool) -> list[Fault]:
    path = "info.signature_format"
    if signature_format not in SIGNATURE_HANDLERS:
        remedy = f"Choose from {', '.join(SIGNATURE_HANDLERS)}."
        return [Fault(path, "pdf.signature_format", f"no format {signature_format[:40]!r}.", remedy)]
    if claims_pdf_a and signature_format != PDF_A_SIGNATURE:
        message = f"a file with a {signature_format} signature is no PDF/A-3."
        return [Fault(path, "pdf.signature_not_pdf_a", message, "Set claims_pdf_a to False.")]
    return []


def _fault(path: str, rule: str, message: str) -> Fault:
    return Fault(path, rule, message, "Correct the value.")


def _refuse(message: str, faults: list[Fault]) -> None:
    if faults:
        raise InputError(message, faults=tuple(faults))
