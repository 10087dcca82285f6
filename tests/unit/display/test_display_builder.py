"""Recording and freezing: positions, runs, boxes, paints and what cannot be printed."""

import numpy as np
import pytest

from render.display.builder import DisplayListBuilder
from render.display.check import check
from render.display.list import NO_BASE, Blend, Kind, Verb
from render.display.resolve import Align
from render.errors import GlyphMissing


@pytest.fixture
def builder(fonts):
    builder = DisplayListBuilder(fonts)
    builder.page(100_000, 50_000)
    return builder


@pytest.fixture
def ink(builder):
    return builder.paint(0, 0, 0)


def glyph_x(display, run=0):
    return display.glyph_x_um[display.run_glyph_off[run] : display.run_glyph_off[run + 1]].tolist()


def test_an_empty_page_is_a_sound_list(builder):
    display = builder.freeze()
    check(display)
    assert (display.n_docs, display.n_pages, display.n_items) == (1, 1, 0)
    assert display.page_base.tolist() == [NO_BASE]


def test_positions_are_rounded_from_the_exact_sum(builder, ink):
    builder.text("song", 3_175, 1_000, 10_000, "0" * 9, paint=ink, tag="t")
    assert glyph_x(builder.freeze()) == [1_000 + (2 * n * 15_875 + 10) // 20 for n in range(9)]


@pytest.mark.parametrize(("align", "left"), [(Align.LEFT, 50_000), (Align.CENTER, 46_000), (Align.RIGHT, 42_000)])
def test_the_anchor_is_the_left_the_middle_or_the_right(builder, ink, align, left):
    builder.text("song", 4_000, 50_000, 10_000, "甲乙", paint=ink, tag="t", align=align)
    display = builder.freeze()
    assert display.item_bbox_um.tolist() == [[left, 10_000 - 3_520, left + 8_000, 10_000 + 480]]
    assert display.run_origin_um.tolist() == [[left, 10_000]]


def test_steps_replace_advances_and_are_condensed_with_the_text(builder, ink):
    builder.text("kai", 3_000, 0, 10_000, "甲乙丙", paint=ink, tag="t", steps_um=[4_000, 2_000], xscale=500)
    display = builder.freeze()
    assert glyph_x(display) == [0, 2_000, 3_000]
    assert display.item_bbox_um[0, 2] == 4_500
    assert display.run_xscale.tolist() == [500]


def test_characters_of_another_face_become_a_run_of_their_own(builder, ink, fonts):
    builder.text("mono", 5_000, 0, 10_000, "A甲乙B", paint=ink, tag="t")
    display = builder.freeze()
    check(display)
    faces = [fonts.faces[font] for font in display.run_font]
    assert faces == [fonts.face("mono"), fonts.face("song"), fonts.face("mono")]
    assert [display.run_text(run) for run in range(3)] == ["A", "甲乙", "B"]
    assert display.items_tagged("t") == [0, 1, 2]
    boxes = display.item_bbox_um[:, [0, 2]].tolist()
    assert boxes[0][1] == boxes[1][0]
    assert boxes[1][1] == boxes[2][0]


def test_text_around_shapes_keeps_the_order_of_painting(builder, ink):
    builder.rects([[0, 0, 10, 10]], paint=ink, tag="under")
    builder.text("mono", 5_000, 0, 10_000, "A甲", paint=ink, tag="text")
    builder.line(0, 5, 100, 5, 10, paint=ink, tag="over")
    builder.text("song", 5_000, 0, 20_000, "乙", paint=ink, tag="last")
    display = builder.freeze()
    check(display)
    assert [display.tag_of(item) for item in range(display.n_items)] == ["under", "text", "text", "over", "last"]
    kinds = [Kind.RECTS, Kind.GLYPHS, Kind.GLYPHS, Kind.LINE, Kind.GLYPHS]
    assert display.item_kind.tolist() == kinds
    assert display.item_ref.tolist() == [0, 0, 1, 0, 2]


def test_items_belong_to_the_page_that_was_open(builder, ink):
    builder.text("mono", 5_000, 0, 10_000, "A甲", paint=ink, tag="first")
    builder.page(20_000, 30_000, base="blake2b:x")
    builder.page(20_000, 30_000, base="blake2b:x")
    builder.text("song", 5_000, 0, 10_000, "乙", paint=ink, tag="third")
    display = builder.freeze()
    assert display.page_item_off.tolist() == [0, 2, 2, 3]
    assert display.page_size_um.tolist() == [[100_000, 50_000], [20_000, 30_000], [20_000, 30_000]]
    assert display.page_base.tolist() == [NO_BASE, 0, 0]
    assert display.bases == ("blake2b:x",)


def test_equal_paints_and_tags_are_stored_once(builder):
    red = builder.paint(255, 0, 0)
    assert builder.paint(255, 0, 0) == red
    multiplied = builder.paint(255, 0, 0, blend=Blend.MULTIPLY)
    assert multiplied != red
    for paint in (red, multiplied, red):
        builder.line(0, 0, 10, 0, 2, paint=paint, tag="t")
    display = builder.freeze()
    assert display.tags == ("t",)
    assert display.paint_rgba.tolist() == [[255, 0, 0, 255]] * 2
    assert display.paint_blend.tolist() == [Blend.NORMAL, Blend.MULTIPLY]


def test_nothing_is_recorded_for_empty_text_and_no_rectangles(builder, ink):
    builder.text("song", 3_000, 0, 10_000, "", paint=ink, tag="t")
    builder.rects(np.zeros((0, 4)), paint=ink, tag="r")
    assert builder.freeze().n_items == 0


@pytest.mark.parametrize(
    ("points", "box"),
    [
        ((1_000, 5_000, 9_000, 5_000), [1_000, 4_900, 9_000, 5_100]),
        ((5_000, 9_000, 5_000, 1_000), [4_900, 1_000, 5_100, 9_000]),
    ],
)
def test_a_line_has_the_box_of_its_stroke_with_butt_ends(builder, ink, points, box):
    builder.line(*points, 200, paint=ink, tag="l")
    assert builder.freeze().item_bbox_um.tolist() == [box]


def test_a_stroked_path_has_the_box_of_its_points_and_half_its_width(builder, ink):
    verbs = [Verb.MOVE, Verb.LINE, Verb.CLOSE]
    builder.path(verbs, [(1_000, 2_000), (3_000, 4_000)], paint=ink, tag="p", stroke_um=300)
    builder.path(verbs, [(1_000, 2_000), (3_000, 4_000)], paint=ink, tag="q")
    display = builder.freeze()
    check(display)
    assert display.item_bbox_um.tolist() == [[850, 1_850, 3_150, 4_150], [1_000, 2_000, 3_000, 4_000]]
    assert display.path_verb_off.tolist() == [0, 3, 6]
    assert display.path_point_off.tolist() == [0, 2, 4]


def test_one_picture_may_be_drawn_twice(builder, ink):
    for left in (0, 50_000):
        builder.image("sha256:x", (left, 0, left + 10_000, 10_000), paint=ink, tag="i")
    display = builder.freeze()
    assert (display.images, display.image_ref.tolist()) == (("sha256:x",), [0, 0])


def test_every_character_that_no_face_has_is_named_once_for_each_tag(builder, ink):
    builder.text("song", 3_000, 0, 10_000, "甲\ue123乙\ue123", paint=ink, tag="remark")
    builder.rects([[0, 0, 1, 1]], paint=ink, tag="r")
    builder.text("song", 3_000, 0, 20_000, "\ue123\U0003fffd\U000f0000", paint=ink, tag="clerk")
    with pytest.raises(GlyphMissing) as caught:
        builder.freeze()
    found = [(fault.path, fault.message.split()[6]) for fault in caught.value.faults]
    assert found == [("remark", "U+E123"), ("clerk", "U+E123"), ("clerk", "U+3FFFD"), ("clerk", "U+F0000")]


def test_a_lone_surrogate_is_a_missing_glyph_and_not_a_crash(builder, ink):
    builder.text("song", 3_000, 0, 10_000, "甲\ud800", paint=ink, tag="t")
    with pytest.raises(GlyphMissing, match=r"U\+D800"):
        builder.freeze()


def test_a_frozen_list_cannot_be_changed(builder, ink):
    builder.text("song", 3_000, 0, 10_000, "甲", paint=ink, tag="t")
    with pytest.raises(ValueError, match="read-only"):
        builder.freeze().glyph_x_um[0] = 1
