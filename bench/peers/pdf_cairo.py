"""Draws invoices with cairo through pycairo, or through cairocffi where pycairo could not be built.

pycairo comes to Linux as source and needs a compiler and cairo's headers, which are a system package; cairocffi needs
no more than the cairo library, offers the same calls, and takes longer for each. Fonts are chosen by family through
fontconfig, as the manuals of both show, and cairo keeps them open between documents.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from bench.peers import form
from bench.peers.pdf_peer import Draw, PeerFonts, PeerMissing, version_of
from bench.peers.pdf_sheet import BLACK, MAROON, Align, Color, Fixed, Text, sheets
from render.model.invoice import Invoice

_POINTS_A_MM = 72 / 25.4
_BINDINGS = (("cairo", "pycairo"), ("cairocffi", "cairocffi"))
_REMEDY = (
    "not installed: pip install pycairo (needs libcairo2-dev, pkg-config and a compiler), or pip install cairocffi"
)


@contextmanager
def open_peer(fonts: PeerFonts) -> Iterator[tuple[str, Draw]]:
    """Yield the peer's name with its version, and what draws an invoice.

    Raises:
        PeerMissing: neither binding is installed, or there is no cairo library.
    """
    cairo, name = _binding()
    kai = cairo.ToyFontFace(fonts.kai.family)
    mono = cairo.ToyFontFace(fonts.mono.family)
    faces = {False: kai, True: mono}

    def draw(invoice: Invoice) -> bytes:
        buffer = io.BytesIO()
        surface = cairo.PDFSurface(buffer, *(length * _POINTS_A_MM for length in form.PAGE_MM))
        context = cairo.Context(surface)
        for sheet in sheets(invoice):
            context.save()
            context.scale(_POINTS_A_MM, _POINTS_A_MM)
            _draw_texts(context, sheet.fixed.texts, faces)
            _draw_shapes(context, sheet.fixed)
            _draw_texts(context, sheet.texts, faces)
            context.set_source_rgb(*BLACK)
            for module in sheet.modules:
                context.rectangle(*module)
            context.fill()
            context.restore()
            context.show_page()
        surface.finish()
        return buffer.getvalue()

    yield f"{name} {version_of(name)} (cairo {cairo.cairo_version_string()})", draw


def _binding() -> tuple[Any, str]:
    """Return the first binding that is here, and its name."""
    for module, name in _BINDINGS:
        try:
            return import_module(module), name
        except ImportError:
            continue
        except OSError as error:
            raise PeerMissing("no cairo library: apt-get install libcairo2") from error
    raise PeerMissing(_REMEDY)


def _draw_shapes(context: Any, fixed: Fixed) -> None:  # noqa: ANN401 either binding
    for left, top, width, height, color in fixed.boxes:
        _set_color(context, color)
        context.rectangle(left, top, width, height)
        context.fill()
    _set_color(context, MAROON)
    for rule in fixed.rules:
        context.set_line_width(rule.width_mm)
        context.move_to(rule.x1_mm, rule.y1_mm)
        context.line_to(rule.x2_mm, rule.y2_mm)
        context.stroke()
    for ring in fixed.rings:
        context.save()
        context.translate(ring.x_mm, ring.y_mm)
        context.scale(ring.radius_x_mm, ring.radius_y_mm)
        context.new_sub_path()
        context.arc(0, 0, 1, 0, 2 * math.pi)
        # The stroke is as wide all around only where it is not scaled along.
        context.restore()
        _set_color(context, ring.color)
        context.set_line_width(ring.width_mm)
        context.stroke()


def _draw_texts(context: Any, texts: tuple[Text, ...], faces: dict[bool, Any]) -> None:  # noqa: ANN401 either binding
    for text in texts:
        _set_color(context, text.color)
        context.set_font_face(faces[text.is_mono])
        context.set_font_size(text.size_mm)
        x_mm = text.x_mm
        if text.align is not Align.LEFT:
            advance = context.text_extents(text.text)[4]
            x_mm -= advance if text.align is Align.RIGHT else advance / 2
        context.move_to(x_mm, text.y_mm)
        context.show_text(text.text)


def _set_color(context: Any, color: Color) -> None:  # noqa: ANN401 either binding
    context.set_source_rgb(*(part / 255 for part in color))
