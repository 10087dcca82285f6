"""Draws invoices with ReportLab: fonts registered once, a canvas a document, streams without their ASCII armour.

ReportLab takes TrueType outlines alone and refuses fonts with CFF outlines, such as Noto Serif CJK.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.peers import form
from bench.peers.pdf_peer import Draw, PeerFonts, version_of
from bench.peers.pdf_sheet import MAROON, Align, Color, Sheet, Text, sheets
from render.model.invoice import Invoice

_CHINESE, _MONO = "bench-pdf-kai", "bench-pdf-mono"
_POINTS_A_MM = 72 / 25.4


@contextmanager
def open_peer(fonts: PeerFonts) -> Iterator[tuple[str, Draw]]:
    """Yield the peer's name with its version, and what draws an invoice.

    Raises:
        PeerMissing: ReportLab is not installed.
    """
    version = version_of("reportlab")
    from reportlab import rl_config
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(TTFont(_CHINESE, str(fonts.kai.path)))
    pdfmetrics.registerFont(TTFont(_MONO, str(fonts.mono.path)))
    was_armoured, rl_config.useA85 = rl_config.useA85, 0

    def draw(invoice: Invoice) -> bytes:
        buffer = io.BytesIO()
        size = tuple(length * _POINTS_A_MM for length in form.PAGE_MM)
        canvas = Canvas(buffer, pagesize=size, invariant=1, pageCompression=1)
        for sheet in sheets(invoice):
            canvas.scale(_POINTS_A_MM, _POINTS_A_MM)
            _draw_fixed(canvas, sheet)
            _draw_texts(canvas, sheet.texts)
            _fill(canvas, (0, 0, 0))
            path = canvas.beginPath()
            for left, top, width, height in sheet.modules:
                path.rect(left, _up(top + height), width, height)
            canvas.drawPath(path, stroke=0, fill=1)
            canvas.showPage()
        canvas.save()
        return buffer.getvalue()

    try:
        yield f"ReportLab {version}", draw
    finally:
        rl_config.useA85 = was_armoured


def _draw_fixed(canvas: Any, sheet: Sheet) -> None:  # noqa: ANN401 ReportLab has no types
    fixed = sheet.fixed
    _draw_texts(canvas, fixed.texts)
    for left, top, width, height, color in fixed.boxes:
        _fill(canvas, color)
        canvas.rect(left, _up(top + height), width, height, stroke=0, fill=1)
    _stroke(canvas, MAROON)
    for rule in fixed.rules:
        canvas.setLineWidth(rule.width_mm)
        canvas.line(rule.x1_mm, _up(rule.y1_mm), rule.x2_mm, _up(rule.y2_mm))
    for ring in fixed.rings:
        _stroke(canvas, ring.color)
        canvas.setLineWidth(ring.width_mm)
        x, y = ring.x_mm, _up(ring.y_mm)
        canvas.ellipse(x - ring.radius_x_mm, y - ring.radius_y_mm, x + ring.radius_x_mm, y + ring.radius_y_mm)


def _draw_texts(canvas: Any, texts: tuple[Text, ...]) -> None:  # noqa: ANN401 ReportLab has no types
    draws = {Align.LEFT: canvas.drawString, Align.CENTER: canvas.drawCentredString, Align.RIGHT: canvas.drawRightString}
    color: Color | None = None
    for text in texts:
        if text.color != color:
            _fill(canvas, text.color)
            color = text.color
        canvas.setFont(_MONO if text.is_mono else _CHINESE, text.size_mm)
        draws[text.align](text.x_mm, _up(text.y_mm), text.text)


def _fill(canvas: Any, color: Color) -> None:  # noqa: ANN401 ReportLab has no types
    canvas.setFillColorRGB(*(part / 255 for part in color))


def _stroke(canvas: Any, color: Color) -> None:  # noqa: ANN401 ReportLab has no types
    canvas.setStrokeColorRGB(*(part / 255 for part in color))


def _up(y_mm: float) -> float:
    return form.PAGE_MM[1] - y_mm
