"""RGB of pages in memory that is used again: of a page on the last one's ground, only what differs is written."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from render.pixels import PageGround, PagePixels

U1 = NDArray[np.uint8]

_CHANNELS = 3
_ROWS = 8


class RgbPages(threading.local):
    """One page a thread. A page at 300 dpi is twelve megabytes, which take longer to write than to draw."""

    def __init__(self) -> None:
        self._rgb: U1 = np.zeros((0, 0, _CHANNELS), np.uint8)
        self._ground: PageGround | None = None
        self._palette = b""
        self._touched: U1 = np.zeros(0, np.uint8)

    def rgb(self, pixels: PagePixels) -> U1:
        """Return uint8[height, width, 3], read-only, valid until the thread's next call.

        Raises:
            InputError: an index is outside the palette.
        """
        shape = (*pixels.index.shape, _CHANNELS)
        if self._rgb.shape != shape:
            self._rgb, self._ground = np.zeros(shape, np.uint8), None
        page, palette = pixels.on_ground, pixels.palette.tobytes()
        if page is not None and page.index is not pixels.index:
            page = None
        is_same = page is not None and page.ground is self._ground and palette == self._palette
        # Should an error come between, nothing is known of what was written.
        self._ground = None
        if page is not None and is_same:
            self._mend(pixels, page.touched | self._touched)
        else:
            pixels.rgb(self._rgb)
        if page is not None:
            self._ground, self._palette, self._touched = page.ground, palette, page.touched
        shown = self._rgb.view()
        shown.flags.writeable = False
        return shown

    def _mend(self, pixels: PagePixels, differs: U1) -> None:
        """Write the rows that differ, as many as follow one another at a time."""
        height = len(differs)
        # By eights, so that each part begins at a whole word whatever the width.
        parts = np.zeros(-(-height // _ROWS) * _ROWS, np.bool_)
        parts[:height] = differs != 0
        edges = np.flatnonzero(np.diff(parts.reshape(-1, _ROWS).any(axis=1), prepend=False, append=False)) * _ROWS
        for first, end in edges.reshape(-1, 2).tolist():
            replace(pixels, index=pixels.index[first:end]).rgb(self._rgb[first:end])
