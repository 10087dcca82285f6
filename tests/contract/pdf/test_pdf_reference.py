"""Our file looks like ReportLab's drawing of the same display list, pixel for pixel but for edges."""

import numpy as np
import pdf_samples
import pypdfium2
import pytest
from skimage.metrics import structural_similarity

from bench import corpus
from render.layout.engine import layout_invoice
from render.pdf.reference import draw_reference
from render.pdf.writer import PdfWriter
from render.templates.registry import TemplateRegistry

_DPI = 150


def _grey(data, page):
    with pypdfium2.PdfDocument(data) as pdf:
        return np.asarray(pdf[page].render(scale=_DPI / 72).to_pil().convert("L"))


def _compare(display, resources):
    ours, reference = (
        PdfWriter(resources).write(display, 0, pdf_samples.info()).data,
        draw_reference(display, resources),
    )
    for page in range(display.n_pages):
        one, two = _grey(ours, page), _grey(reference, page)
        assert one.shape == two.shape
        yield structural_similarity(one, two), float((np.abs(one.astype(int) - two) > 128).mean())


@pytest.mark.parametrize("kind", ["vat_special", "vat_ordinary"])
def test_invoices_look_like_the_reference(fonts, kind):
    template = TemplateRegistry().load(kind, fonts=fonts)
    documents = [d for d in (*corpus.varied(24, 5), *corpus.with_lines(30, 2, 5)) if d.invoice.kind.value == kind][:6]
    assert len(documents) == 6
    for document in documents:
        for similarity, far in _compare(layout_invoice(document.invoice, template), template.resources):
            # Outlines and text differ in how their edges are smoothed, and in nothing else.
            assert similarity > 0.97, (document.name, similarity)
            assert far < 0.002, (document.name, far)


def test_pictures_paths_and_blends_look_like_the_reference(samples):
    for similarity, far in _compare(samples.document(pages=2), samples.resources):
        assert similarity > 0.97
        assert far < 0.002


def test_the_comparison_notices_a_shifted_value(samples):
    display = samples.document()
    moved = samples.document()
    shifted = moved.run_origin_um.copy()
    shifted[1:3, 1] += 1_500
    object.__setattr__(moved, "run_origin_um", shifted)
    one = _grey(PdfWriter(samples.resources).write(moved, 0, pdf_samples.info()).data, 0)
    two = _grey(draw_reference(display, samples.resources), 0)
    assert (np.abs(one.astype(int) - two) > 128).mean() > 0.002
