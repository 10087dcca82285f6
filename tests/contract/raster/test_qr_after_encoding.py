"""QR codes are read back by zxing-cpp and hold the invoice's fields after every picture format, lossy ones included."""

import io

import pytest
from PIL import Image

from bench import checks
from bench.cases.images_samples import samples
from render.encode.api import encoder
from render.encode.jpeg import JpegEncoder
from render.layout.engine import layout_invoice

pytestmark = pytest.mark.fonts

# Odd resolutions too: their modules are of uneven width before snapping.
DPIS = (150, 167, 200, 251, 300, 400, 600)
FORMATS = ("png", "png-grey", "tiff", "tiff-grey", "tiff-g4")


@pytest.fixture(scope="module", params=["vat_ordinary.blue_1", "vat_special.red_40"])
def sample(request):
    return next(sample for sample in samples() if sample.name == request.param)


@pytest.fixture(scope="module")
def first_pages(workshop, sample):
    """Return a function from a resolution to the first page of a sample."""
    template = workshop.renderer.template(sample.invoice.kind.value)
    display = layout_invoice(sample.invoice, template)
    return lambda dpi: next(workshop.pages(template, display, dpi))


def problems(invoice, data):
    with Image.open(io.BytesIO(data)) as picture:
        return checks.qr_problems(invoice, picture.convert("L"))


@pytest.mark.parametrize("dpi", DPIS)
def test_code_is_read_after_jpeg(first_pages, sample, dpi):
    page = first_pages(dpi)
    for jpeg in (JpegEncoder(85), JpegEncoder(85, is_grey=True), JpegEncoder(30)):
        assert problems(sample.invoice, jpeg.encode(page)) == []


@pytest.mark.parametrize("dpi", DPIS)
def test_code_is_read_after_every_exact_and_bilevel_format(first_pages, sample, dpi):
    page = first_pages(dpi)
    for name in FORMATS:
        assert problems(sample.invoice, encoder(name).encode(page)) == [], name


@pytest.mark.parametrize("dpi", [150, 200, pytest.param(300, marks=pytest.mark.slow)])
def test_code_is_read_after_webp(first_pages, sample, dpi):
    assert problems(sample.invoice, encoder("webp").encode(first_pages(dpi))) == []


def test_a_code_of_another_invoice_or_none_is_told(first_pages, sample):
    other = next(iter(checks.qr_problems(sample.invoice, Image.new("L", (600, 400), 255))))
    assert other == "0 QR codes were read"
