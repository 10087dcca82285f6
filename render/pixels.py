"""Page pictures between the rasteriser and the encoders."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled
from render.errors import Fault, InputError

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]
_Kernel = Callable[[U8, U8, U8], None]

MAX_PALETTE = 256

_CHANNELS = 3
_MOST_SPANS = 64
# Pixels that a kernel takes at a time: four words of eight.
_GROUP = 32
# Rec. ITU-R BT.601-7, 2.5.1: shares of red, green and blue in luma, in thousandths.
_LUMA = np.array([299, 587, 114], np.uint32)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class PageGround:
    """What many pages are printed on.

    Attributes:
        index: uint8[height, width], C-contiguous, palette indices that never change.
    """

    index: U1


@dataclass(frozen=True, eq=False, slots=True)
class OnGround:
    """Where a page is as its ground, which spares work on what is the same on each page.

    Attributes:
        index: the page's indices that this is said of; of a copy nothing is said.
        ground: of the same shape.
        touched: uint64[height], bit k 0 where the columns from k spans on equal the ground's; see touched_span.
    """

    index: U1
    ground: PageGround
    touched: U8


def touched_span(width: int) -> int:
    """Return how many columns a bit of :attr:`OnGround.touched` stands for: a power of two, 64 or more."""
    span = 64
    while (width - 1) // span >= _MOST_SPANS:
        span *= 2
    return span


@dataclass(frozen=True, eq=False, slots=True)
class PagePixels:
    """One page as palette indices: every colour of the page is in the palette, so nothing is quantised.

    Attributes:
        index: uint8[height, width], C-contiguous.
        palette: uint8[n, 3] RGB, n ≤ 256.
        dpi: dots per inch.
        is_checked: its maker vouches that every index is in the palette, so nobody need read the page to see.
        on_ground: what its maker vouches for besides, None if nothing.
    """

    index: U1
    palette: U1
    dpi: int
    is_checked: bool = False
    on_ground: OnGround | None = None

    def rgb(self, out: U1 | None = None) -> U1:
        """Return uint8[height, width, 3].

        Args:
            out: array of that shape, C-contiguous, which is filled and returned; saves the cost of fresh memory.

        Raises:
            InputError: an index is outside the palette, or ``out`` has another shape or layout.
        """
        target = self._target(out, (*self.index.shape, _CHANNELS))
        source, pixels = self.index.reshape(-1), target.reshape(-1)
        whole = _whole_words(source, pixels, _expander())
        if whole:
            words = pixels[: whole * _CHANNELS].view(np.uint64)
            _expander()(source[:whole].view(np.uint64), colour_words(self.palette), words)
        # "clip" lets take write into ``out`` without a copy; that no index is outside was checked.
        rest = pixels[whole * _CHANNELS :].reshape(-1, _CHANNELS)
        np.take(self.palette, source[whole:], axis=0, out=rest, mode="clip")
        return target

    def grey(self, out: U1 | None = None) -> U1:
        """Return uint8[height, width], luma from 0 (black) to 255 (white); see :func:`luma` for its arithmetic.

        Args:
            out: as for :meth:`rgb`.

        Raises:
            InputError: an index is outside the palette, or ``out`` has another shape or layout.
        """
        return self._through(luma(self.palette), out)

    def ink(self, threshold: int, out: U1 | None = None) -> U1:
        """Return uint8[height, width]: 1 where the luma is below the threshold, otherwise 0.

        Args:
            threshold: 0 … 256.
            out: as for :meth:`rgb`.

        Raises:
            InputError: an index is outside the palette, or ``out`` has another shape or layout.
        """
        return self._through((luma(self.palette) < threshold).astype(np.uint8), out)

    def has_strays(self) -> bool:
        """Tell whether an index is outside the palette."""
        return not self.is_checked and self.index.size > 0 and int(self.index.max()) >= len(self.palette)

    def _through(self, values: U1, out: U1 | None) -> U1:
        """Return the value of each pixel's palette entry."""
        target = self._target(out, self.index.shape)
        source, pixels = self.index.reshape(-1), target.reshape(-1)
        whole = _whole_words(source, pixels, _translator())
        if whole:
            table = np.zeros(MAX_PALETTE, np.uint64)
            table[: len(values)] = values
            _translator()(source[:whole].view(np.uint64), table, pixels[:whole].view(np.uint64))
        np.take(values, source[whole:], out=pixels[whole:], mode="clip")
        return target

    def _target(self, out: U1 | None, shape: tuple[int, ...]) -> U1:
        """Check what is to be read and written; return the array to fill."""
        if self.has_strays():
            fault = Fault("pixels", "encode.index_range", "an index is outside the palette.", "Extend the palette.")
            raise InputError("the page has pixels without a colour.", faults=(fault,))
        if out is None:
            return np.empty(shape, np.uint8)
        if out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
            message = f"{out.dtype}{list(out.shape)} cannot take uint8{list(shape)}."
            fault = Fault("out", "encode.out_shape", message, "Pass a writeable, C-contiguous array of that shape.")
            raise InputError("the pixels do not fit the given array.", faults=(fault,))
        return out


def colour_words(palette: U1) -> U8:
    """Return uint64[256]: R | G << 8 | B << 16 of each entry of a palette, and 0 beyond it."""
    table = np.zeros(MAX_PALETTE, np.uint64)
    table[: len(palette)] = palette.astype(np.uint64) @ np.array([1, 1 << 8, 1 << 16], np.uint64)
    return table


def luma(palette: U1) -> U1:
    """Return uint8[n], the nearest integer to 0.299 R + 0.587 G + 0.114 B (Rec. ITU-R BT.601-7, 2.5.1).

    Exact: (299 R + 587 G + 114 B + 500) // 1000 in integers, so a grey keeps its value and a half goes up.

    Args:
        palette: uint8[n, 3] RGB.
    """
    return ((palette.astype(np.uint32) @ _LUMA + 500) // 1000).astype(np.uint8)


def expand_words(words: U8, table: U8, out: U8) -> None:
    """Turn words of eight indices into words of eight RGB triples, on a little-endian machine.

    Four words of zeros at once, 32 pixels of white paper, are three quarters of a page and cost stores alone.

    Args:
        words: uint64[4 n], eight indices each.
        table: uint64[256], R | G << 8 | B << 16 of each palette entry.
        out: uint64[12 n].
    """
    paper = table[0]
    paper_0 = paper | paper << np.uint64(24) | paper << np.uint64(48)
    paper_1 = paper >> np.uint64(16) | paper << np.uint64(8) | paper << np.uint64(32) | paper << np.uint64(56)
    paper_2 = paper >> np.uint64(8) | paper << np.uint64(16) | paper << np.uint64(40)
    byte = np.uint64(255)
    first, place = np.uint64(0), np.uint64(0)
    for _ in range(words.size >> 2):
        any_ink = words[first] | words[first + np.uint64(1)] | words[first + np.uint64(2)] | words[first + np.uint64(3)]
        if any_ink == np.uint64(0):
            for _ in range(4):
                out[place] = paper_0
                out[place + np.uint64(1)] = paper_1
                out[place + np.uint64(2)] = paper_2
                place += np.uint64(3)
        else:
            for k in range(4):
                word = words[first + np.uint64(k)]
                if word == np.uint64(0):
                    out[place] = paper_0
                    out[place + np.uint64(1)] = paper_1
                    out[place + np.uint64(2)] = paper_2
                    place += np.uint64(3)
                    continue
                a, b = table[word & byte], table[word >> np.uint64(8) & byte]
                c, d = table[word >> np.uint64(16) & byte], table[word >> np.uint64(24) & byte]
                e, f = table[word >> np.uint64(32) & byte], table[word >> np.uint64(40) & byte]
                g, h = table[word >> np.uint64(48) & byte], table[word >> np.uint64(56)]
                out[place] = a | b << np.uint64(24) | c << np.uint64(48)
                out[place + np.uint64(1)] = (
                    c >> np.uint64(16) | d << np.uint64(8) | e << np.uint64(32) | f << np.uint64(56)
                )
                out[place + np.uint64(2)] = f >> np.uint64(8) | g << np.uint64(16) | h << np.uint64(40)
                place += np.uint64(3)
        first += np.uint64(4)


def translate_words(words: U8, table: U8, out: U8) -> None:
    """Replace each of the eight bytes of every word by the table's entry for it.

    Args:
        words: uint64[4 n].
        table: uint64[256], entries of one byte.
        out: uint64[4 n].
    """
    paper = table[0] * np.uint64(0x0101010101010101)
    byte = np.uint64(255)
    first = np.uint64(0)
    for _ in range(words.size >> 2):
        any_ink = words[first] | words[first + np.uint64(1)] | words[first + np.uint64(2)] | words[first + np.uint64(3)]
        if any_ink == np.uint64(0):
            for k in range(4):
                out[first + np.uint64(k)] = paper
            first += np.uint64(4)
            continue
        for k in range(4):
            here = first + np.uint64(k)
            word = words[here]
            if word == np.uint64(0):
                out[here] = paper
            else:
                turned = np.uint64(0)
                for shift in range(0, 64, 8):
                    turned |= table[word >> np.uint64(shift) & byte] << np.uint64(shift)
                out[here] = turned
        first += np.uint64(4)


_READ_WORDS = "Array(uint64, 1, 'C', readonly=True)"
_SIGNATURE = f"void({_READ_WORDS}, {_READ_WORDS}, uint64[::1])"


# Compiled when first used: importing Numba takes longer than a small picture.
@functools.cache
def _expander() -> _Kernel:
    return compiled(expand_words, _SIGNATURE)


@functools.cache
def _translator() -> _Kernel:
    return compiled(translate_words, _SIGNATURE)


def _whole_words(source: U1, target: U1, kernel: _Kernel) -> int:
    """Return how many pixels from the first the compiled kernel can take: a multiple of 32, or none.

    As plain Python the kernels would take seconds where NumPy takes milliseconds.
    """
    is_aligned = source.ctypes.data % 8 == 0 and target.ctypes.data % 8 == 0
    if sys.byteorder != "little" or not is_aligned or kernel in (expand_words, translate_words):
        return 0
    return source.size // _GROUP * _GROUP
