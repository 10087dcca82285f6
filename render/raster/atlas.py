"""Coverage cells of every glyph and shape drawn so far, in arrays that grow, found by array operations.

A cell is one glyph of one face at one size, horizontal scale and quarter-pixel phase (or one path at one sub-pixel
place), as 8-bit coverage. Slots are numbers into parallel arrays, so a batch of documents is looked up at once.

The atlas also keeps each cell as palette indices, one copy for each *tone* (a table coverage → index) in use: then
composing is nothing but a maximum of bytes.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from render.display.resources import Resources
from render.raster.keys import CELL_ALIGN, GLYPH_BITS, PHASE_BITS, PHASES, SCALE_BITS, SIZE_BITS
from render.raster.outline import NOTHING, PX, BrokenOutline, Coverage, GlyphOutlines, path_coverage
from render.raster.plain_batch import table_of

if TYPE_CHECKING:
    from render.raster.plain_batch import InksOfPages, PlainBatch
    from render.raster.stamps import Stamps

MAX_ATLAS_BYTES = 96 << 20

_FIRST_CAPACITY = 1 << 18
# To be made when it is needed.
_NO_TABLE: NDArray[np.int64] = np.zeros((0, 2), np.int64)


class BrokenGlyph(BrokenOutline):
    """A glyph that cannot be drawn: digest of its font, and its id."""

    def __init__(self, font: str, glyph: int, reason: str) -> None:
        super().__init__(reason)
        self.font = font
        self.glyph = glyph


@dataclass(frozen=True, eq=False, slots=True)
class Glyphs:
    """Which glyphs to find.

    Attributes:
        fonts: digests of the faces.
        run_font, run_size, run_xscale: int64[R], index into ``fonts``, em in 1/64 px, per mille.
        run_of: int64[G], the run of each glyph; glyph_id: uint16[G]; phase: int64[G], 0 … PHASES − 1.
    """

    fonts: tuple[str, ...]
    run_font: NDArray[np.int64]
    run_size: NDArray[np.int64]
    run_xscale: NDArray[np.int64]
    run_of: NDArray[np.int64]
    glyph_id: NDArray[np.uint16]
    phase: NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """One path: verbs uint8[V], points int64[W, 2] in 1/64 px, y down, and stroke width in 1/64 px (0 = fill)."""

    verbs: NDArray[np.uint8]
    points: NDArray[np.int64]
    stroke: int


@dataclass(frozen=True, eq=False, slots=True)
class Cells:
    """A snapshot of the atlas; growth after it leaves it as it is.

    Attributes:
        coverage: uint8[N], rows of ``pitch`` pixels padded with 0.
        toned: uint8[T, N], the same as palette indices, a row for each tone.
        start: int64[S]; pitch, rows, left, top: int32[S] (``left`` and ``top`` from the origin, y down).
    """

    coverage: NDArray[np.uint8]
    toned: NDArray[np.uint8]
    start: NDArray[np.int64]
    pitch: NDArray[np.int32]
    rows: NDArray[np.int32]
    left: NDArray[np.int32]
    top: NDArray[np.int32]

    def cell(self, slot: int) -> NDArray[np.uint8]:
        """Return uint8[rows, pitch], the coverage of one slot."""
        start, pitch, rows = int(self.start[slot]), int(self.pitch[slot]), int(self.rows[slot])
        return self.coverage[start : start + pitch * rows].reshape(rows, pitch)


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """What :meth:`Atlas.find` found: the cells, and int64 slots or tone rows for each thing asked for."""

    cells: Cells
    glyph_slot: NDArray[np.int64]
    shape_slot: NDArray[np.int64]
    tone_row: NDArray[np.int64]


class Atlas:
    """Cells of the faces of one set of resources; safe for several threads.

    Beyond ``max_bytes`` it starts empty again: what it holds changes speed, never pixels.
    """

    def __init__(self, resources: Resources, max_bytes: int = MAX_ATLAS_BYTES) -> None:
        self._resources = resources
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._outlines: dict[str, GlyphOutlines] = {}
        self._style_rows = self._key_rows = _NO_TABLE
        self._empty()

    @property
    def used_bytes(self) -> int:
        """Bytes of cells in use, tones included."""
        return self._used * (1 + len(self._tones))

    def find(self, glyphs: Glyphs, shapes: Sequence[Shape] = (), tones: Sequence[NDArray[np.uint8]] = ()) -> Found:
        """Return where glyphs, shapes and tones (uint8[256], coverage → palette index) lie, drawing what is new.

        Raises:
            BrokenGlyph: a face has no usable outline for a glyph.
            BrokenOutline: a path cannot be drawn.
        """
        with self._lock:
            if self.used_bytes > self._max_bytes:
                self._empty()
            tone_row = np.array([self._tone(tone.tobytes()) for tone in tones], np.int64)
            keys = self._glyph_keys(glyphs)
            glyph_slot = self._slots_of(keys)
            shape_slot = np.array([self._shape(shape) for shape in shapes], np.int64)
            return Found(self._snapshot(), glyph_slot, shape_slot, tone_row)

    def stamp(self, batch: PlainBatch, dpi: int, inks: InksOfPages) -> tuple[Cells, Stamps]:
        """Return the cells and the stamps of a batch that was surveyed, drawing what is new.

        Raises:
            BrokenGlyph: a face has no usable outline for a glyph.
        """
        fonts = self._resources.fonts.digests
        with self._lock:
            if self.used_bytes > self._max_bytes:
                self._empty()
            tone_row = [[self._tone(tone) for tone in kind.tones] for kind in inks.of_kind]
            while True:
                cells = self._snapshot()
                tone_start = np.array(tone_row, np.int64) * cells.toned.shape[1]
                stamps, missing = batch.stamps(dpi, *self._rows(), self._table, inks, tone_start, cells.toned)
                if not len(missing.keys):
                    return cells, stamps
                if missing.are_styles:
                    for one in missing.keys.tolist():
                        font, look = one >> (SCALE_BITS + SIZE_BITS), one & ((1 << (SCALE_BITS + SIZE_BITS)) - 1)
                        self._style(fonts[font], look)
                else:
                    self._draw(np.unique(missing.keys))

    def _rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return styles and keys as tables for :mod:`render.raster.kernels.find_stamps`."""
        if not len(self._style_rows):
            fonts = {digest: place for place, digest in enumerate(self._resources.fonts.digests)}
            looks = [fonts[font] << (SCALE_BITS + SIZE_BITS) | look for font, look in self._styles]
            self._style_rows = table_of(np.array(looks, np.int64), np.arange(len(looks)))
        if not len(self._key_rows):
            self._key_rows = table_of(self._keys, self._slots)
        return self._style_rows, self._key_rows

    def _empty(self) -> None:
        self._styles: dict[tuple[str, int], int] = {}
        self._shapes: dict[bytes, int] = {}
        self._tones: dict[bytes, int] = {}
        self._keys = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)
        self._metrics: list[tuple[int, int, int, int, int]] = []
        self._table = np.zeros((0, 5), np.int64)
        self._style_rows = _NO_TABLE
        self._key_rows = _NO_TABLE
        self._coverage = np.zeros(_FIRST_CAPACITY, np.uint8)
        self._toned = np.zeros((0, _FIRST_CAPACITY), np.uint8)
        self._used = 0
        self._seen: Cells | None = None

    def _glyph_keys(self, glyphs: Glyphs) -> NDArray[np.int64]:
        """Return style, glyph and phase of each glyph as one int64, with a style for each new face, size and scale."""
        packed = (glyphs.run_font << (SCALE_BITS + SIZE_BITS)) | (glyphs.run_size << SCALE_BITS) | glyphs.run_xscale
        look = (1 << (SCALE_BITS + SIZE_BITS)) - 1
        runs = packed.tolist()
        style_of = dict.fromkeys(runs, 0)
        for one in style_of:
            style = self._style(glyphs.fonts[one >> (SCALE_BITS + SIZE_BITS)], one & look)
            style_of[one] = style << (GLYPH_BITS + PHASE_BITS)
        run_key = np.array([style_of[one] for one in runs], np.int64)
        return run_key[glyphs.run_of] | (glyphs.glyph_id.astype(np.int64) << PHASE_BITS) | glyphs.phase

    def _style(self, font: str, look: int) -> int:
        if (font, look) not in self._styles:
            self._styles[font, look] = len(self._styles)
            self._style_rows = _NO_TABLE
        return self._styles[font, look]

    def _slots_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the slots of keys, having drawn those that are new."""
        if len(self._keys):
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            is_new = self._keys[place] != keys
            if not is_new.any():
                return self._slots[place]
            self._draw(np.unique(keys[is_new]))
        elif len(keys):
            self._draw(np.unique(keys))
        return self._slots[np.searchsorted(self._keys, keys)]

    def _draw(self, keys: NDArray[np.int64]) -> None:
        styles = list(self._styles)
        slots = []
        for key in keys.tolist():
            font, look = styles[key >> (GLYPH_BITS + PHASE_BITS)]
            glyph = (key >> PHASE_BITS) & ((1 << GLYPH_BITS) - 1)
            phase = key & (PHASES - 1)
            try:
                coverage = self._outline(font).coverage(
                    glyph, look >> SCALE_BITS, look & ((1 << SCALE_BITS) - 1), phase * PX // PHASES
                )
            except BrokenOutline as error:
                raise BrokenGlyph(font, glyph, str(error)) from error
            slots.append(self._add(coverage))
        merged = np.concatenate([self._keys, keys])
        order = np.argsort(merged, kind="stable")
        self._slots = np.concatenate([self._slots, np.array(slots, np.int64)])[order]
        self._keys = merged[order]
        self._key_rows = _NO_TABLE

    def _outline(self, font: str) -> GlyphOutlines:
        if font not in self._outlines:
            self._outlines[font] = GlyphOutlines(self._resources.face(font))
        return self._outlines[font]

    def _shape(self, shape: Shape) -> int:
        name = hashlib.blake2b(shape.verbs.tobytes() + b"|" + shape.points.tobytes() + b"|%d" % shape.stroke).digest()
        if name not in self._shapes:
            self._shapes[name] = self._add(path_coverage(shape.verbs, shape.points, shape.stroke))
        return self._shapes[name]

    def _tone(self, tone: bytes) -> int:
        if tone not in self._tones:
            self._tones[tone] = len(self._tones)
            self._toned = np.concatenate([self._toned, np.frombuffer(tone, np.uint8)[self._coverage][None]])
        return self._tones[tone]

    def _add(self, coverage: Coverage) -> int:
        """Store a cell and return its slot; every glyph without ink shares the place of an empty cell."""
        rows, width = coverage.alpha.shape
        pitch = -(-width // CELL_ALIGN) * CELL_ALIGN
        start, end = self._used, self._used + rows * pitch
        if end > len(self._coverage):
            more = max(len(self._coverage), end - len(self._coverage))
            self._coverage = np.concatenate([self._coverage, np.zeros(more, np.uint8)])
            self._toned = np.concatenate([self._toned, np.zeros((len(self._toned), more), np.uint8)], axis=1)
        if coverage is not NOTHING:
            self._coverage[start:end].reshape(rows, pitch)[:, :width] = coverage.alpha
            for name, row in self._tones.items():
                self._toned[row, start:end] = np.frombuffer(name, np.uint8)[self._coverage[start:end]]
        self._used = end
        self._metrics.append((start, pitch, rows, coverage.left, coverage.top))
        return len(self._metrics) - 1

    def _snapshot(self) -> Cells:
        new = self._metrics[len(self._table) :]
        seen = self._seen
        if seen is None or new or seen.coverage is not self._coverage or seen.toned is not self._toned:
            if new:
                self._table = np.concatenate([self._table, np.array(new, np.int64)])
            start, *rest = self._table.T
            pitch, rows, left, top = (np.ascontiguousarray(row, np.int32) for row in rest)
            seen = Cells(self._coverage, self._toned, np.ascontiguousarray(start), pitch, rows, left, top)
            self._seen = seen
        return seen
