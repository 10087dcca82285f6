"""Glyph outlines as display list paths, for what is drawn and not printed as text: sample seal and watermark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import uharfbuzz as hb
from numpy.typing import NDArray

from render.display.list import Verb
from render.fonts.face import Face

# A multiple of four holds the half units of implied points exactly, one of three the handles of raised curves.
_UNITS_PER_FONT_UNIT = 4
_PARTS_PER_UNIT = 3


class Turn(NamedTuple):
    """A counter-clockwise turn with a rational cosine and sine, so that every machine rounds the same."""

    cos: int
    sin: int
    divisor: int


UPRIGHT = Turn(1, 0, 1)


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of some words on one line, every curve cubic.

    Attributes:
        verbs: of all glyphs, one after another.
        points: int64[n, 2], x from the first glyph's origin, y up from the baseline, in ``1 / parts_per_em`` em.
        width: of the words, in the same parts.
    """

    verbs: tuple[Verb, ...]
    points: NDArray[np.int64]
    width: int
    parts_per_em: int

    def placed(self, x_um: int, baseline_um: int, size_um: int, turn: Turn = UPRIGHT) -> NDArray[np.int64]:
        """Return the points on the page, int64[n, 2] in µm with y down.

        Args:
            x_um: the first glyph's origin.
            baseline_um: its baseline.
            size_um: the em size.
            turn: about the origin.
        """
        x, y = self.points.T
        turned = np.stack([x * turn.cos - y * turn.sin, -(x * turn.sin + y * turn.cos)], axis=1)
        divisor = self.parts_per_em * turn.divisor
        return np.asarray((2 * size_um * turned + divisor) // (2 * divisor) + [x_um, baseline_um])

    def width_um(self, size_um: int) -> int:
        """Return the width of the words at an em size."""
        return size_um * self.width // self.parts_per_em


def outline(face: Face, text: str) -> Outline:
    """Return the outline of some words; a character that the face lacks becomes the face's own box."""
    font = hb.Font(hb.Face(hb.Blob.from_file_path(str(face.path)), face.index))
    scale = face.units_per_em * _UNITS_PER_FONT_UNIT
    font.scale = (scale, scale)
    pen = _Pen()
    for char in text:
        glyph = int(face.cmap[ord(char)])
        font.draw_glyph_with_pen(glyph, pen)
        pen.origin += font.get_glyph_h_advance(glyph)
    points = np.array(pen.points, np.int64).reshape(-1, 2)
    return Outline(tuple(pen.verbs), points, pen.origin * _PARTS_PER_UNIT, scale * _PARTS_PER_UNIT)


@dataclass(slots=True)
class _Pen:
    """Receives HarfBuzz's drawing calls; ``origin`` is where the current glyph stands."""

    origin: int = 0
    verbs: list[Verb] = field(default_factory=list)
    points: list[tuple[int, int]] = field(default_factory=list)

    def moveTo(self, to: tuple[float, float]) -> None:  # noqa: N802 the pen protocol's name
        self._add(Verb.MOVE, [to])

    def lineTo(self, to: tuple[float, float]) -> None:  # noqa: N802
        self._add(Verb.LINE, [to])

    def curveTo(self, *points: tuple[float, float]) -> None:  # noqa: N802
        self._add(Verb.CUBIC, points)

    def qCurveTo(self, control: tuple[float, float], end: tuple[float, float]) -> None:  # noqa: N802
        """Raise a quadratic curve to a cubic one: its handles lie two thirds of the way to the control point."""
        start = self.points[-1]
        self._add(Verb.CUBIC, [control, control, end])
        *_, (middle_x, middle_y), (_, _), (end_x, end_y) = self.points
        self.points[-3:-1] = [
            ((x + 2 * middle_x) // _PARTS_PER_UNIT, (y + 2 * middle_y) // _PARTS_PER_UNIT)
            for x, y in (start, (end_x, end_y))
        ]

    def closePath(self) -> None:  # noqa: N802
        self.verbs.append(Verb.CLOSE)

    def _add(self, verb: Verb, points: Sequence[tuple[float, float]]) -> None:
        self.verbs.append(verb)
        self.points.extend(((round(x) + self.origin) * _PARTS_PER_UNIT, round(y) * _PARTS_PER_UNIT) for x, y in points)
