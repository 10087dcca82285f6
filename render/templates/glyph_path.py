"""Glyph outlines as display list paths, for what is drawn and not printed as text: sample seal and watermark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import uharfbuzz as hb

from render.display.list import Verb
from render.fonts.face import Face

Point = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class GlyphPath:
    """Outlines in em units: y up from the baseline, x from the glyph's origin; every curve is cubic."""

    verbs: tuple[Verb, ...]
    points: tuple[Point, ...]
    advance: Fraction

    def placed(
        self, x_um: int, baseline_um: int, size_um: int, turn: Point = (Fraction(1), Fraction(0))
    ) -> list[tuple[int, int]]:
        """Return the points on the page in µm, y down.

        Args:
            x_um: the glyph's origin.
            baseline_um: its baseline.
            size_um: the em size.
            turn: cosine and sine of a counter-clockwise turn about (x, baseline), as rationals, so that every machine
                rounds the same.
        """
        cos, sin = turn
        return [
            (round(x_um + size_um * (x * cos - y * sin)), round(baseline_um - size_um * (x * sin + y * cos)))
            for x, y in self.points
        ]


def glyph_paths(face: Face, text: str) -> Iterator[GlyphPath]:
    """Yield the outline of each character; one that the face lacks yields the face's own box."""
    font = hb.Font(hb.Face(hb.Blob.from_file_path(str(face.path)), face.index))
    em = face.units_per_em
    font.scale = (em, em)
    for char in text:
        glyph = int(face.cmap[ord(char)])
        pen = _Pen(em)
        font.draw_glyph_with_pen(glyph, pen)
        yield GlyphPath(tuple(pen.verbs), tuple(pen.points), Fraction(font.get_glyph_h_advance(glyph), em))


@dataclass(slots=True)
class _Pen:
    """Receives HarfBuzz's drawing calls, in design units."""

    em: int
    verbs: list[Verb] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def moveTo(self, to: tuple[float, float]) -> None:  # noqa: N802 the pen protocol's name
        self._add(Verb.MOVE, to)

    def lineTo(self, to: tuple[float, float]) -> None:  # noqa: N802
        self._add(Verb.LINE, to)

    def curveTo(self, *points: tuple[float, float]) -> None:  # noqa: N802
        self._add(Verb.CUBIC, *points)

    def qCurveTo(self, *points: tuple[float, float]) -> None:  # noqa: N802
        """Raise a quadratic curve to a cubic one: its handles lie two thirds of the way to the control point."""
        control, end = (self._point(point) for point in points)
        start = self.points[-1]
        third, two_thirds = Fraction(1, 3), Fraction(2, 3)
        handles = [
            (near[0] * third + control[0] * two_thirds, near[1] * third + control[1] * two_thirds)
            for near in (start, end)
        ]
        self.verbs.append(Verb.CUBIC)
        self.points.extend([*handles, end])

    def closePath(self) -> None:  # noqa: N802
        self.verbs.append(Verb.CLOSE)

    def _add(self, verb: Verb, *points: tuple[float, float]) -> None:
        self.verbs.append(verb)
        self.points.extend(map(self._point, points))

    def _point(self, point: tuple[float, float]) -> Point:
        return Fraction(point[0]) / self.em, Fraction(point[1]) / self.em
