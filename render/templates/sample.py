"""What marks a document as a sample: a 样张 seal in place of a tax authority's, and a watermark across the page.

A 发票监制章 is the mark of a tax authority and only an authority's licensee may print one; so the default seal says of
itself what it is and resembles none.
"""

from __future__ import annotations

from fractions import Fraction

from render.display.builder import DisplayListBuilder
from render.display.list import Blend, Verb
from render.fonts.face import Face
from render.templates.glyph_path import Turn, outline
from render.templates.spec import TemplateSpec

SAMPLE_TEXT = "样张"
NOTICE_TEXT = "非税务机关监制"

_RING_UM = 600
_INNER_RING_UM = 200
_RING_GAP_UM = 1150
# Shares of the seal's height: the words stand below the title that the seal lies over.
_SAMPLE_SIZE, _SAMPLE_BASELINE = Fraction(29, 100), Fraction(86, 100)
_NOTICE_SIZE, _NOTICE_BASELINE = Fraction(9, 100), Fraction(475, 1000)

# Handle length of a cubic quarter of a circle, in radii.
_KAPPA = Fraction(5523, 10000)

# The 3-4-5 triangle's angle, 36.87°: near the page's diagonal and exact in rationals.
_DIAGONAL = Turn(4, 3, 5)
_WATERMARK_SIZE_UM = 26_000
_WATERMARK_COLUMNS = 3
_WATERMARK_ROWS = 2
# From the baseline of a character up to its middle, in parts of the em.
_MIDDLE = Fraction(38, 100)


def draw_watermark(builder: DisplayListBuilder, spec: TemplateSpec, face: Face) -> None:
    """Draw 样张 in a very light grey across the page; it is opaque, so it must be painted first."""
    paint = builder.paint(*spec.colors["watermark"])
    words, size, turn = outline(face, SAMPLE_TEXT), _WATERMARK_SIZE_UM, _DIAGONAL
    # From the middle of the words back to their first baseline point.
    along, across = words.width_um(size) // 2, round(size * _MIDDLE)
    back_x = (along * turn.cos - across * turn.sin) // turn.divisor
    back_y = (along * turn.sin + across * turn.cos) // turn.divisor
    width, height = spec.page_um
    for row in range(_WATERMARK_ROWS):
        for column in range(_WATERMARK_COLUMNS):
            center_x = width * (2 * column + 1) // (2 * _WATERMARK_COLUMNS)
            center_y = height * (2 * row + 1) // (2 * _WATERMARK_ROWS)
            points = words.placed(center_x - back_x, center_y + back_y, size, turn)
            builder.path(words.verbs, points, paint=paint, tag="watermark")


def draw_sample_seal(builder: DisplayListBuilder, spec: TemplateSpec, face: Face) -> None:
    """Draw the sample seal into the seal's box, multiplied with what is below, so that the title stays readable."""
    paint = builder.paint(*spec.colors["sample_seal"], blend=Blend.MULTIPLY)
    left, top, right, bottom = spec.seal_box_um
    height = bottom - top
    for inset, stroke, name in ((_RING_UM // 2, _RING_UM, "ring"), (_RING_GAP_UM, _INNER_RING_UM, "inner_ring")):
        box = (left + inset, top + inset, right - inset, bottom - inset)
        builder.path(*ellipse(box), paint=paint, tag=f"seal.{name}", stroke_um=stroke)
    for text, size, baseline, name in (
        (SAMPLE_TEXT, _SAMPLE_SIZE, _SAMPLE_BASELINE, "sample"),
        (NOTICE_TEXT, _NOTICE_SIZE, _NOTICE_BASELINE, "notice"),
    ):
        words, size_um = outline(face, text), round(height * size)
        x = (left + right - words.width_um(size_um)) // 2
        points = words.placed(x, top + round(height * baseline), size_um)
        builder.path(words.verbs, points, paint=paint, tag=f"seal.{name}")


def ellipse(box_um: tuple[int, int, int, int]) -> tuple[list[Verb], list[tuple[int, int]]]:
    """Return the ellipse inscribed in a box as four cubic curves."""
    left, top, right, bottom = box_um
    x, y = Fraction(left + right, 2), Fraction(top + bottom, 2)
    a, b = Fraction(right - left, 2), Fraction(bottom - top, 2)
    ka, kb = a * _KAPPA, b * _KAPPA
    points = [(x + a, y)]
    points += [(x + a, y + kb), (x + ka, y + b), (x, y + b)]
    points += [(x - ka, y + b), (x - a, y + kb), (x - a, y)]
    points += [(x - a, y - kb), (x - ka, y - b), (x, y - b)]
    points += [(x + ka, y - b), (x + a, y - kb), (x + a, y)]
    return [Verb.MOVE, *[Verb.CUBIC] * 4, Verb.CLOSE], [(round(px), round(py)) for px, py in points]
