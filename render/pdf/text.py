"""Text runs of a display list as PDF text objects (ISO 32000-1, 9.4), with array operations over all glyphs at once.

User space is micrometres with y up: a run's position, size and spacing are the integers of the display list, so
nothing is rounded but glyph adjustments, and those never add up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList, Kind
from render.pdf.font import UNITS, pair_keys
from render.pdf.syntax import number

_PER_MILLE = 1000
# Display lists round each position to a micrometre, so the two ends of a run may be off by this without meaning.
_ROUNDING_UM = 1.5
# Adjustments are made in steps of at least this much: a fortieth of a pixel at 300 dpi.
_STEP_UM = 2.0
_SPACING_DECIMALS = 2
_SPACING_PARTS = 10**_SPACING_DECIMALS
# A pair of glyph and character takes 34 bits, as characters end below CMAP_SIZE; a face 8 more, documents the rest.
_FACE_SHIFT = 34
_DOCUMENT_SHIFT = 42


@dataclass(frozen=True, slots=True)
class GlyphRows:
    """Some runs of a display list and their glyphs, gathered in the order of the runs.

    Attributes:
        runs: int64[R], which runs; ``face``: int64[R], the font of each.
        first: int64[R+1], where each run's glyphs begin in the columns of glyphs.
        owner: int64[G], place in ``runs``; ``owner_face``: int64[G], the font.
        glyph_id: uint16[G]; ``char``: uint32[G]; ``x_um``: int32[G], as in the display list.
    """

    runs: NDArray[np.int64]
    face: NDArray[np.int64]
    first: NDArray[np.int64]
    owner: NDArray[np.int64]
    owner_face: NDArray[np.int64]
    glyph_id: NDArray[np.uint16]
    char: NDArray[np.uint32]
    x_um: NDArray[np.int32]

    @classmethod
    def gather(cls, display: DisplayList, runs: NDArray[np.int64]) -> GlyphRows:
        """Return the glyphs of these runs, of which there must be one at least."""
        starts = display.run_glyph_off[runs].astype(np.int64)
        counts = display.run_glyph_off[runs + 1] - starts
        first = np.zeros(len(runs) + 1, np.int64)
        counts.cumsum(out=first[1:])
        owner = np.arange(len(runs)).repeat(counts)
        index = np.arange(len(owner)) + (starts - first[:-1])[owner]
        face = display.run_font[runs].astype(np.int64)
        return cls(
            runs=runs,
            face=face,
            first=first,
            owner=owner,
            owner_face=face[owner],
            glyph_id=display.glyph_id[index],
            char=display.glyph_char[index],
            x_um=display.glyph_x_um[index],
        )


class TextObjects:
    """All text of a display list as operators, made at once for however many documents it holds.

    Attributes:
        pairs: for each document, by the index of the face, the pairs of glyph and character that its font must hold;
            int64[n] each, see :mod:`render.pdf.font`.
    """

    def __init__(
        self,
        display: DisplayList,
        widths: NDArray[np.int32],
        prefix: str,
        document_of_page: NDArray[np.int64],
    ) -> None:
        """Turn every run into a text object.

        Args:
            display: one or more laid-out documents.
            widths: int32[n_faces, max_glyphs], the widths that fonts state, in 1/UNITS em.
            prefix: begins the resource names of fonts.
            document_of_page: int64[P], ascending; pages of one document share fonts.
        """
        offsets = display.page_item_off.astype(np.int64)
        is_run = display.item_kind == Kind.GLYPHS
        self._before = np.zeros(len(is_run) + 1, np.int64)
        is_run.cumsum(out=self._before[1:])
        self.pairs: list[dict[int, NDArray[np.int64]]] = [{} for _ in range(int(document_of_page[-1]) + 1)]
        self._texts: list[str] = []
        if self._before[-1]:
            page = np.arange(display.n_pages).repeat(offsets[1:] - offsets[:-1])[is_run]
            rows = GlyphRows.gather(display, display.item_ref[is_run].astype(np.int64))
            codes = self._assign_codes(rows, document_of_page[page])
            self._texts = _operators(display, widths, rows, codes, page, prefix)

    def of_items(self, first: int, last: int) -> Iterator[str]:
        """Return the text objects of the runs among these items, in paint order."""
        return iter(self._texts[self._before[first] : self._before[last]])

    def _assign_codes(self, rows: GlyphRows, document: NDArray[np.int64]) -> NDArray[np.uint16]:
        """Note the pairs of each document and face, and return the code of each glyph in its font."""
        font = (document << _DOCUMENT_SHIFT) + (rows.face << _FACE_SHIFT)
        keys = font[rows.owner] | pair_keys(rows.glyph_id, rows.char)
        order = keys.argsort()
        ordered = keys[order]
        is_new = np.ones(len(keys), np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
        distinct = ordered[is_new]
        owner = distinct >> _FACE_SHIFT
        begins = [0, *((owner[1:] != owner[:-1]).nonzero()[0] + 1).tolist(), len(distinct)]
        code = np.arange(1, len(distinct) + 1)
        for begin, end in itertools.pairwise(begins):
            document_index, face = divmod(int(owner[begin]), 1 << (_DOCUMENT_SHIFT - _FACE_SHIFT))
            self.pairs[document_index][face] = distinct[begin:end] & ((1 << _FACE_SHIFT) - 1)
            code[begin:end] -= begin
        codes = np.empty(len(keys), np.uint16)
        codes[order] = code[is_new.cumsum() - 1]
        return codes


def font_name(prefix: str, face: int) -> str:
    """Return the resource name of a face's font."""
    return f"/{prefix}{face}"


def _operators(
    display: DisplayList,
    widths: NDArray[np.int32],
    rows: GlyphRows,
    codes: NDArray[np.uint16],
    page: NDArray[np.int64],
    prefix: str,
) -> list[str]:
    """Return the text object of each run; ``page`` is the page of each."""
    size = display.run_size_um[rows.runs].astype(np.int64)
    xscale = display.run_xscale[rows.runs].astype(np.int64)
    spacing, adjust = _spacing(widths, rows, size * xscale / _PER_MILLE, xscale)
    columns = (rows.face.tolist(), size.tolist(), xscale.tolist(), spacing.tolist(), page.tolist())
    states = _states(columns, prefix)
    strings = _strings(rows.first, codes, adjust)
    left, baseline = display.run_origin_um[rows.runs].T
    up = (display.page_size_um[page, 1] - baseline).tolist()
    return [
        f"BT{state} {x} {y} Td{shown} ET" for state, x, y, shown in zip(states, left.tolist(), up, strings, strict=True)
    ]


def _spacing(
    widths: NDArray[np.int32], rows: GlyphRows, em_um: NDArray[np.float64], xscale: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the character spacing (Tc) of each run and the adjustment (TJ) before each glyph, in 1/UNITS em.

    ``em_um`` is float64[R], the width of an em after horizontal scaling.
    """
    first, last, owner = rows.first[:-1], rows.first[1:] - 1, rows.owner
    unit_um = (em_um / UNITS)[owner]
    advance = widths[rows.owner_face, rows.glyph_id] * unit_um
    # How much further right than the stated widths would put it each glyph stands, but for a constant a run.
    gap = rows.x_um - advance.cumsum() + advance
    start = gap[first]
    total = gap[last] - start
    mean = total / np.maximum(last - first, 1)
    mean[np.abs(total) <= _ROUNDING_UM] = 0.0
    spacing = np.rint(mean * (_PER_MILLE * _SPACING_PARTS) / xscale) / _SPACING_PARTS
    per_glyph = spacing * xscale / _PER_MILLE
    left = gap - (start - first * per_glyph)[owner] - np.arange(len(owner)) * per_glyph[owner]
    step = np.maximum(np.ceil(_STEP_UM * UNITS / em_um), 1.0)[owner]
    shift = np.rint(left / (unit_um * step)) * step
    adjust = np.zeros(len(owner), np.int64)
    adjust[1:] = shift[:-1] - shift[1:]
    adjust[first] = 0
    return spacing, adjust


def _states(columns: tuple[list[int], list[int], list[int], list[float], list[int]], prefix: str) -> list[str]:
    """Return the operators that set face, size, scale and spacing, where they differ from the run before."""
    states = []
    font = scale = tracking = stream = None
    for face, size, xscale, spacing, page in zip(*columns, strict=True):
        state = ""
        if page != stream:
            stream = page
            font = scale = tracking = None
        if (face, size) != font:
            font = (face, size)
            state = f"{font_name(prefix, face)} {size} Tf"
        if xscale != scale:
            scale = xscale
            state += f" {number(xscale / 10, 1)} Tz"
        if spacing != tracking:
            tracking = spacing
            state += f" {number(spacing, _SPACING_DECIMALS)} Tc"
        states.append(state)
    return states


def _strings(first: NDArray[np.int64], codes: NDArray[np.uint16], adjust: NDArray[np.int64]) -> list[str]:
    """Return the text-showing operator of each run, split where a glyph is adjusted."""
    digits = codes.astype(">u2").tobytes().hex()
    bounds = (first * 4).tolist()
    strings = [f"<{digits[a:b]}>Tj" for a, b in itertools.pairwise(bounds)]
    moved = adjust.nonzero()[0]
    if not len(moved):
        return strings
    run_of = first.searchsorted(moved, side="right") - 1
    pieces: dict[int, list[str]] = {}
    start: dict[int, int] = {}
    for glyph, run, amount in zip(moved.tolist(), run_of.tolist(), adjust[moved].tolist(), strict=True):
        begin = start.get(run, bounds[run])
        pieces.setdefault(run, []).append(f"<{digits[begin : 4 * glyph]}>{amount}")
        start[run] = 4 * glyph
    for run, parts in pieces.items():
        strings[run] = f"[{''.join(parts)}<{digits[start[run] : bounds[run + 1]]}>]TJ"
    return strings
