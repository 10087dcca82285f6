"""Rectangles, lines, paths and pictures of a display list as PDF operators, in micrometres with y up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList, Verb
from render.errors import OutputInvalid

_MANY_RECTS = 24
_DIGITS = 7
_OPERATOR = {Verb.MOVE: "m", Verb.LINE: "l", Verb.CUBIC: "c", Verb.CLOSE: "h"}
_POINTS = {Verb.MOVE: 1, Verb.LINE: 1, Verb.CUBIC: 3, Verb.CLOSE: 0}


def rect_set(display: DisplayList, ref: int, page_height_um: int) -> str:
    """Return the operators that fill one set of rectangles."""
    rects = display.rect_um[display.rectset_off[ref] : display.rectset_off[ref + 1]].astype(np.int64)
    left, top, right, bottom = rects.T
    corners = np.stack([left, page_height_um - bottom, right - left, bottom - top], axis=1)
    if len(corners) < _MANY_RECTS or corners.min() < 0:
        shown = ("%d %d %d %d re " * len(corners)) % tuple(corners.ravel().tolist())
    else:
        shown = _fixed_width(corners)
    return shown + "f"


def _fixed_width(corners: NDArray[np.int64]) -> str:
    """Return rectangles with numbers of equal width, leading zeros included, without a loop over them.

    The modules of a QR code come by the hundred; deflate takes the zeros away again.
    """
    digits = min(len(str(int(corners.max()))), _DIGITS + 3)
    powers = 10 ** np.arange(digits - 1, -1, -1)
    text = np.full((len(corners), 4, digits + 1), ord(" "), np.uint8)
    text[:, :, :digits] = corners[:, :, None] // powers % 10 + ord("0")
    rows = np.empty((len(corners), 4 * (digits + 1) + 3), np.uint8)
    rows[:, :-3] = text.reshape(len(corners), -1)
    rows[:, -3:] = np.frombuffer(b"re ", np.uint8)
    return rows.tobytes().decode("ascii")


def line(display: DisplayList, ref: int, page_height_um: int) -> str:
    """Return the operators that stroke one line with butt ends."""
    x0, y0, x1, y1 = display.line_um[ref].tolist()
    width = display.line_width_um[ref]
    return f"{width} w {x0} {page_height_um - y0} m {x1} {page_height_um - y1} l S"


def path(display: DisplayList, ref: int, page_height_um: int) -> str:
    """Return the operators that fill or stroke one path."""
    verbs = display.path_verb[display.path_verb_off[ref] : display.path_verb_off[ref + 1]].tolist()
    points = display.path_point_um[display.path_point_off[ref] : display.path_point_off[ref + 1]].tolist()
    parts: list[str] = []
    at = 0
    for code in verbs:
        verb = Verb(code)
        taken = points[at : at + _POINTS[verb]]
        at += len(taken)
        parts.extend(f"{x} {page_height_um - y}" for x, y in taken)
        parts.append(_OPERATOR[verb])
    if at != len(points):
        raise OutputInvalid("a path has points that no verb takes.", hint="Please report this defect.")
    stroke = int(display.path_stroke_um[ref])
    return f"{stroke} w {' '.join(parts)} S" if stroke else f"{' '.join(parts)} f"


def image(display: DisplayList, ref: int, page_height_um: int, resource: str) -> str:
    """Return the operators that draw a picture into its box."""
    left, top, right, bottom = display.image_box_um[ref].tolist()
    return f"q {right - left} 0 0 {bottom - top} {left} {page_height_um - bottom} cm {resource} Do Q"
