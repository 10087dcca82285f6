"""Kept bytes of glyphs, one behind the other in one array, so that compiled code can put any of them together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.fonts.kernels.gather import gather

_FIRST_ROOM = 1 << 16


class Arena:
    """Numbers one behind the other in one array; they are added and never change.

    Args:
        kind: their type.
    """

    def __init__(self, kind: type[np.generic]) -> None:
        self._data = np.zeros(_FIRST_ROOM, kind)
        self._used = 0

    def add(self, numbers: NDArray[Any]) -> int:
        """Keep some more and return where they begin."""
        start, end = self._used, self._used + len(numbers)
        if end > len(self._data):
            grown = np.zeros(max(end, 2 * len(self._data)), self._data.dtype)
            grown[:start] = self._data[:start]
            self._data = grown
        self._data[start:end] = numbers
        self._used = end
        return start

    def used(self) -> NDArray[Any]:
        """Return all that was added."""
        return self._data[: self._used]


class GlyphArena:
    """Bytes of the glyphs of one face; they are added and never change."""

    def __init__(self, n_glyphs: int) -> None:
        self._bytes = Arena(np.uint8)
        self._longest = 0
        self._start = np.zeros(n_glyphs, np.int64)
        self._length = np.full(n_glyphs, -1, np.int64)

    def lacks(self, glyph_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the glyphs that were not added yet."""
        return glyph_ids[self._length[glyph_ids] < 0]

    def add(self, glyph: int, data: bytes) -> None:
        """Keep the bytes of a glyph that is not kept yet."""
        self._start[glyph], self._length[glyph] = self._bytes.add(np.frombuffer(data, np.uint8)), len(data)
        self._longest = max(self._longest, len(data))

    def join(self, glyph_ids: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the bytes of kept glyphs, uint8[m], and where each one's begin, with the end, int64[n + 1]."""
        out = np.empty(len(glyph_ids) * self._longest, np.uint8)
        ends = np.empty(len(glyph_ids) + 1, np.int64)
        n_bytes = gather(glyph_ids, self._start, self._length, self._bytes.used(), out, ends)
        return out[:n_bytes], ends
