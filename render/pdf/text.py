"""Text runs of a display list as PDF text objects (ISO 32000-1, 9.4), with array operations over all glyphs at once.

User space is micrometres with y up: a run's position, size and spacing are the integers of the display list, so
nothing is rounded but glyph adjustments, and those never add up.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList
from render.fonts.book import FontBook
from render.pdf.font import UNITS, pair_keys, stated_widths
from render.pdf.syntax import number

_PER_MILLE = 1000
# Display lists round each position to a micrometre, so the two ends of a run may be off by this without meaning.
_ROUNDING_UM = 1.5
# Adjustments are made in steps of at least this much: a fortieth of a pixel at 300 dpi.
_STEP_UM = 2.0
_SPACING_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class GlyphRows:
    """The glyphs of some runs of a display list, gathered in the order of the runs.

    Attributes:
        runs: int64[R], which runs.
        first: int64[R+1], where each run's glyphs begin in the other columns.
        glyph_id: uint16[G]; char: uint32[G]; x_um: int32[G].
    """

    runs: NDArray[np.int64]
    first: NDArray[np.int64]
    glyph_id: NDArray[np.uint16]
    char: NDArray[np.uint32]
    x_um: NDArray[np.int32]

    @classmethod
    def gather(cls, display: DisplayList, runs: NDArray[np.int64]) -> GlyphRows:
        """Return the glyphs of these runs."""
        starts = display.run_glyph_off[runs].astype(np.int64)
        counts = display.run_glyph_off[runs + 1].astype(np.int64) - starts
        first = np.concatenate(([0], np.cumsum(counts)))
        index = np.arange(first[-1]) + np.repeat(starts - first[:-1], counts)
        return cls(runs, first, display.glyph_id[index], display.glyph_char[index], display.glyph_x_um[index])

    def per_glyph(self, of_run: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a column of the runs repeated for each glyph."""
        return np.repeat(of_run, np.diff(self.first))


def assign_codes(display: DisplayList, rows: GlyphRows) -> tuple[dict[int, NDArray[np.int64]], NDArray[np.uint16]]:
    """Return the pairs that each face must embed, by the face's index, and the code of each glyph in its font."""
    face = rows.per_glyph(display.run_font[rows.runs].astype(np.int64))
    keys = (face << 48) | pair_keys(rows.glyph_id, rows.char)
    distinct, place = np.unique(keys, return_inverse=True)
    owner = distinct >> 48
    faces, begins = np.unique(owner, return_index=True)
    base = np.zeros(len(distinct), np.int64)
    pairs: dict[int, NDArray[np.int64]] = {}
    for index, begin, end in zip(faces.tolist(), begins, [*begins[1:], len(distinct)], strict=True):
        pairs[index] = distinct[begin:end] & ((1 << 48) - 1)
        base[begin:end] = begin
    codes = np.arange(1, len(distinct) + 1) - base
    return pairs, codes[place].astype(np.uint16)


def text_objects(
    display: DisplayList,
    fonts: FontBook,
    rows: GlyphRows,
    codes: NDArray[np.uint16],
    baseline_up_um: NDArray[np.int64],
    is_fresh: NDArray[np.bool_],
    names: dict[int, str],
) -> list[str]:
    """Return the text object of each run.

    Args:
        display: the list that holds the runs.
        fonts: the book that it was laid out with.
        rows: the glyphs of the runs.
        codes: uint16[G], the code of each glyph in its font.
        baseline_up_um: int64[R], baselines from the page's bottom.
        is_fresh: bool[R], True where a content stream begins, so that nothing is set yet.
        names: the resource name of the font of each face.
    """
    runs = rows.runs
    face, size = display.run_font[runs].astype(np.int64), display.run_size_um[runs].astype(np.int64)
    xscale = display.run_xscale[runs].astype(np.int64)
    spacing, adjust = _spacing(fonts, rows, face, size, xscale)
    states = _states(face, size, xscale, spacing, is_fresh, names)
    strings = _strings(rows.first, codes, adjust)
    places = np.stack([display.run_origin_um[runs, 0], baseline_up_um], axis=1).tolist()
    return [f"BT{state} {x} {y} Td{shown} ET" for state, (x, y), shown in zip(states, places, strings, strict=True)]


def _spacing(
    fonts: FontBook,
    rows: GlyphRows,
    face: NDArray[np.int64],
    size: NDArray[np.int64],
    xscale: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the character spacing (Tc) of each run and the adjustment (TJ) before each glyph, in 1/1000 em."""
    first, counts = rows.first[:-1], np.diff(rows.first)
    owner = np.repeat(np.arange(len(first)), counts)
    scaled_um = (size * xscale / _PER_MILLE)[owner]
    advance = stated_widths(fonts.advance[face[owner], rows.glyph_id]) * (scaled_um / UNITS)
    natural = np.cumsum(advance) - advance
    # How much further right than the stated widths would put it each glyph stands.
    gap = rows.x_um - rows.x_um[first][owner] - (natural - natural[first][owner])
    total = gap[rows.first[1:] - 1]
    mean = np.where(np.abs(total) > _ROUNDING_UM, total / np.maximum(counts - 1, 1), 0.0)
    spacing = np.round(mean * _PER_MILLE / xscale, _SPACING_DECIMALS)
    nth = np.arange(len(owner)) - first[owner]
    left = gap - nth * (spacing * xscale / _PER_MILLE)[owner]
    step = np.maximum(np.ceil(_STEP_UM * UNITS / scaled_um), 1.0)
    shift = (np.rint(left * UNITS / (scaled_um * step)) * step).astype(np.int64)
    adjust = np.zeros(len(owner), np.int64)
    adjust[1:] = shift[:-1] - shift[1:]
    adjust[first] = 0
    return spacing, adjust


def _states(
    face: NDArray[np.int64],
    size: NDArray[np.int64],
    xscale: NDArray[np.int64],
    spacing: NDArray[np.float64],
    is_fresh: NDArray[np.bool_],
    names: dict[int, str],
) -> list[str]:
    """Return the operators that change font, scale and spacing, where they differ from the run before."""

    def changes(*columns: NDArray[np.generic]) -> list[bool]:
        changed = is_fresh.copy()
        for column in columns:
            changed[1:] |= column[1:] != column[:-1]
        return changed.tolist()  # type: ignore[no-any-return]

    fonts = [
        f"{names[f]} {s} Tf" if new else ""
        for f, s, new in zip(face.tolist(), size.tolist(), changes(face, size), strict=True)
    ]
    scales = [
        f" {number(s / 10, 1)} Tz" if new else "" for s, new in zip(xscale.tolist(), changes(xscale), strict=True)
    ]
    spaces = [
        f" {number(s, _SPACING_DECIMALS)} Tc" if new else ""
        for s, new in zip(spacing.tolist(), changes(spacing), strict=True)
    ]
    return [a + b + c for a, b, c in zip(fonts, scales, spaces, strict=True)]


def _strings(first: NDArray[np.int64], codes: NDArray[np.uint16], adjust: NDArray[np.int64]) -> list[str]:
    """Return the text-showing operator of each run, split where a glyph is adjusted."""
    digits = codes.astype(">u2").tobytes().hex()
    bounds = (first * 4).tolist()
    moved = np.flatnonzero(adjust)
    strings = [f"<{digits[a:b]}>Tj" for a, b in itertools.pairwise(bounds)]
    if not len(moved):
        return strings
    run_of = np.searchsorted(first, moved, side="right") - 1
    pieces: dict[int, list[str]] = {}
    start: dict[int, int] = {}
    for glyph, run, amount in zip(moved.tolist(), run_of.tolist(), adjust[moved].tolist(), strict=True):
        begin = start.get(run, bounds[run])
        pieces.setdefault(run, []).append(f"<{digits[begin : 4 * glyph]}>{amount}")
        start[run] = 4 * glyph
    for run, parts in pieces.items():
        strings[run] = f"[{''.join(parts)}<{digits[start[run] : bounds[run + 1]]}>]TJ"
    return strings
