"""RGB of pages in memory that is used again: of a page on the last one's ground, only what differs is written."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled
from render.pixels import PageGround, PagePixels, colour_words, touched_span

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]

_CHANNELS = 3
# Pixels of a word of indices.
_WORD = 8
_ROWS = 8


class RgbPages(threading.local):
    """One page a thread. A page at 300 dpi is twelve megabytes, which take longer to write than to draw."""

    def __init__(self) -> None:
        self._rgb: U1 = np.zeros((0, 0, _CHANNELS), np.uint8)
        self._ground: PageGround | None = None
        self._palette = b""
        self._colours: U8 = np.zeros(0, np.uint64)
        self._touched: U8 = np.zeros(0, np.uint64)

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
            if palette != self._palette:
                self._palette, self._colours = palette, colour_words(pixels.palette)
            self._ground, self._touched = page.ground, page.touched
        shown = self._rgb.view()
        shown.flags.writeable = False
        return shown

    def _mend(self, pixels: PagePixels, differs: U8) -> None:
        """Write what may differ: spans of columns or, where nothing is compiled, whole rows."""
        source, target = pixels.index.reshape(-1), self._rgb.reshape(-1)
        mender = _mender()
        if mender is None or source.ctypes.data % _WORD or pixels.has_strays():
            for first, end in _runs(differs != 0):
                replace(pixels, index=pixels.index[first:end]).rgb(self._rgb[first:end])
            return
        width, whole = pixels.index.shape[1], len(source) // _WORD * _WORD
        words, out = source[:whole].view(np.uint64), target[: whole * _CHANNELS].view(np.uint64)
        mender(words, width, touched_span(width), differs, self._colours, out)
        rest = target[whole * _CHANNELS :].reshape(-1, _CHANNELS)
        np.take(pixels.palette, source[whole:], axis=0, out=rest, mode="clip")


def _runs(differs: NDArray[np.bool_]) -> list[list[int]]:
    """Return first and end of the rows that differ, as many as follow one another at a time."""
    # By eights, so that each part begins at a whole word whatever the width.
    parts = np.zeros(-(-len(differs) // _ROWS) * _ROWS, np.bool_)
    parts[: len(differs)] = differs
    edges = np.flatnonzero(np.diff(parts.reshape(-1, _ROWS).any(axis=1), prepend=False, append=False)) * _ROWS
    runs: list[list[int]] = edges.reshape(-1, 2).tolist()
    return runs


# Compiled when first used: importing Numba takes longer than a small picture.
@functools.cache
def _mender() -> Callable[..., None] | None:
    """Return the compiled mender, or None where it cannot be compiled: as plain Python it would take seconds."""
    from render.encode.kernels import mend_rgb as source

    mender = compiled(source.mend_rgb, source.SIGNATURE)
    return None if mender is source.mend_rgb or sys.byteorder != "little" else mender
