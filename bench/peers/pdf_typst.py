"""Draws invoices with typst: one compiler with its fonts for all documents, the values as data for one template.

The compiler keeps what two documents have in common. Tags are left out, which is faster and what the others do too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.peers import form
from bench.peers.pdf_peer import Draw, PeerFonts, version_of
from bench.peers.pdf_sheet import MAROON, Align, Color, Fixed, Page, Sheet, Text, fixed_part, sheets
from render.model.invoice import Invoice, InvoiceKind

_TEMPLATE = """
#set page(width: %(width)smm, height: %(height)smm, margin: 0mm)
#set text(font: "%(kai)s", fallback: false, cjk-latin-spacing: none, top-edge: "baseline", bottom-edge: "baseline")
#let put(edge, x, y, size, color, body) = {
  place(top + edge, dx: x * 1mm, dy: y * 1mm, text(size * 1mm, fill: color, body))
}
#let edges = (left: (left, 0), center: (center, %(width)s / 2), right: (right, %(width)s))
#let value(t) = {
  let (edge, origin) = edges.at(t.align)
  let body = if t.mono { text(font: "%(mono)s", t.text) } else { t.text }
  put(edge, t.x - origin, t.y, t.size, rgb(..t.color), body)
}
#let fixed = (
%(fixed)s
)
#let sheets = json(bytes(sys.inputs.sheets))
#for (index, sheet) in sheets.enumerate() {
  if index > 0 { pagebreak() }
  fixed.at(sheet.fixed)
  for t in sheet.texts { value(t) }
  place(top + left, curve(fill: black, ..for (x, y, w, h) in sheet.modules {(
    curve.move((x * 1mm, y * 1mm)), curve.line((w * 1mm, 0mm), relative: true),
    curve.line((0mm, h * 1mm), relative: true), curve.line((-w * 1mm, 0mm), relative: true), curve.close(),
  )}))
}
"""


@contextmanager
def open_peer(fonts: PeerFonts) -> Iterator[tuple[str, Draw]]:
    """Yield the peer's name with its version, and what draws an invoice.

    Raises:
        PeerMissing: typst is not installed.
    """
    version = version_of("typst")
    typst = import_module("typst")

    with TemporaryDirectory(prefix="kaipiao-bench-") as folder:
        for font in (fonts.kai, fonts.mono):
            (Path(folder) / font.path.name).symlink_to(font.path)
        book = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
        template = Path(folder) / "invoice.typ"
        template.write_text(_template(fonts), encoding="utf-8")
        compiler = typst.Compiler(str(template), root=folder, font_paths=book)

        def draw(invoice: Invoice) -> bytes:
            data = json.dumps([_data(sheet) for sheet in sheets(invoice)], ensure_ascii=False)
            pdf: bytes = compiler.compile(format="pdf", sys_inputs={"sheets": data}, pdf_tags=False)
            return pdf

        yield f"typst {version}", draw


def _data(sheet: Sheet) -> dict[str, object]:
    texts = [
        {
            "x": text.x_mm,
            "y": text.y_mm,
            "size": text.size_mm,
            "text": text.text,
            "align": text.align.value,
            "mono": text.is_mono,
            "color": text.color,
        }
        for text in sheet.texts
    ]
    return {"fixed": f"{sheet.kind.value}-{sheet.page.value}", "texts": texts, "modules": sheet.modules}


def _template(fonts: PeerFonts) -> str:
    fixed = [
        f'  "{kind.value}-{page.value}": {{\n{_fixed(fixed_part(kind, page))}\n  }},'
        for kind in InvoiceKind
        for page in Page
    ]
    width, height = form.PAGE_MM
    return _TEMPLATE % {
        "width": width,
        "height": height,
        "kai": fonts.kai.family,
        "mono": fonts.mono.family,
        "fixed": "\n".join(fixed),
    }


def _fixed(fixed: Fixed) -> str:
    """Return the fixed part as typst code."""
    rows = [_put(text) for text in fixed.texts]
    rows += [
        f"    place(top + left, dx: {left}mm, dy: {top}mm, rect(width: {width}mm, height: {height}mm,"
        f" fill: {_rgb(color)}))"
        for left, top, width, height, color in fixed.boxes
    ]
    rows += [
        f"    place(top + left, line(start: ({rule.x1_mm}mm, {rule.y1_mm}mm), end: ({rule.x2_mm}mm, {rule.y2_mm}mm),"
        f" stroke: {rule.width_mm}mm + {_rgb(MAROON)}))"
        for rule in fixed.rules
    ]
    rows += [
        f"    place(top + left, dx: {ring.x_mm - ring.radius_x_mm}mm, dy: {ring.y_mm - ring.radius_y_mm}mm,"
        f" ellipse(width: {2 * ring.radius_x_mm}mm, height: {2 * ring.radius_y_mm}mm,"
        f" stroke: {ring.width_mm}mm + {_rgb(ring.color)}))"
        for ring in fixed.rings
    ]
    return "\n".join(rows)


def _put(text: Text) -> str:
    origin = {Align.LEFT: 0.0, Align.CENTER: form.PAGE_MM[0] / 2, Align.RIGHT: form.PAGE_MM[0]}[text.align]
    place = f"{text.x_mm - origin}, {text.y_mm}, {text.size_mm}"
    return f"    put({text.align.value}, {place}, {_rgb(text.color)}, {json.dumps(text.text, ensure_ascii=False)})"


def _rgb(color: Color) -> str:
    return f"rgb({', '.join(map(str, color))})"
