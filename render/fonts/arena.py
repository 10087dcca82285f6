"""Kept bytes of glyphs, one behind the other in one array, so that compiled code can put any of them together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.fonts.kernels.gather import gather

_FIRST_ROOM = 1 << 16


class GlyphArena:
    """Bytes of the glyphs of one face; they are added and never change."""

    def __init__(self, n_glyphs: int) -> None:
        self._data = np.empty(_FIRST_ROOM, np.uint8)
        self._used = self._longest = 0
        self._start = np.zeros(n_glyphs, np.int64)
        self._length = np.full(n_glyphs, -1, np.int64)

    def lacks(self, glyph_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the glyphs that were not added yet."""
        return glyph_ids[self._length[glyph_ids] < 0]

    def add(self, glyph: int, data: bytes) -> None:
        """Keep the bytes of a glyph that is not kept yet."""
        end = self._used + len(data)
        if end > len(self._data):
            grown = np.empty(max(end, 2 * len(self._data)), np.uint8)
            grown[: self._used] = self._data[: self._used]
            self._data = grown
        self._data[self._used : end] = np.frombuffer(data, np.uint8)
        self._start[glyph], self._length[glyph] = self._used, len(data)
        self._used = end
        self._longest = max(self._longest, len(data))

    def join(self, glyph_ids: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the bytes of kept glyphs, uint8[m], and where each one's begin, with the end, int64[n + 1]."""
        out = np.empty(len(glyph_ids) * self._longest, np.uint8)
        ends = np.empty(len(glyph_ids) + 1, np.int64)
        n_bytes = gather(glyph_ids, self._start, self._length, self._data, out, ends)
        return out[:n_bytes], ends
