"""Prints invoices with WeasyPrint: the style sheet and the fonts are read once, the HTML for each document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from bench.peers import pdf_html
from bench.peers.pdf_peer import Draw, PeerFonts, PeerMissing, version_of
from bench.peers.pdf_sheet import sheets
from render.model.invoice import Invoice


@contextmanager
def open_peer(fonts: PeerFonts) -> Iterator[tuple[str, Draw]]:
    """Yield the peer's name with its version, and what draws an invoice.

    Raises:
        PeerMissing: WeasyPrint or the Pango library is not installed.
    """
    version = version_of("weasyprint")
    try:
        weasyprint = import_module("weasyprint")
        fonts_of_weasyprint = import_module("weasyprint.text.fonts")
    except OSError as error:
        raise PeerMissing("no Pango library: apt-get install libpango-1.0-0 libpangoft2-1.0-0") from error

    configuration = fonts_of_weasyprint.FontConfiguration()
    style = weasyprint.CSS(string=pdf_html.style_sheet(fonts), font_config=configuration)

    def draw(invoice: Invoice) -> bytes:
        page = weasyprint.HTML(string=f"<!DOCTYPE html><body>{pdf_html.body(sheets(invoice), fonts)}</body>")
        pdf: bytes = page.write_pdf(stylesheets=[style], font_config=configuration)
        return pdf

    yield f"WeasyPrint {version}", draw
