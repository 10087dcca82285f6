"""Characters to positioned glyphs, for all the text of a document in one pass of array operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from render.fonts.book import FontBook
from render.fonts.face import ADVANCE_PER_EM, CMAP_SIZE

NO_SCALE = 1000
EM_ASCENT_PERCENT = 88
EM_DESCENT_PERCENT = 12

# Positions are summed as integers with this denominator (ADVANCE_PER_EM × per mille) and rounded once.
_DENOMINATOR = ADVANCE_PER_EM * NO_SCALE


class Align(IntEnum):
    """Which point of a line of text its anchor is."""

    LEFT = 0
    CENTER = 1
    RIGHT = 2


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text as the builder was given it; see :meth:`DisplayListBuilder.text`."""

    role: str
    size_um: int
    x_um: int
    baseline_um: int
    text: str
    align: Align
    xscale: int
    steps_um: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Runs:
    """The run and glyph columns of a display list, and how many runs each text became (``per_text``)."""

    per_text: NDArray[np.int64]
    font: NDArray[np.uint16]
    size_um: NDArray[np.int32]
    xscale: NDArray[np.uint16]
    origin_um: NDArray[np.int32]
    bbox_um: NDArray[np.int32]
    glyph_off: NDArray[np.uint32]
    glyph_id: NDArray[np.uint16]
    glyph_x_um: NDArray[np.int32]
    glyph_char: NDArray[np.uint32]


def resolve_runs(texts: Sequence[Text], fonts: FontBook) -> tuple[Runs, list[tuple[int, str]]]:
    """Return the runs of non-empty texts, and the (text index, character) pairs that no face can print."""
    lengths = np.array([len(text.text) for text in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    joined = "".join([text.text for text in texts])
    chars = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
    owner = np.repeat(np.arange(len(texts)), lengths)
    first_face = np.array([fonts.chains[text.role][0] for text in texts], np.int64)
    face = first_face[owner]
    glyph = fonts.cmap[face, np.where(chars < CMAP_SIZE, chars, 0)]
    missing = _fall_back(texts, fonts, chars, owner, face, glyph)

    numbers = np.array([(t.size_um, t.xscale, t.x_um, t.baseline_um, t.align) for t in texts], np.int64).reshape(-1, 5)
    size, xscale, anchor, baseline, align = numbers.T
    advance = fonts.advance[face, glyph].astype(np.int64) * (size * xscale)[owner]
    for index, text in enumerate(texts):
        if text.steps_um is not None:
            start = starts[index]
            steps = np.array(text.steps_um[: lengths[index]], np.int64)
            advance[start : start + len(steps)] = steps * (text.xscale * ADVANCE_PER_EM)
    ends = np.cumsum(advance)
    before = np.concatenate(([0], ends))
    text_start = before[starts]
    width = before[starts + lengths] - text_start
    # Twice the distance from the anchor, so that halves of a centred width stay whole.
    left = 2 * (ends - advance - text_start[owner]) - (align * width)[owner]
    glyph_x = anchor[owner] + _halve(left)

    is_first = np.ones(len(chars), bool)
    is_first[1:] = (owner[1:] != owner[:-1]) | (face[1:] != face[:-1])
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(chars))[: len(first)] - 1
    run_owner = owner[first]
    run_size, run_baseline = size[run_owner], baseline[run_owner]
    origin_x = glyph_x[first]
    right = anchor[run_owner] + _halve((left + 2 * advance)[last])
    top = run_baseline - run_size * EM_ASCENT_PERCENT // 100
    bottom = run_baseline + run_size * EM_DESCENT_PERCENT // 100
    runs = Runs(
        per_text=np.bincount(run_owner, minlength=len(texts)),
        font=face[first].astype(np.uint16),
        size_um=run_size.astype(np.int32),
        xscale=xscale[run_owner].astype(np.uint16),
        origin_um=np.stack([origin_x, run_baseline], axis=1).astype(np.int32),
        bbox_um=np.stack([origin_x, top, right, bottom], axis=1).astype(np.int32),
        glyph_off=np.append(first, len(chars)).astype(np.uint32),
        glyph_id=glyph,
        glyph_x_um=glyph_x.astype(np.int32),
        glyph_char=chars,
    )
    return runs, missing


def _fall_back(
    texts: Sequence[Text],
    fonts: FontBook,
    chars: NDArray[np.uint32],
    owner: NDArray[np.int64],
    face: NDArray[np.int64],
    glyph: NDArray[np.uint16],
) -> list[tuple[int, str]]:
    """Give characters without a glyph to the next face of their role, in place; return those that stay without."""
    missing = []
    for position in np.flatnonzero(glyph == 0):
        char = int(chars[position])
        chain = fonts.chains[texts[owner[position]].role]
        able = (index for index in chain if char < CMAP_SIZE and fonts.cmap[index, char])
        index = next(able, None)
        if index is None:
            missing.append((int(owner[position]), chr(char)))
        else:
            face[position] = index
            glyph[position] = fonts.cmap[index, char]
    return missing


def _halve(doubled: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numerators of twice a length as whole µm, halves up."""
    return (doubled + _DENOMINATOR) // (2 * _DENOMINATOR)
