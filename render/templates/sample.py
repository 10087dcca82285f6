"""What marks a document as a sample: a 样张 seal in place of a tax authority's, and a watermark across the page.

A 发票监制章 is the mark of a tax authority and only an authority's licensee may print one; so the default seal says of
itself what it is and resembles none.
"""

from __future__ import annotations

from fractions import Fraction

from render.display.builder import DisplayListBuilder
from render.display.list import Blend, Verb
from render.display.resolve import Align
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

_WATERMARK_SIZE_UM = 30_000
_WATERMARK_COLUMNS = 3
# From the baseline of a character up to its middle, in parts of the em.
_MIDDLE = Fraction(38, 100)


def draw_watermark(builder: DisplayListBuilder, spec: TemplateSpec, role: str) -> None:
    """Print 样张 in a very light grey across the page; it is opaque, so it must be painted first.

    It is text, so a document that carries it also says so to whoever extracts its words; upright, since text has no
    other direction in a display list.
    """
    paint = builder.paint(*spec.colors["watermark"])
    width, height = spec.page_um
    baseline = height // 2 + round(_WATERMARK_SIZE_UM * _MIDDLE)
    for column in range(_WATERMARK_COLUMNS):
        center = width * (2 * column + 1) // (2 * _WATERMARK_COLUMNS)
        builder.text(
            role,
            _WATERMARK_SIZE_UM,
            center,
            baseline,
            SAMPLE_TEXT,
            paint=paint,
            tag="watermark",
            align=Align.CENTER,
        )


def draw_sample_seal(builder: DisplayListBuilder, spec: TemplateSpec, role: str) -> None:
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
        place = ((left + right) // 2, top + round(height * baseline))
        builder.text(role, round(height * size), *place, text, paint=paint, tag=f"seal.{name}", align=Align.CENTER)


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
