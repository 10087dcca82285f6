"""Rows of indices to 4, 2 or 1 bits a pixel, by pairs: two pixels to a byte, two such bytes to one, and so on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]

BYTE = 8


def pack_whole_bytes(index: U1, depth: int, packed: U1, pairs: U1, fours: U1) -> None:
    """Fill the bytes of each row that whole groups of pixels make, the first pixel in the highest bits.

    Every depth has loops of its own, since vectors of bytes cannot be shifted by a variable.

    Args:
        index: uint8[height, width], each below 2 ** depth.
        depth: 1, 2 or 4.
        packed: uint8[height, n] to fill, n at least width * depth // 8.
        pairs: uint8[width // 2], scratch.
        fours: uint8[width // 4], scratch.
    """
    n_bytes, two, one = np.uintp(index.shape[1] * depth // BYTE), np.uintp(2), np.uintp(1)
    for y in range(index.shape[0]):
        if depth == 4:
            for k in range(n_bytes):
                packed[y, k] = index[y, k * two] << np.uint8(4) | index[y, k * two + one]
        elif depth == 2:
            for k in range(n_bytes * two):
                pairs[k] = index[y, k * two] << np.uint8(2) | index[y, k * two + one]
            for k in range(n_bytes):
                packed[y, k] = pairs[k * two] << np.uint8(4) | pairs[k * two + one]
        else:
            for k in range(n_bytes * np.uintp(4)):
                pairs[k] = index[y, k * two] << np.uint8(1) | index[y, k * two + one]
            for k in range(n_bytes * two):
                fours[k] = pairs[k * two] << np.uint8(2) | pairs[k * two + one]
            for k in range(n_bytes):
                packed[y, k] = fours[k * two] << np.uint8(4) | fours[k * two + one]


SIGNATURE = "void(Array(uint8, 2, 'C', readonly=True), int64, uint8[:,::1], uint8[::1], uint8[::1])"
