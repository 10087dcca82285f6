"""Rectangles, lines, paths and pictures of a display list as PDF operators, in micrometres with y up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList, Verb
from render.errors import OutputInvalid

_MITRE_LIMIT = 10
_MANY_RECTS = 24
_TABLE_SIZE = 1000
# Four characters as one number each: the upper digits, and the lower three with a space behind.
_HIGH_DIGITS = np.frombuffer(b"".join(b"%04d" % n for n in range(_TABLE_SIZE)), np.uint32)
_LOW_DIGITS = np.frombuffer(b"".join(b"%03d " % n for n in range(_TABLE_SIZE)), np.uint32)
_RECTANGLE = np.frombuffer(b"re  ", np.uint32)[0]
_OPERATOR = {Verb.MOVE: "m", Verb.LINE: "l", Verb.CUBIC: "c", Verb.CLOSE: "h"}
_POINTS = {Verb.MOVE: 1, Verb.LINE: 1, Verb.CUBIC: 3, Verb.CLOSE: 0}


def rect_set(display: DisplayList, ref: int, page_height_um: int) -> str:
    """Return the operators that fill one set of rectangles."""
    rects = display.rect_um[display.rectset_off[ref] : display.rectset_off[ref + 1]]
    if len(rects) < _MANY_RECTS:
        corners = _corners(rects, page_height_um)
        return ("%d %d %d %d re " * len(corners)) % tuple(corners.ravel().tolist()) + "f"
    corners = _corners(_join_rows(rects), page_height_um)
    if corners.min() < 0 or corners.max() >= _TABLE_SIZE**2:
        return ("%d %d %d %d re " * len(corners)) % tuple(corners.ravel().tolist()) + "f"
    return _fixed_width(corners) + "f"


def _corners(rects: NDArray[np.int32], page_height_um: int) -> NDArray[np.int32]:
    """Return x, y, width and height with y up."""
    corners = np.empty_like(rects)
    corners[:, 0] = rects[:, 0]
    corners[:, 1] = page_height_um - rects[:, 3]
    corners[:, 2:] = rects[:, 2:] - rects[:, :2]
    return corners


def _join_rows(rects: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return rectangles with each that goes on where the one before ends made part of it.

    The modules of a QR code come one by one; a row of them is filled the same as one bar.
    """
    left, top, right, bottom = rects.T
    is_first = np.ones(len(rects) + 1, np.bool_)
    is_first[1:-1] = (left[1:] != right[:-1]) | (top[1:] != top[:-1]) | (bottom[1:] != bottom[:-1])
    joined = rects[is_first[:-1]]
    joined[:, 2] = right[is_first[1:]]
    return joined


def _fixed_width(corners: NDArray[np.int32]) -> str:
    """Return rectangles with eight-digit numbers, leading zeros included, by table look-up instead of formatting.

    Deflate takes the zeros away again.
    """
    high, low = np.divmod(corners, _TABLE_SIZE)
    rows = np.empty((len(corners), 9), np.uint32)
    rows[:, 0:8:2] = _HIGH_DIGITS[high]
    rows[:, 1:8:2] = _LOW_DIGITS[low]
    rows[:, 8] = _RECTANGLE
    return rows.tobytes().decode("ascii")


def line(display: DisplayList, ref: int, page_height_um: int) -> str:
    """Return the operators that stroke one line with butt ends."""
    x0, y0, x1, y1 = display.line_um[ref].tolist()
    width = display.line_width_um[ref]
    return f"{width} w {x0} {page_height_um - y0} m {x1} {page_height_um - y1} l S"


@dataclass(frozen=True, slots=True)
class PathShape:
    """A path with its first point at the origin, so that the same shape elsewhere is the same.

    Attributes:
        operators: fill or stroke it.
        bbox: left, bottom, right, top of all that is painted, in µm from the first point.
    """

    operators: str
    bbox: tuple[int, int, int, int]


def path(display: DisplayList, ref: int) -> PathShape:
    """Return the shape of one path.

    Coordinates from its first point are shorter than those of the page, and shapes that repeat compress to almost
    nothing.
    """
    verbs = display.path_verb[display.path_verb_off[ref] : display.path_verb_off[ref + 1]].tolist()
    points = display.path_point_um[display.path_point_off[ref] : display.path_point_off[ref + 1]]
    points = (points - points[0]) * np.array([1, -1], np.int32)
    moved = [f"{x} {y}" for x, y in points.tolist()]
    parts: list[str] = []
    at = 0
    for code in verbs:
        verb = Verb(code)
        parts.extend(moved[at : at + _POINTS[verb]])
        at += _POINTS[verb]
        parts.append(_OPERATOR[verb])
    if at != len(points):
        raise OutputInvalid("a path has more or fewer points than its verbs take.", hint="Please report this defect.")
    stroke = int(display.path_stroke_um[ref])
    shown = f"{stroke} w {' '.join(parts)} S" if stroke else f"{' '.join(parts)} f"
    # A mitre may reach further than half the width, by the default limit of 10 at most.
    reach = stroke * _MITRE_LIMIT // 2
    low, high = (points.min(axis=0) - reach).tolist(), (points.max(axis=0) + reach).tolist()
    return PathShape(shown, (low[0], low[1], high[0], high[1]))


def path_place(display: DisplayList, ref: int, page_height_um: int, shown: str) -> str:
    """Return operators that draw a path's shape in its place; ``shown`` draws it from the origin."""
    left, top = display.path_point_um[display.path_point_off[ref]].tolist()
    return f"q 1 0 0 1 {left} {page_height_um - top} cm {shown} Q"


def image(display: DisplayList, ref: int, page_height_um: int, resource: str) -> str:
    """Return the operators that draw a picture into its box."""
    left, top, right, bottom = display.image_box_um[ref].tolist()
    return f"q {right - left} 0 0 {bottom - top} {left} {page_height_um - bottom} cm {resource} Do Q"
