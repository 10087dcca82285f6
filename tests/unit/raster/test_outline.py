import numpy as np
import pytest
import raster_samples

from render.display.list import Verb
from render.raster.outline import NOTHING, PX, BrokenOutline, GlyphOutlines, path_coverage

SQUARE, TRIANGLE, RING, SLASH, SPACE = 1, 2, 3, 4, 5
TEN_PX = 10 * PX


@pytest.fixture(scope="module", params=["glyf", "cff"])
def outlines(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("font") / f"{request.param}.font"
    face = raster_samples.build_font(path, cff=request.param == "cff")
    assert face.is_cff == (request.param == "cff")
    return GlyphOutlines(face)


def test_square_on_the_grid_is_solid_above_the_baseline(outlines):
    drawn = outlines.coverage(SQUARE, TEN_PX, 1000, 0)
    assert (drawn.left, drawn.top) == (0, -5)
    assert drawn.alpha.tolist() == [[255] * 5] * 5


def test_shift_spreads_an_edge_over_two_pixels(outlines):
    drawn = outlines.coverage(SQUARE, TEN_PX, 1000, PX // 4)
    assert drawn.alpha.shape == (5, 6)
    assert np.abs(drawn.alpha[2].astype(int) - [191, 255, 255, 255, 255, 64]).max() <= 1


def test_horizontal_scale_narrows_without_lowering(outlines):
    drawn = outlines.coverage(SQUARE, TEN_PX, 500, 0)
    assert drawn.alpha.shape == (5, 3)
    assert np.abs(drawn.alpha[0].astype(int) - [255, 255, 128]).max() <= 1


def test_hole_stays_open_and_area_is_exact(outlines):
    drawn = outlines.coverage(RING, 100 * PX, 1000, 0)
    assert drawn.alpha.shape == (90, 90)
    assert not drawn.alpha[30:60, 30:60].any()
    assert drawn.alpha.sum() == 255 * (90 * 90 - 30 * 30)


def test_slanted_edges_cover_their_area(outlines):
    drawn = outlines.coverage(TRIANGLE, 60 * PX, 1000, 0)
    assert drawn.alpha.sum() / 255 == pytest.approx(60 * 60 / 2, rel=0.002)


def test_part_below_the_baseline_is_kept(outlines):
    drawn = outlines.coverage(SLASH, TEN_PX, 1000, 0)
    assert (drawn.top, drawn.top + drawn.alpha.shape[0]) == (-8, 2)


def test_space_has_no_cell(outlines):
    assert outlines.coverage(SPACE, TEN_PX, 1000, 0) is NOTHING


def test_glyph_beyond_the_font_is_refused(outlines):
    with pytest.raises(BrokenOutline):
        outlines.coverage(60_000, TEN_PX, 1000, 0)


def test_absurd_size_is_refused_before_memory_is_taken(outlines):
    with pytest.raises(BrokenOutline, match="pixels"):
        outlines.coverage(RING, 60_000 * PX, 1000, 0)


def test_damaged_glyph_data_is_refused(tmp_path):
    face = raster_samples.build_font(tmp_path / "whole.ttf")
    from fontTools.ttLib import TTFont

    with TTFont(face.path) as font:
        offset = font.reader.tables["glyf"].offset + font["loca"][TRIANGLE]
    data = bytearray(face.path.read_bytes())
    # More contours than the glyph has bytes.
    data[offset : offset + 2] = (2_000).to_bytes(2, "big")
    (tmp_path / "damaged.ttf").write_bytes(data)
    from render.fonts.face import Face

    outlines = GlyphOutlines(Face.load(tmp_path / "damaged.ttf"))
    with pytest.raises(BrokenOutline):
        outlines.coverage(TRIANGLE, TEN_PX, 1000, 0)
    assert outlines.coverage(SQUARE, TEN_PX, 1000, 0).alpha.shape == (5, 5)


def path(verbs, points, stroke=0):
    return path_coverage(np.array(verbs, np.uint8), np.array(points, np.int64).reshape(-1, 2), stroke)


BOX = [Verb.MOVE, Verb.LINE, Verb.LINE, Verb.LINE, Verb.CLOSE]
BOX_POINTS = np.array([(2, 1), (6, 1), (6, 4), (2, 4)]) * PX


def test_filled_path_lies_where_its_points_are():
    drawn = path(BOX, BOX_POINTS)
    assert (drawn.left, drawn.top) == (2, 1)
    assert drawn.alpha.tolist() == [[255] * 4] * 3


def test_stroke_straddles_the_outline_with_square_corners():
    drawn = path(BOX, BOX_POINTS, stroke=2 * PX)
    assert (drawn.left, drawn.top) == (1, 0)
    assert drawn.alpha.shape == (5, 6)
    assert drawn.alpha[0, 0] == 255
    assert not drawn.alpha[2, 2:4].any()


def test_open_stroke_has_butt_ends():
    drawn = path([Verb.MOVE, Verb.LINE], np.array([(0, 3), (7, 3)]) * PX, stroke=2 * PX)
    assert (drawn.left, drawn.top) == (0, 2)
    assert drawn.alpha.tolist() == [[255] * 7] * 2


def test_filled_circle_covers_its_area():
    r, k = 50 * PX, round(50 * PX * 0.5522847498)
    points = [(r, 0), (r, k), (k, r), (0, r), (-k, r), (-r, k), (-r, 0), (-r, -k), (-k, -r), (0, -r), (k, -r), (r, -k)]
    drawn = path([Verb.MOVE, *[Verb.CUBIC] * 4, Verb.CLOSE], [*points, (r, 0)])
    assert drawn.alpha.sum() / 255 == pytest.approx(np.pi * 50**2, rel=0.002)


@pytest.mark.parametrize(
    ("verbs", "points"),
    [
        ([Verb.MOVE, Verb.CUBIC], [(0, 0), (1, 1)]),
        ([Verb.LINE], [(0, 0)]),
        ([Verb.MOVE, 9], [(0, 0), (1, 1)]),
    ],
    ids=["too few points", "no start", "unknown verb"],
)
def test_path_that_does_not_fit_is_refused(verbs, points):
    with pytest.raises(BrokenOutline, match="do not fit"):
        path(verbs, points)


def test_path_with_too_many_points_is_refused():
    n = 40_000
    with pytest.raises(BrokenOutline, match="at most"):
        path([Verb.MOVE, *[Verb.LINE] * (n - 1)], np.arange(2 * n).reshape(-1, 2))


def test_path_without_segments_paints_nothing():
    assert path([Verb.MOVE, Verb.MOVE], [(0, 0), (64, 64)]) is NOTHING
