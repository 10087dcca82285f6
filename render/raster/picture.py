"""Pictures at the size of their box: exact area averages, in integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resample(rgba: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture, uint8[h, w, 4] straight alpha, as uint8[height, width, 4].

    Each pixel is the average of the area that it covers, weighted by alpha, so transparent pixels lend no colour.
    """
    wide = rgba.astype(np.int64)
    alpha = wide[..., 3]
    planes = np.concatenate([wide[..., :3] * alpha[..., None], alpha[..., None]], axis=2)
    down, across = _weights(rgba.shape[0], height), _weights(rgba.shape[1], width)
    # Whole numbers far below 2**53, so the floating-point products are exact in any order of summing.
    sums = np.einsum("yi,ixc->yxc", down, planes.astype(np.float64), optimize=True)
    sums = np.einsum("xj,yjc->yxc", across, sums, optimize=True).astype(np.int64)
    weight = rgba.shape[0] * rgba.shape[1]
    alpha_sum = sums[..., 3:]
    colour = (2 * sums[..., :3] + alpha_sum) // np.maximum(2 * alpha_sum, 1)
    return np.concatenate([colour, (2 * alpha_sum + weight) // (2 * weight)], axis=2).astype(np.uint8)


def _weights(n_from: int, n_to: int) -> NDArray[np.float64]:
    """Return float64[n_to, n_from]: the overlap of target and source cells in 1/n_to of a source cell."""
    source, target = np.arange(n_from) * n_to, np.arange(n_to) * n_from
    end = np.minimum((source + n_to)[None], (target + n_from)[:, None])
    return np.asarray(np.maximum(end - np.maximum(source[None], target[:, None]), 0), np.float64)
