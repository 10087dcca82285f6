"""Rows of a page to zlib streams (RFC 1950, RFC 1951), for every format that holds them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

Rows = NDArray[np.uint8]


def _deflate_fast(rows: Rows) -> bytes:
    return bytes(isal_zlib.compress(rows, 1))


def _deflate_small(rows: Rows) -> bytes:
    from zlib_ng import zlib_ng

    return bytes(zlib_ng.compress(rows, 6))


ZLIB_STREAM: Mapping[str, Callable[[Rows], bytes]] = MappingProxyType({"fast": _deflate_fast, "small": _deflate_small})
"""Level to the function that turns uint8[height, bytes in a row], C-contiguous, into a zlib stream."""


class RowScratch(threading.local):
    """One buffer a thread for the rows of a page: fresh memory would cost more than filling it."""

    def __init__(self) -> None:
        self._buffer: Rows = np.zeros((0, 0), np.uint8)

    def take(self, shape: tuple[int, int]) -> Rows:
        """Return uint8[shape], zeros or what the thread's last page of this shape left; valid until the next call."""
        if self._buffer.shape != shape:
            self._buffer = np.zeros(shape, np.uint8)
        return self._buffer


def pack_rows(index: NDArray[np.uint8], depth: int, packed: Rows) -> None:
    """Write each row's indices at ``depth`` bits, the first pixel in the highest bits; spare bits are 0.

    Args:
        index: uint8[height, width], each below 2 ** depth.
        depth: 1, 2, 4 or 8.
        packed: uint8[height, ceil(width * depth / 8)] to fill.
    """
    per_byte = 8 // depth
    if depth == 8:
        np.copyto(packed, index)
        return
    np.left_shift(index[:, ::per_byte], 8 - depth, out=packed)
    for place in range(1, per_byte):
        column = index[:, place::per_byte]
        packed[:, : column.shape[1]] |= column << (8 - depth * (place + 1))
