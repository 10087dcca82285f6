"""One page for the picture cases: laid out, written as PDF, drawn; and our side's work on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bench.peers.image_codecs import Shown
from render.config import RenderSettings
from render.display.batch import concat
from render.display.list import DisplayList
from render.encode.api import encoder
from render.encode.rgb_pages import RgbPages
from render.encode.tiff import INK_BELOW
from render.layout.engine import layout_invoice
from render.model.invoice import Invoice
from render.pdf.writer import PdfInfo, PdfWriter
from render.pipeline import Renderer
from render.pixels import PagePixels
from render.raster.api import Rasterizer
from render.templates.registry import Template

U1 = NDArray[np.uint8]

_INFO = PdfInfo("sample", "sample", "sample", "sample", datetime(2026, 11, 23, 4, 0, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Sheet:
    """One invoice laid out, and the same as PDF.

    Attributes:
        batch: display lists of other invoices of the same template, in one.
    """

    invoice: Invoice
    template: Template
    display: DisplayList
    pdf: bytes
    batch: DisplayList | None = None


class Workshop:
    """Lays out, writes and draws; keeps writers, and a rasteriser for each template and resolution."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self._writers: dict[str, PdfWriter] = {}
        self._rasterizers: dict[tuple[str, int], Rasterizer] = {}
        self._rgb = RgbPages()
        self._grey: U1 = np.zeros((0, 0), np.uint8)

    def sheet(self, invoice: Invoice, others: Sequence[Invoice] = ()) -> Sheet:
        """Lay out an invoice, and others of its kind in one list."""
        template = self.renderer.template(invoice.kind.value)
        display = layout_invoice(invoice, template)
        lists = [layout_invoice(other, template) for other in others]
        return Sheet(invoice, template, display, self.pdf(display, template), concat(lists) if lists else None)

    def is_one_row(self, invoice: Invoice) -> bool:
        """Tell whether the name of an invoice's first line is printed in one row."""
        display = layout_invoice(invoice, self.renderer.template(invoice.kind.value))
        return len(display.items_tagged("lines[0].name")) == 1

    def pdf(self, display: DisplayList, template: Template) -> bytes:
        """Return the first document of a list as PDF."""
        if template.digest not in self._writers:
            self._writers[template.digest] = PdfWriter(template.resources)
        return self._writers[template.digest].write(display, 0, _INFO).data

    def pages(self, template: Template, display: DisplayList, dpi: int) -> Iterator[PagePixels]:
        """Return the pages of a list, drawn one by one."""
        key = (template.digest, dpi)
        if key not in self._rasterizers:
            self._rasterizers[key] = Rasterizer(template.resources, dpi)
        return self._rasterizers[key].rasterize(display)

    def first_page(self, sheet: Sheet, dpi: int) -> PagePixels:
        """Return the first page of an invoice."""
        return next(self.pages(sheet.template, sheet.display, dpi))

    def ink(self, sheet: Sheet, dpi: int) -> int:
        """Draw an invoice's pages as palette indices; return how many bytes they have."""
        return sum(page.index.nbytes for page in self.pages(sheet.template, sheet.display, dpi))

    def grey(self, sheet: Sheet, dpi: int) -> int:
        """Draw an invoice's pages in grey; return how many bytes they have."""
        size = 0
        for page in self.pages(sheet.template, sheet.display, dpi):
            if self._grey.shape != page.index.shape:
                self._grey = np.zeros(page.index.shape, np.uint8)
            size += page.grey(self._grey).nbytes
        return size

    def rgb(self, sheet: Sheet, dpi: int) -> int:
        """Draw an invoice's pages in colour; return how many bytes they have."""
        return sum(self._rgb.rgb(page).nbytes for page in self.pages(sheet.template, sheet.display, dpi))

    def png(self, sheet: Sheet, dpi: int) -> int:
        """Draw an invoice's pages and write each as PNG; return the bytes of the files."""
        png = encoder("png")
        return sum(len(png.encode(page)) for page in self.pages(sheet.template, sheet.display, dpi))


def as_batch(sheet: Sheet) -> Sheet:
    """Return a sheet whose pages are those of the batch.

    Raises:
        ValueError: it has none.
    """
    if sheet.batch is None:
        raise ValueError("the sheet has no batch")
    return replace(sheet, display=sheet.batch)


def shown(page: PagePixels) -> Shown:
    """Return a page in the forms that libraries take."""
    return Shown(page.rgb(), page.grey(), page.index, page.palette, INK_BELOW)


@contextmanager
def open_workshop(seal: Path | None = None) -> Iterator[Workshop]:
    """Set up a renderer that does not sign.

    Args:
        seal: a picture in place of the sample seal.
    """
    with TemporaryDirectory(prefix="kaipiao-bench-") as home:
        settings = RenderSettings.from_mapping({"KAIPIAO_HOME": home, "KAIPIAO_SIGNING": "off"})
        yield Workshop(Renderer(replace(settings, seal=seal)))
