import numpy as np
import pytest
import raster_samples
from hypothesis import given
from hypothesis import strategies as st

from render.raster.placement import place
from render.raster.snapping import round_edges, scale, snap_lines
from render.units import um_to_px

ANY_DPI = st.integers(72, 600)


@given(ANY_DPI, st.lists(st.integers(0, 297_000), min_size=1, max_size=20))
def test_lengths_scale_as_the_project_rounds_them(dpi, lengths):
    assert scale(np.array(lengths, np.int32), dpi).tolist() == [um_to_px(length, dpi) for length in lengths]


@given(ANY_DPI, st.integers(100, 2_000), st.lists(st.integers(2_000, 200_000), min_size=2, max_size=30))
def test_rules_of_one_width_are_equally_wide_wherever_they_lie(dpi, width, places):
    level = np.array([(3_000, y, 90_000, y) for y in places], np.int32)
    upright = np.array([(x, 3_000, x, 90_000) for x in places], np.int32)
    widths, groups = np.full(len(places), width, np.int32), np.arange(len(places))
    boxes, _ = snap_lines(level, widths, groups, dpi)
    heights = boxes[:, 3] - boxes[:, 1]
    assert set(heights.tolist()) == {max(1, um_to_px(width, dpi))}
    boxes, _ = snap_lines(upright, widths, groups, dpi)
    assert set((boxes[:, 2] - boxes[:, 0]).tolist()) == {max(1, um_to_px(width, dpi))}


@given(ANY_DPI, st.integers(100, 2_000), st.integers(2_000, 200_000))
def test_rule_lies_within_half_a_pixel_of_its_centre(dpi, width, y):
    ((_, top, _, bottom),), _ = snap_lines(
        np.array([(0, y, 90_000, y)], np.int32), np.array([width], np.int32), np.array([0]), dpi
    )
    assert abs((top + bottom) / 2 - y * dpi / 25_400) <= 0.5


@given(ANY_DPI, st.integers(0, 50_000), st.integers(15_000, 30_000), st.integers(21, 57))
def test_modules_tile_without_gap_or_overlap(dpi, origin, size, count):
    edges = origin + np.rint(np.linspace(0, size, count + 1)).astype(np.int32)
    boxes = np.stack([edges[:-1], edges[:-1], edges[1:], edges[1:]], axis=1)
    px = round_edges(boxes, dpi)
    if dpi * size / 25_400 >= count:
        assert np.array_equal(px[1:, 0], px[:-1, 2])
    assert np.all(px[:, 2] > px[:, 0])


@pytest.mark.parametrize("dpi", [72, 96, 150, 200, 300, 400, 600])
def test_frame_of_rules_has_whole_corners(dpi):
    left, top, right, bottom = 4_500, 30_000, 205_500, 124_000
    lines = [(left, top, right, top), (left, bottom, right, bottom)]
    lines += [(left, top, left, bottom), (right, bottom, right, top)]
    boxes, is_straight = snap_lines(np.array(lines, np.int32), np.full(4, 200, np.int32), np.zeros(4, np.int64), dpi)
    assert is_straight.all()
    canvas = np.zeros((um_to_px(140_000, dpi), um_to_px(210_000, dpi)), bool)
    for x0, y0, x1, y1 in boxes:
        canvas[y0:y1, x0:x1] = True
    rows, columns = np.flatnonzero(canvas.any(axis=1)), np.flatnonzero(canvas.any(axis=0))
    frame = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(1, um_to_px(200, dpi))
    expected = np.ones_like(frame)
    expected[width:-width, width:-width] = False
    assert np.array_equal(frame, expected)


def test_rules_of_other_inks_or_that_only_pass_near_are_not_joined():
    lines = np.array([(1_000, 1_000, 5_000, 1_000), (1_000, 1_000, 1_000, 5_000), (5_300, 0, 5_300, 900)], np.int32)
    widths = np.full(3, 400, np.int32)
    boxes, _ = snap_lines(lines, widths, np.array([0, 1, 0]), 254)
    assert boxes.tolist() == [[10, 8, 50, 12], [8, 10, 12, 50], [51, 0, 55, 9]]


def test_hair_thin_rectangle_keeps_one_pixel_and_an_empty_one_none():
    boxes = np.array([(1_000, 1_000, 1_010, 9_000), (1_000, 1_000, 1_000, 9_000)], np.int32)
    assert (round_edges(boxes, 72)[:, 2] - round_edges(boxes, 72)[:, 0]).tolist() == [1, 0]


def test_glyph_origins_split_into_pixel_and_quarter(shapes):
    def items(builder):
        black = builder.paint(0, 0, 0)
        for x in (1_000, 1_012, 1_013, 1_037, 1_038, 1_087, 1_088):
            builder.text("shapes", 1_000, x, 2_049, "s", paint=black, tag="t")

    placed = place(raster_samples.page(shapes, items), 254)
    assert list(zip(placed.glyph_x.tolist(), placed.glyphs.phase.tolist(), strict=True)) == [
        (10, 0), (10, 0), (10, 1), (10, 1), (10, 2), (10, 3), (11, 0),
    ]  # fmt: skip
    assert set(placed.glyph_y.tolist()) == {20}
    assert placed.glyphs.run_size.tolist() == [640] * 7


def test_slanting_line_becomes_a_shape_and_straight_ones_rectangles(shapes):
    def items(builder):
        black = builder.paint(0, 0, 0)
        builder.line(1_000, 1_000, 3_000, 2_000, 100, paint=black, tag="a")
        builder.line(1_000, 1_000, 3_000, 1_000, 100, paint=black, tag="b")

    placed = place(raster_samples.page(shapes, items), 254)
    assert placed.shape_item.tolist() == [0]
    assert placed.rect_item.tolist() == [1]
