"""Rectangles, lines, paths and colours as operators, and as pixels."""

import io
import re

import numpy as np
import pikepdf
import pypdfium2
import pytest
from pdf_samples import info

from render.display.builder import DisplayListBuilder
from render.display.list import Blend, Verb
from render.display.resources import Resources
from render.pdf import shapes
from render.pdf.writer import PdfWriter

_PX_PER_MM = 10


def _builder(book):
    builder = DisplayListBuilder(book)
    builder.page(60_000, 40_000)
    return builder


def _write(book, builder):
    return PdfWriter(Resources(book)).write(builder.freeze(), 0, info()).data


def _pixels(book, builder):
    """Return uint8[400, 600, 3], ten pixels a millimetre."""
    with pypdfium2.PdfDocument(_write(book, builder)) as pdf:
        return np.asarray(pdf[0].render(scale=_PX_PER_MM * 25.4 / 72, no_smoothpath=True).to_pil())[:400, :600]


def _filled(shown, page_height):
    """Return left, top, right, bottom in µm of each rectangle that these operators fill, y down."""
    words = shown.decode().split()
    scale, dx, dy = 1, 0, 0
    if words[0] == "q":
        assert words[7] == "cm"
        assert words[-1] == "Q"
        scale, dx, dy = int(words[1]), int(words[5]), int(words[6])
        assert [int(word) for word in words[1:5]] == [scale, 0, 0, scale]
        words = words[8:-1]
    assert words.pop() == "f"
    assert set(words[4::5]) == {"re"}
    x, y, width, height = (np.array(words[place::5]).astype(int) * scale for place in range(4))
    return np.stack([dx + x, page_height - dy - y - height, dx + x + width, page_height - dy - y], axis=1)


def _rect_set(book, rects):
    builder = _builder(book)
    builder.rects(rects, paint=builder.paint(0, 0, 0), tag="q")
    return shapes.rect_set(builder.freeze(), 0, 40_000)


def test_rectangles_are_written_as_they_are(book):
    rng = np.random.default_rng(7)
    corner = rng.integers(-9_999, 30_000, (200, 2))
    rects = np.concatenate([corner, corner + rng.integers(1, 9_999, (200, 2))], axis=1)
    shown = _rect_set(book, rects)
    assert not shown.startswith(b"q ")
    assert np.array_equal(_filled(shown, 40_000), rects)


def _dark(shown):
    """Return bool[rows, columns], what a stencil mask paints, and its left, bottom, width and height in µm, y up."""
    found = re.fullmatch(
        rb"q (\d+) 0 0 (\d+) (-?\d+) (-?\d+) cm BI/W (\d+)/H (\d+)/IM true/BPC 1/F/AHx ID ([0-9a-f]+)>\nEI Q", shown
    )
    width, height, left, bottom, columns, rows = map(int, found.groups()[:-1])
    data = np.frombuffer(bytes.fromhex(found[7].decode()), np.uint8).reshape(rows, -1)
    assert data.shape[1] == -(-columns // 8)
    return ~np.unpackbits(data, axis=1)[:, :columns].astype(bool), (left, bottom, width, height)


@pytest.mark.parametrize("extent", [8, 33, 64])
def test_many_rectangles_on_a_grid_become_a_stencil(book, extent):
    rng = np.random.default_rng(extent)
    corner = rng.integers(0, extent - 3, (extent * extent // 2, 2))
    steps = np.concatenate([corner, corner + rng.integers(1, 4, corner.shape)], axis=1)
    steps[:2] = [[0, 0, 1, 1], [extent - 1, extent - 1, extent, extent]]
    expected = np.zeros((extent, extent), bool)
    for left, top, right, bottom in steps.tolist():
        expected[top:bottom, left:right] = True
    dark, box = _dark(_rect_set(book, steps * 607 + [-501, 6_001, -501, 6_001]))
    assert np.array_equal(dark, expected)
    assert box == (-501, 40_000 - 6_001 - 607 * extent, 607 * extent, 607 * extent)


def test_a_stencil_paints_its_fields_and_nothing_else(book):
    rng = np.random.default_rng(3)
    fields = rng.random((20, 33)) < 0.5
    fields[0, 0] = fields[-1, -1] = True
    rects = [(x * 500, y * 500 + 3_000, x * 500 + 500, y * 500 + 3_500) for y, x in np.argwhere(fields).tolist()]
    builder = _builder(book)
    builder.rects(rects, paint=builder.paint(0, 0, 0), tag="q")
    pixels = _pixels(book, builder)
    assert np.array_equal(pixels[32:132:5, 2:165:5, 0] < 128, fields)
    outside = np.ones(pixels.shape[:2], bool)
    outside[29:131, :166] = False
    assert pixels[outside].min() == 255


@pytest.mark.parametrize(("extent", "count"), [(65, 1_500), (30, 20), (60, 150)])
def test_rectangles_on_a_grid_are_written_in_its_steps(book, extent, count):
    """Where the grid is too large for a stencil, or has many fields for few rectangles."""
    rng = np.random.default_rng(8)
    corner = rng.integers(0, extent - 3, (count, 2))
    corner[:2] = [[0, 0], [extent - 4, extent - 4]]
    steps = np.concatenate([corner, corner + rng.integers(1, 4, (count, 2))], axis=1)
    steps[1, 2:] = extent
    rects = steps * 606 + [6_501, 6_001, 6_501, 6_001]
    shown = _rect_set(book, rects)
    assert shown.startswith(b"q 606 0 0 606 ")
    assert np.array_equal(_filled(shown, 40_000), rects)


def test_rectangles_in_a_row_become_one(book):
    row = [[1_000 * place, 2_000, 1_000 * place + 1_000, 3_000] for place in range(5)]
    shown = _rect_set(book, [*row, [9_000, 2_000, 10_000, 3_000], [10_000, 2_500, 11_000, 3_500]])
    expected = [[0, 2_000, 5_000, 3_000], [9_000, 2_000, 10_000, 3_000], [10_000, 2_500, 11_000, 3_500]]
    assert _filled(shown, 40_000).tolist() == expected


def test_one_rectangle_needs_no_grid(book):
    assert _rect_set(book, [[1_000, 39_000, 2_000, 41_000]]) == b"1000 -1000 1000 2000 re f"


def test_rectangles_lines_and_paths_fall_on_their_places(book):
    builder = _builder(book)
    red, green, blue = builder.paint(255, 0, 0), builder.paint(0, 255, 0), builder.paint(0, 0, 255)
    builder.rects([(1_000, 2_000, 5_000, 4_000)], paint=red, tag="r")
    builder.line(10_000, 10_000, 20_000, 10_000, 1_000, paint=green, tag="l")
    triangle = [(30_000, 30_000), (40_000, 30_000), (40_000, 38_000)]
    builder.path([Verb.MOVE, Verb.LINE, Verb.LINE, Verb.CLOSE], triangle, paint=blue, tag="p")
    pixels = _pixels(book, builder)
    found = {}
    for name, colour in {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}.items():
        y, x = np.nonzero((pixels == colour).all(axis=2))
        found[name] = (x.min(), y.min(), x.max() + 1, y.max() + 1)
    assert found["red"] == pytest.approx((10, 20, 50, 40), abs=1)
    assert found["green"] == pytest.approx((100, 95, 200, 105), abs=1)
    assert found["blue"] == pytest.approx((300, 300, 400, 380), abs=2)


def test_strokes_and_fills_keep_their_own_colours(book):
    builder = _builder(book)
    red, blue = builder.paint(255, 0, 0), builder.paint(0, 0, 255)
    square = [(30_000, 10_000), (40_000, 10_000), (40_000, 20_000), (30_000, 20_000)]
    verbs = [Verb.MOVE, Verb.LINE, Verb.LINE, Verb.LINE, Verb.CLOSE]
    builder.line(1_000, 1_000, 9_000, 1_000, 500, paint=red, tag="l")
    builder.rects([(10_000, 10_000, 20_000, 20_000)], paint=blue, tag="r")
    builder.line(1_000, 5_000, 9_000, 5_000, 500, paint=red, tag="l")
    builder.path(verbs, square, paint=blue, tag="p", stroke_um=1_000)
    pixels = _pixels(book, builder)
    assert pixels[10, 50].tolist() == pixels[50, 50].tolist() == [255, 0, 0]
    assert pixels[150, 150].tolist() == pixels[100, 350].tolist() == [0, 0, 255]
    assert pixels[150, 350].tolist() == [255, 255, 255]


def test_multiply_and_alpha_end_with_their_item(book):
    builder = _builder(book)
    yellow = builder.paint(255, 255, 0)
    cyan = builder.paint(0, 255, 255, blend=Blend.MULTIPLY)
    pale = builder.paint(0, 0, 0, 128)
    builder.rects([(0, 0, 20_000, 20_000)], paint=yellow, tag="a")
    builder.rects([(10_000, 10_000, 30_000, 30_000)], paint=cyan, tag="b")
    builder.rects([(40_000, 0, 50_000, 10_000)], paint=pale, tag="c")
    builder.rects([(15_000, 0, 18_000, 5_000)], paint=builder.paint(0, 0, 0), tag="d")
    pixels = _pixels(book, builder)
    assert pixels[150, 150].tolist() == [0, 255, 0]
    assert pixels[250, 250].tolist() == [0, 255, 255]
    assert pixels[50, 450].tolist() == pytest.approx([127] * 3, abs=1)
    assert pixels[30, 160].tolist() == [0, 0, 0]


def test_only_blended_pages_have_a_transparency_group(book):
    def group(**options):
        builder = _builder(book)
        builder.rects([(0, 0, 9, 9)], paint=builder.paint(1, 2, 3, **options), tag="a")
        with pikepdf.open(io.BytesIO(_write(book, builder))) as pdf:
            return "/Group" in pdf.pages[0]

    assert not group()
    assert group(alpha=100)
    assert group(blend=Blend.MULTIPLY)


@pytest.mark.parametrize("level", [0, 1, 77, 128, 254, 255])
def test_colours_come_back_exactly(book, level):
    builder = _builder(book)
    builder.rects([(0, 0, 60_000, 40_000)], paint=builder.paint(level, 0, 255 - level), tag="a")
    assert _pixels(book, builder)[200, 300].tolist() == [level, 0, 255 - level]
