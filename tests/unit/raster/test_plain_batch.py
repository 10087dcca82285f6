"""One pass from a display list to stamps: the same as the long way, for whatever it takes, and it takes no other."""

from dataclasses import replace

import numpy as np
import pytest
import raster_samples
from hypothesis import given, settings
from hypothesis import strategies as st

from render.display.batch import concat
from render.display.builder import DisplayListBuilder
from render.display.list import Blend
from render.errors import GlyphMissing
from render.raster.api import Rasterizer
from render.raster.atlas import Atlas, BrokenGlyph
from render.raster.kernels import find_stamps as source
from render.raster.keys import EMPTY
from render.raster.outline import GlyphOutlines
from render.raster.plain_batch import PlainBatch, table_of

COLUMNS = ("off", "rect_px", "rect_index", "rect_off")
INKS = [(0, 0, 0), (128, 0, 0), (0, 0, 160)]

texts = st.tuples(
    st.text("sto/ ", max_size=8),
    st.sampled_from([400, 700, 1_500, 1_501, 40_000]),
    st.integers(-3_000, 9_000),
    st.integers(-3_000, 6_000),
    st.sampled_from([890, 1000]),
    st.sampled_from(INKS),
)
boxes = st.tuples(
    st.lists(st.tuples(*[st.integers(-2_000, 8_000)] * 2, *[st.integers(0, 3_000)] * 2), min_size=1, max_size=4),
    st.sampled_from(INKS),
)
pages = st.lists(st.tuples(st.booleans(), st.lists(st.one_of(texts, boxes), max_size=6)), min_size=1, max_size=4)


def build(fonts, base, content):
    builder = DisplayListBuilder(fonts)
    for has_base, items in content:
        builder.page(6_400, 3_200, base.digest if has_base else None)
        for item in items:
            if len(item) == 2:
                rows = np.array(item[0])
                rows[:, 2:] += rows[:, :2]
                builder.rects(rows, paint=builder.paint(*item[1]), tag="box")
            else:
                string, size, x, y, scale, ink = item
                if string:
                    builder.text("shapes", size, x, y, string, paint=builder.paint(*ink), tag="text", xscale=scale)
    return builder.freeze()


def stamps_of(rasterizer, display):
    """Return what the compositor is given, with the cells in place of where they begin: atlases grow differently."""
    batch = rasterizer._prepare(display)
    start, pitch, rows, left, top = batch.stamps.columns
    cells = [batch.stamps.cells[at : at + p * r].tobytes() for at, p, r in zip(start, pitch, rows, strict=True)]
    places = [column.tolist() for column in (pitch, rows, left, top)]
    numbers = [np.asarray(getattr(batch.stamps, name)).tolist() for name in COLUMNS]
    grounds = [ground.index.tobytes() + ground.palette.rgb.tobytes() for ground in batch.grounds]
    return cells, places, numbers, grounds


@pytest.fixture(scope="module")
def known(shapes, form):
    return raster_samples.resources(shapes, [form])


@settings(max_examples=120, deadline=None)
@given(content=pages, dpi=st.sampled_from([72, 101, 254, 300, 600]))
def test_one_pass_finds_what_the_long_way_finds(known, shapes, form, content, dpi):
    display = build(shapes, form, content)
    assert PlainBatch.of(display, np.ones(len(display.paint_rgba), np.uint8), 1) is not None
    found, expected = (stamps_of(Rasterizer(known, dpi, backend=backend), display) for backend in ("numba", "numpy"))
    assert found == expected


def test_an_atlas_that_grows_and_starts_again_leaves_no_trace(known, shapes, form, monkeypatch):
    monkeypatch.setattr("render.raster.atlas.MAX_ATLAS_BYTES", 3_000)
    shared, rng = Rasterizer(known, 254), np.random.default_rng(4)
    shared._atlas = Atlas(known, max_bytes=3_000)
    emptied = 0
    for turn in range(40):
        size = int(rng.integers(300, 2_500))
        items = [("sto/"[: 1 + turn % 4], size, 700, 1_500, 1000, INKS[turn % 3])]
        display = build(shapes, form, [(bool(turn % 2), items)])
        before = shared._atlas.used_bytes
        assert stamps_of(shared, display) == stamps_of(Rasterizer(known, 254, backend="numpy"), display)
        emptied += shared._atlas.used_bytes < before
    assert emptied > 2


def test_both_ways_share_one_atlas(known, shapes, form):
    plain = build(shapes, form, [(True, [("so/", 900, 700, 1_500, 1000, INKS[0])])])
    rasterizer = Rasterizer(known, 254)
    by_pass = stamps_of(rasterizer, plain)
    drawn = len(rasterizer._atlas._metrics)
    rasterizer._is_compiled = False
    assert stamps_of(rasterizer, plain) == by_pass
    assert len(rasterizer._atlas._metrics) == drawn


@pytest.mark.parametrize("what", ["line", "path", "image", "light", "translucent", "multiplied"])
def test_what_is_not_plain_goes_the_long_way(shapes, what):
    disc = raster_samples.disc()

    def items(builder):
        black = builder.paint(0, 0, 0)
        if what == "line":
            builder.line(300, 400, 6_100, 400, 200, paint=black, tag="rule")
        elif what == "path":
            builder.path([0, 1], [(300, 400), (500, 900)], paint=black, tag="path", stroke_um=100)
        elif what == "image":
            builder.image(disc.digest, (500, 500, 3_500, 2_500), paint=black, tag="seal")
        else:
            paint = {
                "light": (250, 250, 250),
                "translucent": (0, 0, 0, 128),
                "multiplied": (0, 0, 0, 255, Blend.MULTIPLY),
            }
            builder.rects([0, 0, 900, 900], paint=builder.paint(*paint[what]), tag="box")

    display = raster_samples.page(shapes, items)
    known = raster_samples.resources(shapes, pictures=[disc])
    rasterizer = Rasterizer(known, 254)
    rasterizer._prepare_plain = None
    (drawn,), (expected,) = rasterizer.rasterize(display), Rasterizer(known, 254, backend="numpy").rasterize(display)
    assert np.array_equal(drawn.index, expected.index)


@pytest.mark.parametrize(
    ("column", "place", "value"),
    [
        ("item_kind", 0, 9),
        ("item_paint", 0, 1),
        ("item_ref", 0, 2),
        ("item_ref", 1, 1),
        ("run_font", 0, 1),
        ("run_size_um", 0, -1),
        ("run_size_um", 0, 2**31 - 1),
        ("run_glyph_off", 1, 5),
        ("run_glyph_off", 0, 2),
        ("rectset_off", 1, 2),
        ("page_item_off", 1, 3),
    ],
)
def test_what_points_beside_its_columns_is_never_followed(shapes, form, column, place, value):
    items = [("s", 900, 700, 1_500, 1000, INKS[0]), ([(0, 0, 10, 10)], INKS[0])]
    display = build(shapes, form, [(False, items)])
    assert PlainBatch.of(display, np.ones(1, np.uint8), 1) is not None
    broken = getattr(display, column).copy()
    broken[place] = value
    assert PlainBatch.of(replace(display, **{column: broken}), np.ones(1, np.uint8), 1) is None


def test_a_list_without_pages_or_of_other_fonts_goes_the_long_way(known, shapes, form):
    display = build(shapes, form, [(False, [("s", 900, 700, 1_500, 1000, INKS[0])])])
    none = replace(display, page_base=display.page_base[:0])
    assert PlainBatch.of(none, np.ones(1, np.uint8), 1) is None
    assert PlainBatch.of(display, np.ones(1, np.uint8), 0) is None


def test_strided_columns_are_read_right(known, shapes, form):
    display = build(shapes, form, [(True, [("so", 900, 700, 1_500, 1000, INKS[0])])])
    strided = replace(display, glyph_x_um=np.repeat(display.glyph_x_um, 2)[::2])
    assert stamps_of(Rasterizer(known, 254), strided) == stamps_of(Rasterizer(known, 254), display)


def test_a_damaged_glyph_is_named_by_every_tag_that_prints_it(known, shapes, form, monkeypatch):
    display = concat([build(shapes, form, [(False, [("so", 900, 700, 1_500, 1000, INKS[0])])]) for _ in range(2)])

    def broken(self, glyph, *_):
        raise BrokenGlyph(shapes.digests[0], glyph, "no outline")

    monkeypatch.setattr(GlyphOutlines, "coverage", broken)
    with pytest.raises(GlyphMissing) as raised:
        Rasterizer(known, 254).rasterize(display)
    assert [fault.path for fault in raised.value.faults] == ["text"]


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("n", [0, 1, 2, 3, 100])
def test_every_key_of_a_table_is_found_and_no_other(n):
    keys = np.random.default_rng(n).choice(10_000, n, replace=False).astype(np.int64) << 18
    table = table_of(keys, np.arange(n))
    assert [int(table[source.row_of_key(table, key), 1]) for key in keys] == list(range(n))
    assert table[source.row_of_key(table, np.int64(77)), 0] == EMPTY
