"""Rows of a page to zlib streams (RFC 1950, RFC 1951), for every format that holds them."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import deflate as libdeflate
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from render.compiled import compiled
from render.encode.kernels.pack_rows import BYTE, SIGNATURE, pack_whole_bytes
from render.pixels import OnGround

if TYPE_CHECKING:
    from render.encode.known_rows import RowMemory

Rows = NDArray[np.uint8]

# Of libdeflate, 1 … 12. From 10 on it looks for the least bits: on pages of 150 and 200 dpi what is needed for four
# fifths of the bytes; on larger pages, where 8 gives as much, it would take a quarter of a second.
_SMALL_PAGE_EFFORT, _LARGE_PAGE_EFFORT = 10, 8
_LARGE_PAGE_BYTES = 3_000_000

_Scratch = tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.uint64]]


class ZlibStream(Protocol):
    """Turns rows into a zlib stream, the same for the same arguments."""

    def __call__(self, rows: Rows, lead: int = 0, on_ground: OnGround | None = None) -> bytes:
        """Return the stream.

        Args:
            rows: uint8[height, bytes in a row], at least one byte, C-contiguous.
            lead: 1 to write a byte 0 before each row, PNG's filter type ``none``; otherwise 0.
            on_ground: what is known of the rows; it is used where it is said of this very array, and changes no byte.
        """
        ...


def deflated(rows: Rows, level: str, lead: int = 0, on_ground: OnGround | None = None) -> memoryview:
    """Return what ``ZLIB_STREAM[level]`` does, valid until the thread's next call; spares a copy."""
    if level == "small":
        effort = _SMALL_PAGE_EFFORT if rows.size < _LARGE_PAGE_BYTES else _LARGE_PAGE_EFFORT
        return memoryview(libdeflate.zlib_compress(_led(rows, lead), effort))
    kernel = _kernel()
    height, width = rows.shape
    if kernel is None or not kernel.min_width <= width <= kernel.max_pitch - lead:
        return memoryview(isal_zlib.compress(_led(rows, lead), 1))
    scratch = _kernel_scratch.take(kernel, (height, width, lead))
    memory = kernel.memory
    # Nothing is said of a copy.
    page = on_ground if on_ground is not None and on_ground.index is rows else None
    known = memory.known_rows(page, lead) if page is not None else memory.no_rows(height)
    length = kernel.run(rows.reshape(-1), width, lead, *known, *scratch)
    return scratch[-1].view(np.uint8)[:length].data


def deflated_samples(rows: Rows, level: str) -> bytes:
    """Return a zlib stream of rows whose pixels are several bytes: the byte before one is no neighbour of its kind."""
    return bytes(isal_zlib.compress(rows, 1)) if level == "fast" else ZLIB_STREAM[level](rows)


def _stream(level: str, rows: Rows, lead: int = 0, on_ground: OnGround | None = None) -> bytes:
    return bytes(deflated(rows, level, lead, on_ground))


ZLIB_STREAM: Mapping[str, ZlibStream] = MappingProxyType(
    {level: functools.partial(_stream, level) for level in ("fast", "small")}
)
"""By level. ``fast``: our own matcher of rows; ``small``: libdeflate, four fifths of the bytes or less."""


@dataclass(frozen=True, slots=True)
class _Kernel:
    """The compiled matcher of rows; see :func:`render.encode.kernels.deflate_rows.deflate_rows`."""

    run: Callable[..., int | np.signedinteger[Any]]
    memory: RowMemory
    scratch: Callable[[int, int, int], _Scratch]
    min_width: int
    max_pitch: int


# Compiled when first used: importing Numba takes longer than a small picture.
@functools.cache
def _kernel() -> _Kernel | None:
    """Return the matcher, or None where it cannot be compiled: as plain Python it would take seconds."""
    from render.encode.kernels import deflate_rows as source
    from render.encode.known_rows import RowMemory

    run = compiled(source.deflate_rows, source.SIGNATURE)
    if run is source.deflate_rows or sys.byteorder != "little":
        return None
    return _Kernel(run, RowMemory(run), source.scratch, source.MIN_WIDTH, source.MAX_PITCH)


class _KernelScratch(threading.local):
    """The kernel's scratch for one shape of rows, one set a thread."""

    def __init__(self) -> None:
        self._shape = 0, 0, 0
        self._arrays: _Scratch

    def take(self, kernel: _Kernel, shape: tuple[int, int, int]) -> _Scratch:
        """Return scratch for height, width and lead; valid until the next call."""
        if self._shape != shape:
            self._arrays = kernel.scratch(*shape)
            self._shape = shape
        return self._arrays


def _led(rows: Rows, lead: int) -> Rows:
    """Return the rows with ``lead`` bytes 0 before each, valid until the thread's next call."""
    if not lead:
        return rows
    led = _led_scratch.take((rows.shape[0], lead + rows.shape[1]))
    led[:, lead:] = rows
    return led


class RowScratch(threading.local):
    """One buffer a thread for the rows of a page: fresh memory would cost more than filling it."""

    def __init__(self) -> None:
        self._buffer: Rows = np.zeros((0, 0), np.uint8)

    def take(self, shape: tuple[int, int]) -> Rows:
        """Return uint8[shape], zeros or what the thread's last page of this shape left; valid until the next call."""
        if self._buffer.shape != shape:
            self._buffer = np.zeros(shape, np.uint8)
        return self._buffer


_led_scratch, _kernel_scratch = RowScratch(), _KernelScratch()


def pack_rows(index: Rows, depth: int, packed: Rows) -> None:
    """Write each row's indices at ``depth`` bits, the first pixel in the highest bits; spare bits are 0.

    Args:
        index: uint8[height, width], each below 2 ** depth.
        depth: 1, 2, 4 or 8.
        packed: uint8[height, ceil(width * depth / 8)] to fill.
    """
    if depth == BYTE:
        np.copyto(packed, index)
        return
    width, done, packer = index.shape[1], 0, _packer()
    if packer is not None and index.flags.c_contiguous and packed.flags.c_contiguous:
        scratch = np.empty((2, width // 2), np.uint8)
        packer(index, depth, packed, *scratch)
        done = width * depth // BYTE
    rest, per_byte = index[:, done * BYTE // depth :], BYTE // depth
    np.left_shift(rest[:, ::per_byte], BYTE - depth, out=packed[:, done:])
    for place in range(1, per_byte):
        column = rest[:, place::per_byte]
        packed[:, done : done + column.shape[1]] |= column << (BYTE - depth * (place + 1))


@functools.cache
def _packer() -> Callable[..., None] | None:
    """Return the compiled packer, or None where it cannot be compiled."""
    packer = compiled(pack_whole_bytes, SIGNATURE)
    return None if packer is pack_whole_bytes else packer
