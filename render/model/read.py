"""The door of the invoice model: bytes in, a checked invoice out, or one error that names every fault."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from render.errors import Fault
from render.model.checks import check_invoice
from render.model.faults import Findings, malformed
from render.model.fields import MAX_DOCUMENT_BYTES
from render.model.invoice import Invoice, Media, Source
from render.model.json_reader import read_json
from render.model.xml_reader import read_xml

_SPACE: Final = b" \t\r\n"
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FORMS = "Send an invoice as our JSON or as EInvoice XML."


@dataclass(frozen=True, slots=True)
class ReadInvoice:
    """An invoice that passed every check, and what its sender should look at all the same."""

    invoice: Invoice
    warnings: tuple[Fault, ...] = ()


def read_invoice(data: bytes, media: Media | None = None) -> ReadInvoice:
    """Read and check an invoice.

    Args:
        data: a JSON or XML document in UTF-8, at most 2 MiB.
        media: what it is; None tells by its first character.

    Raises:
        MalformedInput: the bytes are no such document, or an attack on a parser.
        InvoiceInvalid: a rule is broken; holds every fault and every warning.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        message = f"The document has {len(data)} bytes, {MAX_DOCUMENT_BYTES} are permitted."
        raise malformed("document.too_large", message, "Send one invoice a document.")
    text = _decode(data)
    media = media or _detect(data)
    findings = Findings()
    raw = read_json(data, text, findings) if media is Media.JSON else read_xml(data, text, findings)
    invoice = check_invoice(raw, Source(media, data), findings)
    if invoice is None or findings.has_errors:
        raise findings.refusal()
    return ReadInvoice(invoice, findings.all())


def _decode(data: bytes) -> str:
    if data.startswith(_UTF_16):
        raise malformed("document.encoding", "The document is in UTF-16.", "Send it in UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"Byte {error.start + 1} of the document is not UTF-8."
        raise malformed("document.encoding", message, "Send it in UTF-8.") from None


def _detect(data: bytes) -> Media:
    start = data.removeprefix(codecs.BOM_UTF8).lstrip(_SPACE)[:1]
    if start == b"<":
        return Media.EINVOICE_XML
    if start in {b"{", b"["}:
        return Media.JSON
    found = "empty" if not start else "neither JSON nor XML"
    raise malformed("document.unknown_media", f"The document is {found}.", _FORMS)
