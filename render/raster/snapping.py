"""Rounds straight things to whole pixels so that they print crisp, meet without gaps and keep equal widths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.units import UM_PER_INCH

I8 = NDArray[np.int64]


def scale(lengths_um: NDArray[np.generic], dpi: int, parts: int = 1) -> I8:
    """Return lengths in 1/parts of a pixel, halves up."""
    return (2 * parts * dpi * lengths_um.astype(np.int64) + UM_PER_INCH) // (2 * UM_PER_INCH)


def round_edges(boxes_um: NDArray[np.int32], dpi: int) -> NDArray[np.int32]:
    """Return boxes with each edge on the nearest pixel edge, and at least one pixel where there is any area."""
    px = scale(boxes_um, dpi)
    vanished = (px[:, 2:] <= px[:, :2]) & (boxes_um[:, 2:] > boxes_um[:, :2])
    np.copyto(px[:, 2:], px[:, :2] + 1, where=vanished)
    return px.astype(np.int32)


def snap_lines(
    line_um: NDArray[np.int32], width_um: NDArray[np.int32], group: I8, dpi: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return lines along an axis as boxes in pixels, and which lines those are.

    Args:
        line_um: int32[n, 4], x0, y0, x1, y1.
        width_um: int32[n].
        group: int64[n]; lines of one group (page and ink) that meet at a corner are joined there.
        dpi: dots per inch.
    """
    is_level, is_upright = line_um[:, 1] == line_um[:, 3], line_um[:, 0] == line_um[:, 2]
    is_upright &= ~is_level
    width = np.maximum(scale(width_um, dpi), 1)
    low = np.minimum(line_um[:, :2], line_um[:, 2:]).astype(np.int64)
    high = np.maximum(line_um[:, :2], line_um[:, 2:]).astype(np.int64)
    boxes = round_edges(np.concatenate([low, high], axis=1), dpi).astype(np.int64)
    # The first pixel is the nearest to centre − width / 2, with the width in whole pixels.
    first = (2 * dpi * low - (width[:, None] - 1) * UM_PER_INCH) // (2 * UM_PER_INCH)
    for axis, is_across in ((1, is_level), (0, is_upright)):
        boxes[is_across, axis] = first[is_across, axis]
        boxes[is_across, axis + 2] = first[is_across, axis] + width[is_across]
    for one in np.unique(group).tolist():
        level, upright = np.flatnonzero(is_level & (group == one)), np.flatnonzero(is_upright & (group == one))
        _join(boxes, low, high, width_um, level, upright, 0)
        _join(boxes, low, high, width_um, upright, level, 1)
    return boxes.astype(np.int32), is_level | is_upright


def _join(boxes: I8, low: I8, high: I8, width_um: NDArray[np.int32], ending: I8, crossing: I8, axis: int) -> None:
    """Stretch lines along ``axis`` that end within a line across it to that line's far edge, in place.

    Both are rounded for themselves, so at a corner one pixel could be missing.
    """
    half = width_um[crossing].astype(np.int64) // 2
    across = 1 - axis
    place = low[ending, across][:, None]
    is_beside = (place >= low[crossing, across] - half) & (place <= high[crossing, across] + half)
    for end, side, outermost in ((low, axis, np.minimum), (high, axis + 2, np.maximum)):
        is_within = np.abs(end[ending, axis][:, None] - low[crossing, axis]) <= half
        for line, crossed in np.argwhere(is_beside & is_within).tolist():
            position = ending[line], side
            boxes[position] = outermost(boxes[position], boxes[crossing[crossed], side])
