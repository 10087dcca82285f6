"""How far a page that came back is from the page that went in."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

U1 = NDArray[np.uint8]

_WINDOW = 64
# Wang, Bovik, Sheikh, Simoncelli (2004): K1 = 0.01, K2 = 0.03, L = 255; for sums over a window in place of means.
_C1 = int(0.01**2 * 255**2 * _WINDOW + 0.5)
_C2 = int(0.03**2 * 255**2 * _WINDOW * (_WINDOW - 1) + 0.5)
_BLOCK = 4
_CHUNK = 1 << 14


def max_error(before: U1, after: U1) -> int:
    """Return the largest difference of any value.

    Args:
        before: uint8[…]; ``after``: the same shape.
        after: what is compared with it.
    """
    return int((np.maximum(before, after) - np.minimum(before, after)).max())


def ssim(before: U1, after: U1) -> float:
    """Return the mean structural similarity of luma over windows of 8 × 8 pixels, every 4 pixels.

    The windows are those of x264's and FFmpeg's figure of this name, so that figures compare. Pages with a side below 8
    pixels have no window; they count as alike only where they are equal.

    Args:
        before: uint8[height, width] or uint8[height, width, 3] RGB.
        after: the same shape.
    """
    if before.ndim == 3:
        before, after = (np.asarray(Image.fromarray(rgb).convert("L")) for rgb in (before, after))
    rows, columns = (side // _BLOCK for side in before.shape)
    if min(rows, columns) < 2:
        return float(np.array_equal(before, after))
    height, width = rows * _BLOCK, columns * _BLOCK
    differs = (
        (before[:height, :width] != after[:height, :width]).reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3))
    )
    # A window without a difference loses nothing, and most of a page is such.
    touched = differs[:-1, :-1] | differs[:-1, 1:] | differs[1:, :-1] | differs[1:, 1:]
    tops, lefts = (place * _BLOCK for place in np.nonzero(touched))
    windows = [sliding_window_view(picture, (2 * _BLOCK, 2 * _BLOCK)) for picture in (before, after)]
    lost = 0.0
    for first in range(0, len(tops), _CHUNK):
        chosen = tops[first : first + _CHUNK], lefts[first : first + _CHUNK]
        lost += float((1 - _likeness(*(window[chosen].reshape(-1, _WINDOW) for window in windows))).sum())
    return float(1 - lost / touched.size)


def _likeness(before: U1, after: U1) -> NDArray[np.float64]:
    """Return the similarity of windows: uint8[n, 64] each."""
    # Sums are whole numbers below 2 ** 24, which these floats hold exactly.
    a, b = before.astype(np.float32), after.astype(np.float32)
    products = (np.einsum("ij,ij->i", x, y).astype(np.float64) for x, y in ((a, a), (b, b), (a, b)))
    aa, bb, ab = products
    s1, s2 = a.sum(axis=1).astype(np.float64), b.sum(axis=1).astype(np.float64)
    variance = (aa + bb) * _WINDOW - s1 * s1 - s2 * s2
    covariance = ab * _WINDOW - s1 * s2
    likeness = (2 * s1 * s2 + _C1) * (2 * covariance + _C2)
    return np.asarray(likeness / ((s1 * s1 + s2 * s2 + _C1) * (variance + _C2)))
