"""Every template's pictures beside pdfium's of our PDF; sharp rules, no fringes; and what the measure can see."""

from collections import Counter

import numpy as np
import pytest

from bench.cases.images_beside import distance, draw_with_pdfium, level_codes
from bench.cases.images_fidelity import compare
from bench.cases.images_samples import samples
from render.layout.engine import layout_invoice
from render.units import um_to_px

pytestmark = pytest.mark.fonts

SAMPLES = [sample.name for sample in samples()]
PAGES = {150: 2, 200: 2, 300: 2, 600: 1}
# Resolution: least structural similarity, most mean difference, most difference of a block of 2 mm. Measured over three
# pages of each sample: 0.974, 2.9 and 22; 0.987, 2.0 and 14; 0.990, 1.3 and 8; 0.993, 0.8 and 4.6.
BOUNDS = {150: (0.970, 3.3, 25), 200: (0.983, 2.4, 17), 300: (0.987, 1.6, 10.5), 600: (0.990, 1.0, 6.5)}


# At 600 dpi pages of many lines alone, which have all that pages of one line have.
CASES = [(name, dpi) for name in SAMPLES for dpi in BOUNDS if dpi < 600 or name.endswith("_40")]


@pytest.mark.parametrize(("sample", "dpi"), CASES, indirect=["sample"])
def test_picture_is_as_pdfium_draws_our_pdf(workshop, sample, dpi, record_property):
    row = compare(workshop, sample, dpi, PAGES[dpi])
    similarity, mean, block = BOUNDS[dpi]
    record_property("figures", dict(row.extra))
    assert row.extra["similarity"] >= similarity
    assert row.extra["mean"] <= mean
    assert row.extra["block"] <= block
    assert row.extra["pages"] == (1 if sample.name.endswith("_1") else PAGES[dpi])


@pytest.fixture(scope="module")
def pair(workshop, sample):
    """Our picture of a first page at 200 dpi, and pdfium's."""
    template = workshop.renderer.template(sample.invoice.kind.value)
    display = layout_invoice(sample.invoice, template)
    ours = next(workshop.pages(template, display, 200)).rgb()
    return ours, draw_with_pdfium(workshop.pdf(display, template), 0, ours.shape[:2], 200), display, template


def box_px(box_um, dpi):
    left, top, right, bottom = (um_to_px(length, dpi) for length in box_um)
    return slice(top, bottom), slice(left, right)


def test_the_measure_sees_a_digit_that_is_missing_or_elsewhere(pair):
    ours, theirs, display, _ = pair
    _, _, most_block = BOUNDS[200]
    (item,) = display.items_tagged("number")[:1]
    rows, columns = box_px(display.item_bbox_um[item].tolist(), 200)
    digit = slice(columns.start, columns.start + (columns.stop - columns.start) // 20)
    erased = ours.copy()
    erased[rows, digit] = 255
    assert distance(erased, theirs, 200).block > most_block
    lower = np.roll(ours, 4, axis=0)
    assert distance(lower, theirs, 200).similarity < BOUNDS[200][0]
    assert distance(theirs, theirs, 200).similarity == 1


def test_a_code_counts_by_all_of_its_modules(pair):
    ours, theirs, display, _ = pair
    (item,) = display.items_tagged("qr_text")[:1]
    rows, columns = box_px(display.item_bbox_um[item].tolist(), 200)
    levelled = level_codes(ours, theirs, display, 0, 200)
    assert np.array_equal(levelled[rows, columns], ours[rows, columns])
    far = np.ones(ours.shape[:2], bool)
    far[rows.start - 9 : rows.stop + 9, columns.start - 9 : columns.stop + 9] = False
    assert np.array_equal(levelled[far], theirs[far])
    other = ours.copy()
    middle = slice(rows.start + 74, rows.start + 81), slice(columns.start + 74, columns.start + 81)
    other[middle] = 255 - other[middle]
    assert np.array_equal(level_codes(other, theirs, display, 0, 200), theirs)


def test_no_colour_stands_around_text_or_rules(workshop, pair):
    """Outside the seal all inks are black, grey or a red without green and blue: these two are alike in every pixel."""
    ours, _, _, template = pair
    looked_at = np.ones(ours.shape[:2], bool)
    for box in (template.spec.seal_box_um, *(strip.box_um for strip in template.spec.strips)):
        left, top, right, bottom = box
        looked_at[box_px((left - 500, top - 500, right + 500, bottom + 500), 200)] = False
    red, green, blue = (ours[..., channel][looked_at].astype(int) for channel in range(3))
    assert np.abs(green - blue).max() <= 1
    assert (red - green).min() >= -1
    assert (red - green).max() > 100, "nothing red was looked at"


@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_rules_are_whole_pixels_without_a_blurred_edge(workshop, sample, dpi):
    template = workshop.renderer.template(sample.invoice.kind.value)
    page = next(workshop.pages(template, layout_invoice(sample.invoice, template), dpi)).rgb()
    label, plain = template.spec.colors["label"], {(255, 255, 255), *template.spec.colors.values()}
    for rule in template.spec.rules:
        cuts = [crosscut(page, rule, place, dpi) for place in np.linspace(0.1, 0.9, 33)]
        # Text, other rules and the seal lie over some cuts; a blurred edge would be in all.
        sharp = [cut for cut in cuts if set(cut) <= plain]
        assert len(sharp) >= 8, rule.name
        (width, times), *_ = Counter(cut.count(label) for cut in sharp).most_common()
        assert times > len(sharp) / 2, rule.name
        assert abs(width - template.spec.rule_width_um * dpi / 25400) < 1, rule.name


def crosscut(page, rule, place, dpi):
    """Return the pixels across a rule, 0.5 mm to each side, as colours."""
    (x0, y0), (x1, y1) = rule.start_um, rule.end_um
    x, y = round(x0 + place * (x1 - x0)), round(y0 + place * (y1 - y0))
    if y0 == y1:
        cut = page[um_to_px(y - 500, dpi) : um_to_px(y + 500, dpi), um_to_px(x, dpi)]
    else:
        cut = page[um_to_px(y, dpi), um_to_px(x - 500, dpi) : um_to_px(x + 500, dpi)]
    return [tuple(pixel) for pixel in cut.tolist()]
