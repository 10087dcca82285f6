"""How far a page that came back is from the page that went in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.pixels import luma

U1 = NDArray[np.uint8]
I4 = NDArray[np.int32]

_WINDOW = 64
# Wang, Bovik, Sheikh, Simoncelli (2004): K1 = 0.01, K2 = 0.03, L = 255; for sums over a window in place of means.
_C1 = int(0.01**2 * 255**2 * _WINDOW + 0.5)
_C2 = int(0.03**2 * 255**2 * _WINDOW * (_WINDOW - 1) + 0.5)
_BLOCK = 4


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
        before, after = (luma(rgb.reshape(-1, 3)).reshape(rgb.shape[:2]) for rgb in (before, after))
    rows, columns = (side // _BLOCK for side in before.shape)
    if min(rows, columns) < 2:
        return float(np.array_equal(before, after))
    total = float((rows - 1) * (columns - 1))
    lost = 0.0
    # Rows of blocks without a difference lose nothing, and are most of a page.
    height, width = rows * _BLOCK, columns * _BLOCK
    differs = (before[:height, :width] != after[:height, :width]).any(axis=1).reshape(rows, _BLOCK).any(axis=1)
    for top in np.flatnonzero(differs[:-1] | differs[1:]):
        band = slice(int(top) * _BLOCK, (int(top) + 2) * _BLOCK)
        lost += float((1 - _windows(before[band, :width], after[band, :width])).sum())
    return 1 - lost / total


def _windows(before: U1, after: U1) -> NDArray[np.float64]:
    """Return the similarity of each window of a band of 8 rows."""
    a, b = before.astype(np.int32), after.astype(np.int32)
    sums = [_sums(part) for part in (a, b, a * a + b * b, a * b)]
    s1, s2, ss, s12 = (part.astype(np.float64) for part in sums)
    variance = ss * _WINDOW - s1 * s1 - s2 * s2
    covariance = s12 * _WINDOW - s1 * s2
    likeness = (2 * s1 * s2 + _C1) * (2 * covariance + _C2)
    return np.asarray(likeness / ((s1 * s1 + s2 * s2 + _C1) * (variance + _C2)))


def _sums(band: I4) -> I4:
    """Return the sum over each window of 8 × 8 that starts every 4 columns."""
    blocks = band.sum(axis=0, dtype=np.int32).reshape(-1, _BLOCK).sum(axis=1, dtype=np.int32)
    return np.asarray(blocks[:-1] + blocks[1:])
