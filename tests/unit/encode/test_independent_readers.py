"""Pages of real invoices in every format, as readers see them that share no code with what wrote them."""

import io
import subprocess

import cv2
import numpy as np
import pytest
import zxingcpp
from PIL import Image
from skimage.metrics import structural_similarity

from bench import corpus
from render.encode.api import encoder
from render.layout.engine import layout_invoice
from render.pixels import PagePixels
from render.raster.api import Rasterizer

pytestmark = pytest.mark.fonts

LOSSLESS = ("png", "png-grey", "webp", "webp-grey", "tiff", "tiff-grey", "tiff-rgb")
SMALL_SHARE = 0.85


@pytest.fixture(scope="module")
def pages(renderer):
    """One page of an invoice a resolution, with the text of its QR code."""
    (document,) = corpus.typical(1, seed=4)
    template = renderer.template(document.invoice.kind.value)
    display = layout_invoice(document.invoice, template)
    found = {}
    for dpi in (100, 150, 200, 300):
        (page,) = Rasterizer(template.resources, dpi).rasterize(display)
        found[dpi] = PagePixels(page.index.copy(), page.palette, dpi)
    return found


@pytest.fixture
def by_ffmpeg(need, tmp_path):
    """Return a function that decodes by FFmpeg, which has decoders of its own for all but AV1."""
    need("ffmpeg")

    def decode(one, data):
        # The suffix tells FFmpeg the format; it reads no TIFF from a pipe.
        path = tmp_path / f"page{one.suffix}"
        path.write_bytes(data)
        command = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)

    return decode


def by_opencv(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def by_pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("level", ["fast", "small"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_three_libraries_agree_on_every_pixel_of_lossless_formats(name, level, pages, by_ffmpeg):
    page = pages[150]
    expected = np.repeat(page.grey()[:, :, None], 3, axis=2) if name.endswith("-grey") else page.rgb()
    data = encoder(name).encode(page, level=level)
    assert np.array_equal(by_pillow(data), expected)
    assert np.array_equal(by_opencv(data), expected)
    assert np.array_equal(by_ffmpeg(encoder(name), data), expected.reshape(-1))


@pytest.mark.parametrize("level", ["fast", "small"])
@pytest.mark.parametrize("name", ["jpeg-grey", "jpeg"])
def test_decoders_of_jpeg_agree_but_for_rounding(name, level, pages, by_ffmpeg):
    page = pages[150]
    data = encoder(name).encode(page, level=level)
    ours = by_pillow(data).astype(int)
    # ISO/IEC 10918-2 lets inverse transforms differ by one; conversion to RGB enlarges that.
    assert np.abs(by_opencv(data) - ours).max() <= 4
    assert np.abs(by_ffmpeg(encoder(name), data) - ours.reshape(-1)).mean() <= 1


@pytest.mark.parametrize("dpi", [150, 200, 300])
@pytest.mark.parametrize("name", ["png", "png-grey", "jpeg", "jpeg-grey", "webp", "tiff"])
def test_small_invoices_have_at_most_85_percent_of_the_bytes(name, dpi, pages):
    fast, small = (len(encoder(name).encode(pages[dpi], level=level)) for level in ("fast", "small"))
    assert small <= SMALL_SHARE * fast


@pytest.mark.parametrize("dpi", [100, 150])
@pytest.mark.parametrize("name", ["jpeg", "jpeg-grey"])
def test_small_jpeg_stays_like_the_page_and_its_qr_code_readable(name, dpi, pages):
    page = pages[dpi]
    expected = page.grey() if name == "jpeg-grey" else page.rgb()
    channels = None if name == "jpeg-grey" else 2
    likeness, texts = [], []
    for level in ("fast", "small"):
        with Image.open(io.BytesIO(encoder(name).encode(page, level=level))) as image:
            found = np.asarray(image)
        likeness.append(structural_similarity(expected, found, channel_axis=channels))
        texts += [one.text for one in zxingcpp.read_barcodes(found)]
    assert likeness[1] > likeness[0] - 0.006
    assert likeness[1] > 0.98
    assert len(texts) == 2
    assert texts[0] == texts[1]


@pytest.mark.parametrize("level", ["fast", "small"])
@pytest.mark.parametrize("name", ["png", "png-grey"])
def test_pngcheck_finds_nothing_in_invoices(name, level, pages, need, tmp_path):
    need("pngcheck")
    path = tmp_path / "page.png"
    path.write_bytes(encoder(name).encode(pages[100], level=level))
    done = subprocess.run(["pngcheck", "-q", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_qr_code_of_a_bilevel_page_is_read(pages):
    for dpi in (150, 300):
        found = zxingcpp.read_barcodes(by_pillow(encoder("tiff-g4").encode(pages[dpi])))
        assert len(found) == 1
