"""Characters to positioned glyphs, for all the text of a document in one pass of array operations."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from render.display.kernels.resolve import EM_ASCENT_PERCENT, EM_DESCENT_PERCENT, NO_SCALE, resolve
from render.fonts.book import FontBook
from render.fonts.face import ADVANCE_PER_EM, CMAP_SIZE

# Positions are summed as integers with this denominator (ADVANCE_PER_EM × per mille) and rounded once.
_DENOMINATOR = ADVANCE_PER_EM * NO_SCALE

_NUMBERS_PER_TEXT = 9


class Align(IntEnum):
    """Which point of a line of text its anchor is."""

    LEFT = 0
    CENTER = 1
    RIGHT = 2


class TextStyle(NamedTuple):
    """What texts have in common; ``role`` is the place of a font role among those of the font book."""

    size_um: int
    xscale: int
    align: int
    role: int


def text_style(
    fonts: FontBook, role: str, size_um: int, align: Align = Align.LEFT, xscale: int = NO_SCALE
) -> TextStyle:
    """Return a style for the texts of documents that are laid out with these fonts.

    Raises:
        KeyError: the font book has no such role.
    """
    if role not in fonts.chains:
        raise KeyError(role)
    return TextStyle(size_um, xscale, int(align), list(fonts.chains).index(role))


@dataclass(slots=True)
class TextTable:
    """The texts of a document in the making, none empty.

    Attributes:
        strings: what they say, one behind the other, each string one text or more.
        numbers: x, baseline, length, size, scale, alignment, role, paint and tag of one text after another.
        steps: for some texts, by their index: advances that replace the font's, at most as many as characters.
    """

    strings: list[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    steps: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers) // _NUMBERS_PER_TEXT

    def rows(self) -> NDArray[np.int64]:
        """Return the numbers as int64[n, 9]."""
        return np.frombuffer(self.numbers, np.int64).reshape(-1, _NUMBERS_PER_TEXT)


@dataclass(frozen=True, slots=True)
class Runs:
    """The run and glyph columns of a display list.

    ``per_text`` says how many runs each text became; None where each became one.
    """

    per_text: NDArray[np.int64] | None
    font: NDArray[np.uint16]
    size_um: NDArray[np.int32]
    xscale: NDArray[np.uint16]
    origin_um: NDArray[np.int32]
    bbox_um: NDArray[np.int32]
    glyph_off: NDArray[np.uint32]
    glyph_id: NDArray[np.uint16]
    glyph_x_um: NDArray[np.int32]
    glyph_char: NDArray[np.uint32]


def resolve_runs(texts: TextTable, fonts: FontBook) -> tuple[Runs, list[tuple[int, str]]]:
    """Return the runs of the texts, and the (text index, character) pairs that no face can print."""
    rows = texts.rows()
    chars = np.frombuffer("".join(texts.strings).encode("utf-32-le", "surrogatepass"), "<u4").astype(
        np.uint32, copy=False
    )
    if not texts.steps:
        runs = _resolve_plainly(rows, chars, fonts)
        if runs is not None:
            return runs, []
    columns = rows.T
    anchor, _, lengths, size, xscale, align, role, _, _ = columns
    ends = lengths.cumsum()
    starts = ends - lengths
    owner = np.arange(len(lengths)).repeat(lengths)
    face = _first_faces(fonts)[role]
    known = chars if not len(chars) or chars.max() < CMAP_SIZE else np.where(chars < CMAP_SIZE, chars, 0)
    glyph = fonts.cmap.ravel().take((face * CMAP_SIZE)[owner] + known)
    n_glyph_columns = fonts.advance.shape[1]
    missing: list[tuple[int, str]] = []
    if glyph.all():
        glyph_face = None
        advances = fonts.advance.ravel().take((face * n_glyph_columns)[owner] + glyph)
    else:
        glyph_face = face[owner]
        missing = _fall_back(role[owner], fonts, chars, owner, glyph_face, glyph)
        advances = fonts.advance.ravel().take(glyph_face * n_glyph_columns + glyph)
    advance = advances * (size * xscale)[owner]
    for index, steps in texts.steps.items():
        start = starts[index]
        advance[start : start + len(steps)] = np.array(steps, np.int64) * (xscale[index] * ADVANCE_PER_EM)
    # The running sum may wrap in a huge document; differences within a text stay exact all the same.
    after = advance.cumsum()
    before = after - advance
    text_before = before[starts]
    width = after[ends - 1] - text_before
    # Everything is doubled, so that halves of a centred width stay whole; half the divisor rounds halves up.
    shift = 2 * text_before + align * width - 2 * _DENOMINATOR * anchor - _DENOMINATOR
    glyph_x = (2 * before - shift[owner]) // (2 * _DENOMINATOR)
    if glyph_face is None:
        first, last, per_text = starts, ends - 1, None
    else:
        is_first = np.ones(len(chars), bool)
        is_first[1:] = (owner[1:] != owner[:-1]) | (glyph_face[1:] != glyph_face[:-1])
        first = np.flatnonzero(is_first)
        last = np.append(first[1:], len(chars)) - 1
        run_owner = owner[first]
        face, columns, shift = glyph_face[first], columns[:, run_owner], shift[run_owner]
        per_text = np.bincount(run_owner, minlength=len(lengths))
    right = (2 * after[last] - shift) // (2 * _DENOMINATOR)
    glyph_x = glyph_x.astype(np.int32)
    return _runs(columns, per_text, face, glyph_x[first], right, first, (glyph, glyph_x, chars)), missing


def _resolve_plainly(rows: NDArray[np.int64], chars: NDArray[np.uint32], fonts: FontBook) -> Runs | None:
    """Return the runs where every text is one: no steps of its own, no character that its first face lacks."""
    n_texts, n_glyphs = len(rows), len(chars)
    runs = Runs(
        per_text=None,
        font=np.empty(n_texts, np.uint16),
        size_um=rows[:, 3].astype(np.int32),
        xscale=rows[:, 4].astype(np.uint16),
        origin_um=np.empty((n_texts, 2), np.int32),
        bbox_um=np.empty((n_texts, 4), np.int32),
        glyph_off=np.empty(n_texts + 1, np.uint32),
        glyph_id=np.empty(n_glyphs, np.uint16),
        glyph_x_um=np.empty(n_glyphs, np.int32),
        glyph_char=chars,
    )
    is_done = resolve(
        rows,
        chars,
        _first_faces(fonts),
        fonts.cmap,
        fonts.advance,
        runs.glyph_id,
        runs.glyph_x_um,
        runs.font,
        runs.origin_um,
        runs.bbox_um,
        runs.glyph_off,
    )
    return runs if is_done else None


def _first_faces(fonts: FontBook) -> NDArray[np.int64]:
    return np.array([chain[0] for chain in fonts.chains.values()], np.int64)


def _runs(
    columns: NDArray[np.int64],
    per_text: NDArray[np.int64] | None,
    face: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int64],
    first: NDArray[np.int64],
    glyphs: tuple[NDArray[np.uint16], NDArray[np.int32], NDArray[np.uint32]],
) -> Runs:
    """Put the columns of runs together; ``columns`` has one column for each run."""
    baseline, size, xscale = columns[1], columns[3], columns[4]
    n_runs = len(first)
    origin = np.empty((n_runs, 2), np.int32)
    origin[:, 0] = left
    origin[:, 1] = baseline
    box = np.empty((n_runs, 4), np.int32)
    box[:, 0] = left
    box[:, 1] = baseline - size * EM_ASCENT_PERCENT // 100
    box[:, 2] = right
    box[:, 3] = baseline + size * EM_DESCENT_PERCENT // 100
    offsets = np.empty(n_runs + 1, np.uint32)
    offsets[:-1] = first
    offsets[-1] = len(glyphs[0])
    return Runs(
        per_text=per_text,
        font=face.astype(np.uint16),
        size_um=size.astype(np.int32),
        xscale=xscale.astype(np.uint16),
        origin_um=origin,
        bbox_um=box,
        glyph_off=offsets,
        glyph_id=glyphs[0],
        glyph_x_um=glyphs[1],
        glyph_char=glyphs[2],
    )


def _fall_back(
    roles: NDArray[np.int64],
    fonts: FontBook,
    chars: NDArray[np.uint32],
    owner: NDArray[np.int64],
    face: NDArray[np.int64],
    glyph: NDArray[np.uint16],
) -> list[tuple[int, str]]:
    """Give characters without a glyph to the next face of their role, in place; return those that stay without."""
    chains: Sequence[tuple[int, ...]] = list(fonts.chains.values())
    missing = []
    for position in np.flatnonzero(glyph == 0):
        char = int(chars[position])
        able = (index for index in chains[roles[position]] if char < CMAP_SIZE and fonts.cmap[index, char])
        index = next(able, None)
        if index is None:
            missing.append((int(owner[position]), chr(char)))
        else:
            face[position] = index
            glyph[position] = fonts.cmap[index, char]
    return missing
