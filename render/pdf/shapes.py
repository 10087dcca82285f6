"""Rectangles, lines, paths and pictures of a display list as PDF operators, in micrometres with y up."""

from __future__ import annotations

import numpy as np

from render.display.list import DisplayList, Verb
from render.errors import OutputInvalid
from render.pdf.kernels.operators import RECTANGLE_BYTES, put_rectangles
from render.pdf.kernels.stencil import STENCIL_BYTES, put_stencil

_LEAST_FOR_STENCIL = 32
_OPERATOR = {Verb.MOVE: "m", Verb.LINE: "l", Verb.CUBIC: "c", Verb.CLOSE: "h"}
_POINTS = {Verb.MOVE: 1, Verb.LINE: 1, Verb.CUBIC: 3, Verb.CLOSE: 0}


def rect_set(display: DisplayList, ref: int, page_height_um: int) -> bytes:
    """Return the operators that fill one set of rectangles: many on a grid as a stencil mask, others one by one."""
    offsets = display.rectset_off
    rects = display.rect_um[int(offsets[ref]) : int(offsets[ref + 1])]
    if len(rects) >= _LEAST_FOR_STENCIL:
        out = np.empty(STENCIL_BYTES, np.uint8)
        n_bytes = put_stencil(rects, page_height_um, out)
        if n_bytes:
            return out[:n_bytes].tobytes()
    out = np.empty(RECTANGLE_BYTES * (len(rects) + 1), np.uint8)
    return out[: put_rectangles(rects, page_height_um, out)].tobytes()


def line(display: DisplayList, ref: int, page_height_um: int) -> str:
    """Return the operators that stroke one line with butt ends."""
    x0, y0, x1, y1 = display.line_um[ref].tolist()
    width = display.line_width_um[ref]
    return f"{width} w {x0} {page_height_um - y0} m {x1} {page_height_um - y1} l S"


def path(display: DisplayList, ref: int, page_height_um: int) -> str:
    """Return the operators that fill or stroke one path.

    Coordinates from its first point are shorter than those of the page.
    """
    verbs = display.path_verb[display.path_verb_off[ref] : display.path_verb_off[ref + 1]].tolist()
    points = display.path_point_um[display.path_point_off[ref] : display.path_point_off[ref + 1]]
    left, top = points[0].tolist()
    moved = [f"{x} {y}" for x, y in ((points - points[0]) * np.array([1, -1], np.int32)).tolist()]
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
    painted = f"{stroke} w {' '.join(parts)} S" if stroke else f"{' '.join(parts)} f"
    return f"q 1 0 0 1 {left} {page_height_um - top} cm {painted} Q"


def image(display: DisplayList, ref: int, page_height_um: int, resource: str) -> str:
    """Return the operators that draw a picture into its box."""
    left, top, right, bottom = display.image_box_um[ref].tolist()
    return f"q {right - left} 0 0 {bottom - top} {left} {page_height_um - bottom} cm {resource} Do Q"
