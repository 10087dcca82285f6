"""Rectangles on a fine grid, such as the modules of a QR code, as a stencil mask: one bit for each field of the grid.

A third of the bytes of one operator a rectangle, and no seams between neighbours where a reader smooths edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable
from render.pdf.kernels.operators import hex_digit, put_integer, put_word

U1 = NDArray[np.uint8]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
U8 = NDArray[np.uint64]

MOST_FIELDS = 64
"""Fields that a row of a grid may have, and a column: one for each bit of a lane."""

STENCIL_BYTES = 256 + MOST_FIELDS * MOST_FIELDS // 4
"""At most so many bytes a stencil."""

_SPACE = 32
# An operator of its own for each rectangle takes more.
_DIGITS_A_RECTANGLE = 6


@jitable
def _fill(rects: I4, lanes: U8, box: I8) -> int:
    """Darken the fields that rectangles cover; return the side of a field, which is the smallest of any rectangle.

    It is 0 where some rectangle lies on no such grid, or the grid has more than MOST_FIELDS rows or columns.

    Args:
        rects: int32[n, 4], left, top, right, bottom; n ≥ 1.
        lanes: uint64[MOST_FIELDS] to fill, a row of the grid each; the highest bit is its leftmost field, 1 = dark.
        box: int64[4], receives left, top, right and bottom of all.
    """
    left, top, right, bottom = int(rects[0, 0]), int(rects[0, 1]), int(rects[0, 2]), int(rects[0, 3])
    side = right - left
    for index in range(rects.shape[0]):
        left, top = min(left, int(rects[index, 0])), min(top, int(rects[index, 1]))
        right, bottom = max(right, int(rects[index, 2])), max(bottom, int(rects[index, 3]))
        side = min(side, int(rects[index, 2]) - int(rects[index, 0]), int(rects[index, 3]) - int(rects[index, 1]))
    box[0], box[1], box[2], box[3] = left, top, right, bottom
    if side <= 0 or right - left > side * MOST_FIELDS or bottom - top > side * MOST_FIELDS:
        return 0
    lanes[:] = 0
    # A reciprocal, as divisions take most of the time here; whether its result is right is checked.
    per_side = 1.0 / side
    for index in range(rects.shape[0]):
        x0, y0 = int(rects[index, 0]) - left, int(rects[index, 1]) - top
        x1, y1 = int(rects[index, 2]) - left, int(rects[index, 3]) - top
        begin, end = int(x0 * per_side + 0.5), int(x1 * per_side + 0.5)
        first, last = int(y0 * per_side + 0.5), int(y1 * per_side + 0.5)
        if begin * side != x0 or end * side != x1 or first * side != y0 or last * side != y1:
            return 0
        fields = ~np.uint64(0) << np.uint64(MOST_FIELDS - (end - begin)) >> np.uint64(begin)
        for row in range(first, last):
            lanes[row] |= fields
    return side


def put_stencil_scalar(rects: I4, page_height_um: int, out: U1) -> int:
    """Write the operators that fill a set of rectangles as a stencil mask (ISO 32000-1, 8.9.6.2), an inline image.

    Its bits are in hexadecimal, so that a reader that looks for the image's end finds no other.

    Args:
        rects: int32[n, 4], left, top, right, bottom, µm; n ≥ 1.
        page_height_um: PDF counts from the bottom of the page.
        out: uint8[STENCIL_BYTES].

    Returns:
        How many bytes that took; 0 where the rectangles lie on no grid, or on one with many more fields than they are.
    """
    lanes, box = np.empty(MOST_FIELDS, np.uint64), np.empty(4, np.int64)
    side = _fill(rects, lanes, box)
    if side == 0:
        return 0
    columns, rows = (box[2] - box[0]) // side, (box[3] - box[1]) // side
    # Rows of whole bytes, two digits each.
    n_digits = (columns + 7) // 8 * 2
    if n_digits * rows > _DIGITS_A_RECTANGLE * rects.shape[0]:
        return 0
    at = put_word(out, 0, b"q ")
    at = put_integer(out, at, box[2] - box[0])
    at = put_word(out, at, b" 0 0 ")
    at = put_integer(out, at, box[3] - box[1])
    out[at] = _SPACE
    at = put_integer(out, at + 1, box[0])
    out[at] = _SPACE
    at = put_integer(out, at + 1, page_height_um - box[3])
    at = put_word(out, at, b" cm BI/W ")
    at = put_integer(out, at, columns)
    at = put_word(out, at, b"/H ")
    at = put_integer(out, at, rows)
    at = put_word(out, at, b"/IM true/BPC 1/F/AHx ID ")
    for row in range(rows):
        # Of a mask, 0 is what is painted.
        lane = ~lanes[row]
        for digit in range(n_digits):
            out[at] = hex_digit(lane >> np.uint64(MOST_FIELDS - 4 - 4 * digit))
            at += 1
    return put_word(out, at, b">\nEI Q")


put_stencil = compiled(put_stencil_scalar, "int64(Array(int32, 2, 'C', readonly=True), int64, uint8[::1])")
