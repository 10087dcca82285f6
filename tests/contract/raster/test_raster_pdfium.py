"""Our pixels beside what pdfium makes of our PDF, for real templates; and QR codes read back by zxing-cpp."""

from datetime import UTC, datetime

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
import zxingcpp
from skimage.metrics import structural_similarity

from bench import corpus
from bench.cases.images_beside import level_codes
from render.display.batch import concat
from render.encode.api import encoder
from render.layout.engine import layout_invoice
from render.model.read import read_invoice
from render.pdf.writer import PdfInfo, PdfWriter
from render.raster.api import Rasterizer

pytestmark = pytest.mark.fonts

INFO = PdfInfo(title="t", author="a", subject="s", keywords="k", created=datetime(2026, 1, 1, tzinfo=UTC))
MM_PER_INCH, POINTS_PER_INCH = 25.4, 72

# Resolution: least structural similarity, and most difference in mean grey of a block of 2 mm. The worst of 34 pages
# of varied documents had 0.971 and 21.5, 0.983 and 15.5, 0.988 and 9.8, 0.988 and 4.3. What differs is that our
# baselines and rules lie on whole pixels.
BOUNDS = {150: (0.960, 26), 200: (0.975, 20), 300: (0.980, 14)}
BLOCK_MM = 2


@pytest.fixture(scope="module", params=["vat_special", "vat_ordinary"])
def document(request, renderer):
    """One invoice of each kind as (invoice, template, display list), the one with the most text of its kind."""
    read = [read_invoice(one.data).invoice for one in corpus.varied(24, 5)]
    template = renderer.template(request.param)
    laid_out = [(one, template, layout_invoice(one, template)) for one in read if one.kind.value == request.param]
    return max(laid_out, key=lambda entry: len(entry[2].glyph_id) / entry[2].n_pages)


def grey(rgb):
    return np.round(rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))


def draw_with_pdfium(page, shape, dpi):
    """Return pdfium's page at exactly this scale; its own rounding of the size would stretch the page."""
    height, width = shape
    bitmap = pypdfium2.PdfBitmap.new_native(width, height, pdfium.FPDFBitmap_BGR)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    scale = dpi / POINTS_PER_INCH
    matrix, clip = pdfium.FS_MATRIX(scale, 0, 0, scale, 0, 0), pdfium.FS_RECTF(0, 0, width, height)
    pdfium.FPDF_RenderPageBitmapWithMatrix(bitmap, page, matrix, clip, pdfium.FPDF_ANNOT)
    return np.ascontiguousarray(bitmap.to_numpy()[..., ::-1])


@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_pages_look_as_pdfium_draws_our_pdf(document, dpi, record_property):
    """The blocks show a glyph that is missing, misplaced by its own width or painted twice."""
    _, template, display = document
    least_similarity, most_difference = BOUNDS[dpi]
    side = round(BLOCK_MM / MM_PER_INCH * dpi)
    with pypdfium2.PdfDocument(PdfWriter(template.resources).write(display, 0, INFO).data) as pdf:
        pages = zip(pdf, Rasterizer(template.resources, dpi).rasterize(display), strict=True)
        for number, (page, pixels) in enumerate(pages):
            ours = pixels.rgb()
            theirs = draw_with_pdfium(page, ours.shape[:2], dpi)
            ours, theirs = grey(ours), grey(level_codes(ours, theirs, display, number, dpi))
            height, width = (length // side * side for length in ours.shape)
            blocks = (ours - theirs)[:height, :width].reshape(height // side, side, width // side, side)
            difference = np.abs(blocks.mean(axis=(1, 3))).max()
            similarity = structural_similarity(ours, theirs, data_range=255)
            record_property("similarity", float(similarity))
            assert similarity >= least_similarity
            assert difference <= most_difference


@pytest.mark.parametrize("dpi", [100, 150, 200, 300, 600])
def test_qr_code_is_read_back_from_every_page(document, dpi):
    invoice, template, display = document
    for pixels in Rasterizer(template.resources, dpi).rasterize(display):
        found = zxingcpp.read_barcodes(pixels.rgb())
        assert [code.text for code in found] == [invoice.qr_text]


def test_batch_of_many_invoices_equals_each_alone(renderer):
    read = [read_invoice(one.data).invoice for one in corpus.varied(12, 9)]
    template = renderer.template("vat_special")
    displays = [layout_invoice(one, template) for one in read if one.kind.value == "vat_special"]
    assert len(displays) > 1
    png, rasterizer = encoder("png"), Rasterizer(template.resources, 200)
    together = [png.encode(page) for page in rasterizer.rasterize(concat(displays))]
    alone = [png.encode(p) for one in displays for p in Rasterizer(template.resources, 200).rasterize(one)]
    assert together == alone


def test_compiled_and_plain_backend_draw_real_pages_alike(document):
    _, template, display = document
    compiled = Rasterizer(template.resources, 300, backend="numba").rasterize(display)
    plain = Rasterizer(template.resources, 300, backend="numpy").rasterize(display)
    for one, other in zip(compiled, plain, strict=True):
        assert np.array_equal(one.index, other.index)
        assert np.array_equal(one.palette, other.palette)
