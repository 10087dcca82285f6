"""Digest, batch, dump and invariants of display lists."""

from dataclasses import replace

import numpy as np
import pytest

from render.display.batch import concat
from render.display.builder import DisplayListBuilder
from render.display.check import check
from render.display.dump import to_text
from render.display.list import ARRAY_COLUMNS, Blend, Verb
from render.errors import OutputInvalid
from render.fonts.book import FontBook


def document(fonts, text="甲A乙", role="mono", base=None, picture="sha256:a", colour=0):
    """Two pages with every kind of item."""
    builder = DisplayListBuilder(fonts)
    builder.page(100_000, 50_000, base)
    ink = builder.paint(colour, 0, 0)
    builder.text(role, 4_000, 1_000, 10_000, text, paint=ink, tag="name")
    builder.rects([[0, 0, 500, 500], [600, 0, 700, 500]], paint=ink, tag="squares")
    builder.line(0, 20_000, 90_000, 20_000, 250, paint=ink, tag="rule")
    builder.page(30_000, 40_000)
    seal = builder.paint(200, 0, 0, blend=Blend.MULTIPLY)
    verbs = [Verb.MOVE, Verb.CUBIC, Verb.CLOSE]
    builder.path(verbs, [(1, 1), (2_000, 1), (2_000, 2_000), (1, 2_000)], paint=seal, tag="seal")
    builder.image(picture, (0, 0, 10_000, 10_000), paint=seal, tag="picture")
    return builder.freeze()


def changed(display, name, place, value):
    array = getattr(display, name).copy()
    array[place] = value
    return replace(display, **{name: array})


def test_equal_content_has_an_equal_digest_and_other_content_another(fonts):
    assert document(fonts).digest == document(fonts).digest
    others = [document(fonts, text="甲A丙"), document(fonts, base="b"), document(fonts, picture="c")]
    assert len({other.digest for other in [document(fonts), *others]}) == 4


@pytest.mark.parametrize("name", ARRAY_COLUMNS)
def test_the_digest_covers_every_column(fonts, name):
    display = document(fonts)
    array = getattr(display, name)
    other = changed(display, name, (0,) * array.ndim, array[(0,) * array.ndim] + 1)
    assert other.digest != display.digest


def test_a_batch_prints_as_its_parts_one_after_another(fonts):
    parts = [
        document(fonts),
        document(fonts, text="丙丁戊", base="base", colour=9),
        document(fonts, base="other", picture="sha256:b"),
    ]
    batch = concat(parts)
    check(batch)
    assert batch.n_docs == 3
    alone = "".join(to_text(part).replace("document 0", f"document {n}") for n, part in enumerate(parts))
    assert to_text(batch) == alone


def test_a_batch_of_batches_is_the_batch_of_all(fonts):
    a, b, c = document(fonts), document(fonts, text="丁", base="x"), document(fonts, colour=3)
    assert to_text(concat([concat([a, b]), c])) == to_text(concat([a, concat([b, c])])) == to_text(concat([a, b, c]))


def test_a_batch_of_pages_without_items_is_sound(fonts):
    def empty():
        builder = DisplayListBuilder(fonts)
        builder.page(1_000, 1_000)
        return builder.freeze()

    batch = concat([empty(), empty()])
    check(batch)
    assert (batch.n_docs, batch.n_items) == (2, 0)


def test_lists_of_different_fonts_do_not_mix(fonts):
    other = FontBook.from_roles({role: [fonts.face("song")] for role in ("kai", "song", "mono")})
    with pytest.raises(ValueError, match="different font books"):
        concat([document(fonts), document(other)])


def test_a_batch_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        concat([])


def test_the_dump_names_every_item_in_paint_order_in_millimetres(fonts):
    lines = to_text(document(fonts, base="blake2b:0123456789abcdef")).splitlines()
    assert lines[:2] == ["document 0", " page 100.000,50.000 over blake2b:0123456789ab"]
    assert lines[2].split()[:2] == ["glyphs", "name"]
    assert "'甲' x 1.000" in lines[2]
    assert "rects  squares                  #000000ff [0.000,0.000,0.500,0.500] [0.600,0.000,0.700,0.500]" in lines[5]
    assert "0.000,20.000,90.000,20.000 width 0.250" in lines[6]
    assert lines[7] == " page 30.000,40.000"
    assert "#c80000ff* fill MCZ" in lines[8]
    assert "sha256:a [0.000,0.000,10.000,10.000]" in lines[9]


@pytest.mark.parametrize(
    ("name", "place", "value", "told"),
    [
        ("page_item_off", -1, 0, "page_item_off"),
        ("run_glyph_off", 1, 9, "run_glyph_off"),
        ("item_ref", 1, 0, "GLYPHS"),
        ("item_kind", 0, 9, "unknown kind"),
        ("item_tag", 0, 99, "item_tag"),
        ("item_paint", 0, 99, "item_paint"),
        ("run_font", 0, 99, "run_font"),
        ("image_ref", 0, 99, "image_ref"),
        ("page_base", 0, 5, "page_base"),
        ("glyph_id", 0, 0, "notdef"),
        ("item_bbox_um", (0, 2), 100_001, "'name' leaves its page"),
        ("item_bbox_um", (0, 0), -1, "'name' leaves its page"),
    ],
)
def test_a_broken_invariant_is_told(fonts, name, place, value, told):
    display = document(fonts)
    check(display)
    with pytest.raises(OutputInvalid, match=told):
        check(changed(display, name, place, value))


def test_columns_have_the_types_that_they_state(fonts):
    display = document(fonts)
    types = {"item_kind": np.uint8, "item_tag": np.uint32, "glyph_id": np.uint16, "glyph_char": np.uint32}
    types |= {"glyph_x_um": np.int32, "rect_um": np.int32, "page_item_off": np.uint32, "item_paint": np.uint16}
    assert {name: getattr(display, name).dtype.type for name in types} == types
