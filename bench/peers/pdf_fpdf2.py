"""Draws invoices with fpdf2. A font belongs to its document there, so each document reads the font files anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from bench.peers import form
from bench.peers.pdf_peer import Draw, PeerFonts, version_of
from bench.peers.pdf_sheet import BLACK, MAROON, Align, Fixed, Text, sheets
from render.model.invoice import Invoice

_CHINESE, _MONO = "kai", "mono"
_POINTS_A_MM = 72 / 25.4


@contextmanager
def open_peer(fonts: PeerFonts) -> Iterator[tuple[str, Draw]]:
    """Yield the peer's name with its version, and what draws an invoice.

    Raises:
        PeerMissing: fpdf2 is not installed.
    """
    version = version_of("fpdf2")
    fpdf = import_module("fpdf")

    def draw(invoice: Invoice) -> bytes:
        pdf = fpdf.FPDF(unit="mm", format=form.PAGE_MM)
        pdf.set_auto_page_break(auto=False)
        pdf.add_font(_CHINESE, fname=fonts.kai.path)
        pdf.add_font(_MONO, fname=fonts.mono.path)
        for sheet in sheets(invoice):
            pdf.add_page()
            _draw_texts(pdf, sheet.fixed.texts)
            _draw_shapes(pdf, sheet.fixed)
            _draw_texts(pdf, sheet.texts)
            pdf.set_fill_color(*BLACK)
            for module in sheet.modules:
                pdf.rect(*module, style="F")
        return bytes(pdf.output())

    yield f"fpdf2 {version}", draw


def _draw_shapes(pdf: Any, fixed: Fixed) -> None:  # noqa: ANN401 imported where it is used
    for left, top, width, height, color in fixed.boxes:
        pdf.set_fill_color(*color)
        pdf.rect(left, top, width, height, style="F")
    pdf.set_draw_color(*MAROON)
    for rule in fixed.rules:
        pdf.set_line_width(rule.width_mm)
        pdf.line(rule.x1_mm, rule.y1_mm, rule.x2_mm, rule.y2_mm)
    for ring in fixed.rings:
        pdf.set_draw_color(*ring.color)
        pdf.set_line_width(ring.width_mm)
        left, top = ring.x_mm - ring.radius_x_mm, ring.y_mm - ring.radius_y_mm
        pdf.ellipse(left, top, 2 * ring.radius_x_mm, 2 * ring.radius_y_mm)


def _draw_texts(pdf: Any, texts: tuple[Text, ...]) -> None:  # noqa: ANN401 imported where it is used
    for text in texts:
        pdf.set_text_color(*text.color)
        pdf.set_font(_MONO if text.is_mono else _CHINESE, size=text.size_mm * _POINTS_A_MM)
        x_mm = text.x_mm
        if text.align is not Align.LEFT:
            width = pdf.get_string_width(text.text)
            x_mm -= width if text.align is Align.RIGHT else width / 2
        pdf.text(x_mm, text.y_mm, text.text)
