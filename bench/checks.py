"""Checks every output with readers that are not ours: zxing-cpp, Pillow, pdfium, poppler, qpdf, asn1crypto, gmssl."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

import pikepdf
import pypdfium2
import zxingcpp
from PIL import Image

from bench import signature_check
from bench.independent import qr_crc, words_to_amount
from render.model.invoice import Invoice, InvoiceKind, Treatment

PAGE_PX_300 = (2480, 1654)
QR_KIND = {InvoiceKind.VAT_SPECIAL: "31", InvoiceKind.VAT_ORDINARY: "32"}
_QR_FIELDS = 8
_SHOWN_CHARS = 40


@dataclass(frozen=True, slots=True)
class Rendered:
    """One invoice and what was made of it.

    Attributes:
        invoice: what the input stated; ``xml``: the input, where it was ``EInvoice`` XML.
        pdf: the document; ``pages``: its PNG pictures in order, at 300 dpi.
        is_signed: whether the document must be signed.
    """

    invoice: Invoice = field(repr=False)
    pdf: bytes = field(repr=False)
    pages: tuple[bytes, ...] = field(repr=False)
    xml: bytes | None = field(default=None, repr=False)
    is_signed: bool = True


def problems_of(rendered: Rendered) -> list[str]:
    """Return everything that readers found wrong; an empty list means that all of it holds."""
    problems = [*picture_problems(rendered.invoice, rendered.pages), *text_problems(rendered)]
    problems += attachment_problems(rendered)
    if rendered.is_signed:
        problems += signature_check.problems_of(rendered.pdf)
    return problems


def picture_problems(invoice: Invoice, pages: Sequence[bytes]) -> list[str]:
    """Check the size of every picture and the QR code of the first."""
    if not pages:
        return ["no picture"]
    problems = []
    for place, data in enumerate(pages):
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if abs(image.width - PAGE_PX_300[0]) > 1 or abs(image.height - PAGE_PX_300[1]) > 1:
                problems.append(f"picture {place + 1} has {image.width} × {image.height} pixels")
            if place == 0:
                problems += qr_problems(invoice, image.convert("L"))
    return problems


def qr_problems(invoice: Invoice, image: Image.Image) -> list[str]:
    """Read the QR code and compare its fields with the invoice."""
    # An upright black code on white: what only a worn or turned picture needs is left out.
    found = zxingcpp.read_barcodes(
        image,
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
        try_rotate=False,
        try_invert=False,
        try_downscale=False,
    )
    if len(found) != 1:
        return [f"{len(found)} QR codes were read"]
    text = found[0].text
    fields = text.split(",")
    expected = ["01", QR_KIND[invoice.kind], "", invoice.number, f"{invoice.total:.2f}", f"{invoice.issued:%Y%m%d}", ""]
    if len(fields) < _QR_FIELDS or fields[: _QR_FIELDS - 1] != expected:
        return [f"the QR code says {text!r}"]
    if fields[_QR_FIELDS - 1] != qr_crc(",".join(expected) + ","):
        return [f"the QR code's check value is {fields[_QR_FIELDS - 1]!r}"]
    return []


def text_problems(rendered: Rendered) -> list[str]:
    """Look for what the invoice states in the text that pdfium and poppler extract."""
    readers = {"pdfium": pdfium_text(rendered.pdf)}
    if shutil.which("pdftotext"):
        readers["poppler"] = poppler_text(rendered.pdf)
    invoice = rendered.invoice
    problems = []
    for reader, text in readers.items():
        squeezed = _squeeze(text)
        missing = [value for value in printed_values(invoice) if _squeeze(value) not in squeezed]
        problems += [f"{reader} does not find {_shortened(value)!r}" for value in missing]
    if words_to_amount(invoice.total_words) != invoice.total:
        problems.append(f"{invoice.total_words} is not {invoice.total}")
    return problems


def printed_values(invoice: Invoice) -> list[str]:
    """Return every text that must stand on the face."""
    values = [
        invoice.number,
        f"{invoice.issued:%Y}年{invoice.issued:%m}月{invoice.issued:%d}日",
        invoice.seller.name,
        invoice.seller.tax_id,
        invoice.buyer.name,
        invoice.buyer.tax_id,
        f"¥{invoice.total_amount:.2f}",
        f"¥{invoice.total:.2f}",
        invoice.total_words,
        invoice.remark,
        invoice.clerk,
    ]
    for line in invoice.lines:
        values += [line.name, line.quantity, line.unit_price, f"{line.amount:.2f}"]
        if line.treatment is Treatment.TAXED:
            values.append(f"{line.tax:.2f}")
    return [value for value in values if value]


def pdfium_text(pdf: bytes) -> str:
    """Return the text of all pages as pdfium extracts it."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        texts = []
        for page in document:
            text_page = page.get_textpage()
            texts.append(text_page.get_text_range())
            text_page.close()
            page.close()
        return "\n".join(texts)
    finally:
        document.close()


def poppler_text(pdf: bytes) -> str:
    """Return the text of all pages as poppler's ``pdftotext`` extracts it, in the order of the page content."""
    command = ["pdftotext", "-raw", "-enc", "UTF-8", "-", "-"]
    return subprocess.run(command, input=pdf, capture_output=True, check=True, timeout=60).stdout.decode()


def attachment_problems(rendered: Rendered) -> list[str]:
    """Check that the one attached file is the invoice's XML, byte for byte where XML came in."""
    with pikepdf.open(io.BytesIO(rendered.pdf)) as document:
        files = [spec.get_file().read_bytes() for spec in document.attachments.values()]
    if len(files) != 1:
        return [f"{len(files)} attachments instead of one"]
    if rendered.xml is not None and files[0] != rendered.xml:
        return ["the attached XML is not the one that came in"]
    if rendered.invoice.number.encode() not in files[0]:
        return ["the attached XML is of another invoice"]
    return []


def _squeeze(text: str) -> str:
    """Drop white space: where a line wraps is not what is checked. pdfium gives a hyphen at a line's end as U+FFFE."""
    return "".join(text.split()).replace("\ufffe", "-")


def _shortened(value: str) -> str:
    return value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}… ({len(value)} characters)"
