"""A text recogniser reads number, date, parties, tax ids and sums back from pictures at 200 dpi (``make ocr``).

``KAIPIAO_OCR_PAGES`` says how many pages; ``python -m bench run images-ocr`` tells the shares field by field.
"""

import os
from collections import defaultdict
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

from bench.cases import images_ocr
from bench.cases.images_page import Workshop, open_workshop
from bench.cases.images_samples import samples
from bench.corpus import typical, varied
from bench.sheet import made_up_seal
from render.layout.engine import layout_invoice

pytestmark = [pytest.mark.fonts, pytest.mark.ocr, pytest.mark.timeout(0)]

PAGES = int(os.environ.get("KAIPIAO_OCR_PAGES", "13"))
SEED = 49


@pytest.fixture(scope="module")
def recogniser():
    try:
        version("rapidocr")
    except PackageNotFoundError:
        pytest.skip("rapidocr is not installed: pip install kaipiao[ocr]")
    return images_ocr.Recogniser()


@pytest.fixture(params=["sample seal", "picture as seal"])
def workshop(request, tmp_path):
    seal = None
    if request.param == "picture as seal":
        seal = tmp_path / "seal.png"
        made_up_seal().save(seal)
    with open_workshop(seal) as workshop:
        yield workshop


def read(renderer, recogniser, documents, count):
    tallies = defaultdict(images_ocr.Tally)
    done = list(images_ocr.read_pages(Workshop(renderer), recogniser, documents, count, tallies))
    assert done[-1] == len(done)
    return tallies, len(done)


def test_every_field_is_read_that_the_recogniser_has_characters_for(renderer, recogniser):
    tallies, pages = read(renderer, recogniser, varied(PAGES, SEED), PAGES)
    assert pages == PAGES
    assert {"number", "issued", "buyer.name", "buyer.tax_id", "seller.name", "seller.tax_id"} <= tallies.keys()
    assert {"lines.amount", "lines.tax", "total_amount", "total_tax", "total", "total_words"} <= tallies.keys()
    fields = sum(tally.fields for tally in tallies.values())
    misread = [each for tally in tallies.values() for each in tally.misread if not each.is_rare]
    assert fields > 6 * PAGES
    assert misread == []


def test_a_field_that_is_missing_in_the_picture_is_told(renderer, recogniser):
    (document,) = typical(1, SEED)
    wrong = defaultdict(images_ocr.Tally)
    workshop = Workshop(renderer)
    pages = workshop.pages

    def without_number(template, display, dpi):
        for page in pages(template, display, dpi):
            index = page.index.copy()
            index[: index.shape[0] // 4, index.shape[1] // 2 :] = 0
            yield replace(page, index=np.ascontiguousarray(index))

    workshop.pages = without_number
    list(images_ocr.read_pages(workshop, recogniser, [document], 1, wrong))
    (misread,) = wrong["number"].misread
    assert (misread.expected, misread.read) == (document.invoice.number, "")
    assert misread.theirs == document.invoice.number, "pdfium's picture of our PDF has the number"


@pytest.mark.parametrize("name", ["vat_ordinary.blue_1", "vat_special.red_40"])
def test_title_is_read_through_the_seal_that_lies_over_it(workshop, recogniser, name):
    sample = next(sample for sample in samples() if sample.name == name)
    template = workshop.renderer.template(sample.invoice.kind.value)
    display = layout_invoice(sample.invoice, template)
    background = template.resources.bases[display.bases[int(display.page_base[0])]]
    (box,) = images_ocr.field_boxes(background, 0)["caption.title"]
    left, _, right, _ = template.spec.seal_box_um
    assert box[0] < left < right < box[2], "the seal lies over the title"
    page = next(workshop.pages(template, display, images_ocr.DPI)).rgb()
    assert images_ocr.read_boxes(recogniser, page, [box]) == template.title
