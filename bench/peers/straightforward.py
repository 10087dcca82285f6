"""The stack that most people would build: ReportLab, pdfium, Pillow and gmssl, each as its manual shows it.

ReportLab takes TrueType outlines alone, so every Chinese text is set in LXGW WenKai (Noto Serif CJK has CFF outlines)
and figures in Liberation Mono. The signature is the pure gmssl SM3 and SM2 of the whole file, kept beside it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pypdfium2
import segno
from gmssl import func, sm2, sm3
from PIL import Image
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from bench.peers import form
from render.model.invoice import Invoice, Line

NAME = "ReportLab + pdfium + Pillow + gmssl"
CHINESE, FIGURES = "bench-kai", "bench-mono"
_QR_MM = (6.5, 6.0, 20.0)
_RASTER_DPI = 300
_PDF_DPI = 72
_FULL_SIZE_CHARS = 13


class Straightforward:
    """The peer's stages, one method each.

    Args:
        kai: TrueType font for Chinese text; ``mono``: TrueType font for figures.
        private_key, public_key: SM2 key pair in hexadecimal, for measurements alone.
    """

    def __init__(self, kai: Path, mono: Path, private_key: str, public_key: str) -> None:
        pdfmetrics.registerFont(TTFont(CHINESE, str(kai)))
        pdfmetrics.registerFont(TTFont(FIGURES, str(mono)))
        self._signer = sm2.CryptSM2(private_key=private_key, public_key=public_key)

    def pdf(self, invoice: Invoice) -> bytes:
        """Draw an invoice with ReportLab."""
        buffer = io.BytesIO()
        width, height = (length * mm for length in form.PAGE_MM)
        canvas = Canvas(buffer, pagesize=(width, height), invariant=1, pageCompression=1)
        pages = form.paged(invoice.lines)
        for place, lines in enumerate(pages):
            sheet = _Sheet(canvas)
            sheet.draw_form(invoice)
            sheet.draw_heads(invoice)
            sheet.draw_lines(lines)
            if place == len(pages) - 1:
                sheet.draw_totals(invoice)
            canvas.showPage()
        canvas.save()
        return buffer.getvalue()

    def sign(self, pdf: bytes) -> str:
        """Return the SM2 signature of the SM3 digest of a file, in hexadecimal."""
        digest = sm3.sm3_hash(func.bytes_to_list(pdf))
        signature: str = self._signer.sign_with_sm3(bytes.fromhex(digest))
        return signature

    def raster(self, pdf: bytes) -> list[Image.Image]:
        """Draw every page with pdfium at 300 dpi."""
        document = pypdfium2.PdfDocument(pdf)
        try:
            return [page.render(scale=_RASTER_DPI / _PDF_DPI).to_pil() for page in document]
        finally:
            document.close()

    def png(self, image: Image.Image) -> bytes:
        """Encode a picture with Pillow as it comes."""
        buffer = io.BytesIO()
        image.save(buffer, "PNG", dpi=(_RASTER_DPI, _RASTER_DPI))
        return buffer.getvalue()

    def render(self, invoice: Invoice) -> dict[str, list[bytes]]:
        """Make all outputs of one invoice."""
        pdf = self.pdf(invoice)
        signature = self.sign(pdf).encode()
        return {"pdf": [pdf], "signature": [signature], "png": [self.png(image) for image in self.raster(pdf)]}


class _Sheet:
    """One page on a canvas, addressed in millimetres from the top left."""

    def __init__(self, canvas: Any) -> None:  # noqa: ANN401 ReportLab has no types
        self._canvas = canvas

    def draw_form(self, invoice: Invoice) -> None:
        """Draw rules, captions and the title."""
        canvas = self._canvas
        canvas.setStrokeColorRGB(*form.MAROON)
        canvas.setFillColorRGB(*form.MAROON)
        canvas.setLineWidth(0.25 * mm)
        for x1, y1, x2, y2 in form.RULES_MM:
            canvas.line(x1 * mm, self._up(y1), x2 * mm, self._up(y2))
        canvas.setFont(CHINESE, 7.0732 * mm)
        canvas.drawCentredString(form.PAGE_MM[0] / 2 * mm, self._up(14.1), form.TITLES[invoice.kind])
        for caption in form.CAPTIONS:
            self._text(caption.x_mm, caption.y_mm, caption.text, size_mm=caption.size_mm)
        canvas.setFillColorRGB(0, 0, 0)

    def draw_heads(self, invoice: Invoice) -> None:
        """Draw QR code, number, date and parties."""
        self._qr(invoice.qr_text)
        self._text(170, 14, invoice.number, size_mm=2.9)
        self._text(170, 20, f"{invoice.issued:%Y}年{invoice.issued:%m}月{invoice.issued:%d}日")
        for x_mm, party in ((20, invoice.buyer), (120, invoice.seller)):
            for row, text in enumerate(form.wrapped(party.name, form.PARTY_CHARS)):
                self._text(x_mm, 36.5 + row * 3.5, text)
            self._text(x_mm + 34.5, 47, party.tax_id, FIGURES, 4.2333)

    def draw_lines(self, lines: Sequence[Line]) -> None:
        """Draw the rows of the item table."""
        y_mm = 60.0
        for line in lines:
            first_mm = y_mm
            # The whole name before the other columns: readers keep the order of drawing.
            for text in form.wrapped(line.name, form.NAME_CHARS):
                self._text(4.7, y_mm, text)
                y_mm += form.ROW_MM
            self._text(42, first_mm, line.spec, size_mm=2.5)
            self._text(67, first_mm, line.unit)
            for right_mm, text in (
                (102.5, line.quantity),
                (127.5, line.unit_price),
                (153, form.money(line.amount)),
                (169, form.rate_text(line)),
                (205.5, form.tax_text(line)),
            ):
                self._right(right_mm, first_mm, text)

    def draw_totals(self, invoice: Invoice) -> None:
        """Draw totals, words, remark and clerk."""
        self._right(153, 94.5, f"¥{form.money(invoice.total_amount)}")
        self._right(205.5, 94.5, f"¥{form.money(invoice.total_tax)}")
        self._text(63, 101.5, invoice.total_words)
        self._text(155.5, 101.5, f"¥{form.money(invoice.total)}")
        for row, text in enumerate(form.wrapped(invoice.remark, form.REMARK_CHARS)):
            self._text(11.1, 107.3 + row * 3.3, text)
        self._text(32, 132.5, invoice.clerk)

    def _text(self, x_mm: float, y_mm: float, text: str, font: str = CHINESE, size_mm: float = form.TEXT_MM) -> None:
        self._canvas.setFont(font, size_mm * mm)
        self._canvas.drawString(x_mm * mm, self._up(y_mm), text)

    def _right(self, x_mm: float, y_mm: float, text: str) -> None:
        size_mm = form.TEXT_MM if len(text) <= _FULL_SIZE_CHARS else 2.6
        self._canvas.setFont(CHINESE, size_mm * mm)
        self._canvas.drawRightString(x_mm * mm, self._up(y_mm), text)

    def _qr(self, text: str) -> None:
        matrix = segno.make_qr(text, error="m").matrix
        left, top, size = _QR_MM
        module = size / len(matrix)
        path = self._canvas.beginPath()
        for row, bits in enumerate(matrix):
            for column, bit in enumerate(bits):
                if bit:
                    x, y = left + column * module, top + (row + 1) * module
                    path.rect(x * mm, self._up(y), module * mm, module * mm)
        self._canvas.drawPath(path, stroke=0, fill=1)

    @staticmethod
    def _up(y_mm: float) -> float:
        return (form.PAGE_MM[1] - y_mm) * float(mm)
