"""The pages as HTML for the peers that print web pages: texts in place by CSS, everything else as one SVG a page."""

from __future__ import annotations

from functools import lru_cache
from html import escape

from bench.peers import form
from bench.peers.pdf_peer import PeerFonts
from bench.peers.pdf_sheet import BLACK, MAROON, Align, Color, Fixed, Page, Sheet, Text, fixed_part
from render.model.invoice import InvoiceKind

_CENTER_REACH_MM = 100


def style_sheet(fonts: PeerFonts) -> str:
    """Return the CSS that all documents share; the fonts are those of the system, by family."""
    width, height = form.PAGE_MM
    return (
        f"@page{{size:{width}mm {height}mm;margin:0}}"
        "html,body{margin:0;padding:0}"
        f"section{{position:relative;width:{width}mm;height:{height}mm;overflow:hidden;break-after:page;"
        f"font-family:'{fonts.kai.family}'}}"
        "section:last-child{break-after:auto}"
        "svg{position:absolute;left:0;top:0}"
        "p{position:absolute;margin:0;white-space:pre;line-height:1}"
        f".mono{{font-family:'{fonts.mono.family}'}}"
        f".right{{text-align:right}}.center{{text-align:center;width:{2 * _CENTER_REACH_MM}mm}}"
    )


def body(pages: list[Sheet], fonts: PeerFonts) -> str:
    """Return one section a page."""
    return "".join(_section(page, fonts) for page in pages)


def _section(sheet: Sheet, fonts: PeerFonts) -> str:
    texts, shapes = _fixed(sheet.kind, sheet.page, fonts)
    values = "".join(_paragraph(text, fonts) for text in sheet.texts)
    path = "".join(f"M{x:.4f} {y:.4f}h{w:.4f}v{h:.4f}h{-w:.4f}z" for x, y, w, h in sheet.modules)
    width, height = form.PAGE_MM
    svg = f'<svg width="{width}mm" height="{height}mm" viewBox="0 0 {width} {height}">{shapes}<path d="{path}"/></svg>'
    return f"<section>{texts}{svg}{values}</section>"


@lru_cache(maxsize=len(InvoiceKind) * len(Page))
def _fixed(kind: InvoiceKind, page: Page, fonts: PeerFonts) -> tuple[str, str]:
    """Return the fixed texts, and the fixed shapes as SVG elements."""
    fixed = fixed_part(kind, page)
    return "".join(_paragraph(text, fonts) for text in fixed.texts), _shapes(fixed)


def _shapes(fixed: Fixed) -> str:
    boxes = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{_color(color)}"/>'
        for left, top, width, height, color in fixed.boxes
    ]
    rules = [
        f'<line x1="{rule.x1_mm}" y1="{rule.y1_mm}" x2="{rule.x2_mm}" y2="{rule.y2_mm}"'
        f' stroke="{_color(MAROON)}" stroke-width="{rule.width_mm}"/>'
        for rule in fixed.rules
    ]
    rings = [
        f'<ellipse cx="{ring.x_mm}" cy="{ring.y_mm}" rx="{ring.radius_x_mm}" ry="{ring.radius_y_mm}"'
        f' fill="none" stroke="{_color(ring.color)}" stroke-width="{ring.width_mm}"/>'
        for ring in fixed.rings
    ]
    return "".join((*boxes, *rules, *rings))


def _paragraph(text: Text, fonts: PeerFonts) -> str:
    font = fonts.mono if text.is_mono else fonts.kai
    classes = " ".join(
        name
        for name, holds in (
            ("mono", text.is_mono),
            (text.align.value, text.align is not Align.LEFT),
        )
        if holds
    )
    marked = f' class="{classes}"' if classes else ""
    side = {
        Align.LEFT: f"left:{text.x_mm:g}mm",
        Align.CENTER: f"left:{text.x_mm - _CENTER_REACH_MM:g}mm",
        Align.RIGHT: f"right:{form.PAGE_MM[0] - text.x_mm:g}mm",
    }[text.align]
    color = f";color:{_color(text.color)}" if text.color != BLACK else ""
    top = text.y_mm - text.size_mm * font.baseline
    return f'<p{marked} style="{side};top:{top:.4f}mm;font-size:{text.size_mm:g}mm{color}">{escape(text.text)}</p>'


def _color(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
