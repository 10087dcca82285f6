"""Compiled backgrounds: what is painted in which order, and what marks a sample."""

import numpy as np
import pytest

from render.display.check import check
from render.display.list import Blend, Kind
from render.display.resources import Picture
from render.templates.registry import TemplateRegistry
from render.templates.spec import PageKind

SEAL_BOX = (90_000, 8_000, 120_000, 28_000)


@pytest.fixture(scope="module")
def template(fonts):
    return TemplateRegistry().load("vat_special", fonts=fonts)


@pytest.fixture(scope="module")
def seal():
    return Picture(np.full((40, 60, 4), 200, np.uint8))


@pytest.fixture(scope="module")
def sealed(fonts, seal):
    return TemplateRegistry().load("vat_special", fonts=fonts, seal=seal)


def background(template, kind=PageKind.SINGLE):
    return template.resources.bases[template.bases[kind]]


def layers(display):
    """The layers in paint order, each named once."""
    return list(dict.fromkeys(display.tag_of(item).split(".")[0] for item in range(display.n_items)))


@pytest.mark.parametrize("kind", PageKind)
def test_backgrounds_are_sound_single_pages_named_by_their_hash(template, kind):
    display = background(template, kind)
    check(display)
    assert (display.n_docs, display.n_pages, display.digest) == (1, 1, template.bases[kind])


def test_layers_are_painted_watermark_rules_captions_seal(template):
    display = background(template)
    tags = [display.tag_of(item) for item in range(display.n_items)]
    marks = [place for place, tag in enumerate(tags) if tag.startswith("rule.mark")]
    assert layers(display) == ["watermark", "rule", "caption", "seal"]
    assert tags[-1].startswith("seal.")
    assert all(tags[place - 1].startswith(("caption.", "rule.mark")) for place in marks)


def test_the_sample_seal_fills_its_box_and_is_multiplied_with_the_title(template):
    display = background(template)
    seal = [item for item in range(display.n_items) if display.tag_of(item).startswith("seal.")]
    boxes = display.item_bbox_um[seal]
    assert (boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()) == SEAL_BOX
    kinds = {display.tag_of(item): int(display.item_kind[item]) for item in seal}
    words = {"seal.sample": Kind.GLYPHS, "seal.notice": Kind.GLYPHS}
    assert kinds == {"seal.ring": Kind.PATH, "seal.inner_ring": Kind.PATH} | words
    assert {int(display.paint_blend[display.item_paint[item]]) for item in seal} == {Blend.MULTIPLY}


def test_the_words_of_the_sample_seal_stand_clear_of_the_title(template):
    display = background(template)
    (title,) = (display.item_bbox_um[item] for item in display.items_tagged("caption.title"))
    for tag in ("seal.sample", "seal.notice"):
        (item,) = display.items_tagged(tag)
        assert display.item_bbox_um[item, 1] >= title[3] - 400, tag


def test_the_watermark_is_opaque_and_very_light(template):
    display = background(template)
    items = display.items_tagged("watermark")
    assert [display.run_text(int(display.item_ref[item])) for item in items] == ["样张"] * 3
    for item in items:
        paint = display.item_paint[item]
        assert display.paint_blend[paint] == Blend.NORMAL
        assert display.paint_rgba[paint].tolist()[3] == 255
        assert display.paint_rgba[paint, :3].min() >= 235


def test_the_operators_seal_replaces_the_sample_and_the_watermark(sealed, seal):
    display = background(sealed)
    assert layers(display) == ["rule", "caption", "seal"]
    (item,) = display.items_tagged("seal.picture")
    assert display.item_kind[item] == Kind.IMAGE
    assert tuple(display.item_bbox_um[item].tolist()) == SEAL_BOX
    assert display.paint_blend[display.item_paint[item]] == Blend.MULTIPLY
    assert dict(sealed.resources.pictures) == {seal.digest: seal}


def test_middle_pages_have_a_subtotal_and_no_totals(template):
    single, middle, last = (set(background(template, kind).tags) for kind in PageKind)
    totals = {"caption.totals", "caption.total_words", "caption.total", "rule.mark_total_words"}
    assert totals <= single
    assert totals <= last
    assert not totals & middle
    assert "caption.subtotal_middle" in middle - single
    assert "caption.subtotal_last" in last - single


def test_captions_are_printed_in_kai(template, fonts):
    display = background(template)
    assert {fonts.faces[font] for font in display.run_font} == {fonts.face("kai")}
