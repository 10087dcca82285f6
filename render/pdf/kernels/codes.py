"""Numbers the characters of each document's fonts: one code for each pair of glyph and character."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled

U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
I8 = NDArray[np.int64]

FACE_SHIFT = 34
"""A pair, character × 2¹⁶ + glyph, takes so many bits, since characters end below 2¹⁸; the face stands above."""

_CHAR_SHIFT = 16
# Spreads the faces, so that the same character of two of them falls into two slots.
_FACE_STRIDE = 7919


def assign_codes_scalar(
    runs: I8,
    document: I8,
    run_font: U2,
    run_glyph_off: U4,
    glyph_id: U2,
    glyph_char: U4,
    slots: I8,
    distinct: I8,
    codes: U2,
    groups: I8,
) -> int:
    """Give each glyph a code, 1, 2, 3 … in the order of the pairs of its document and face; return how many groups.

    Args:
        runs: int64[R], runs of a display list in paint order.
        document: int64[R], the document of each, ascending.
        run_font: uint16, as in the display list, like the three that follow.
        run_glyph_off: uint32.
        glyph_id: uint16.
        glyph_char: uint32, each below 2¹⁸.
        slots: int64[S, 3], zeros; S a power of two, more than the glyphs of any document.
        distinct: int64[G], receives the pairs of all documents, each with its face at FACE_SHIFT, sorted in its group.
        codes: uint16[G], receives the code of each glyph, one run after another.
        groups: int64[G + 1, 3], receives document, face and begin in ``distinct`` of each group; behind the last one
            stands the end.
    """
    mask = slots.shape[0] - 1
    which = np.empty(codes.size, np.int64)
    n_groups = at = known = run = 0
    while run < runs.size:
        current = document[run]
        begin, glyphs_begin = known, at
        while run < runs.size and document[run] == current:
            face = np.int64(run_font[runs[run]])
            for glyph in range(np.int64(run_glyph_off[runs[run]]), np.int64(run_glyph_off[runs[run] + 1])):
                char = np.int64(glyph_char[glyph])
                key = (face << FACE_SHIFT) | (char << _CHAR_SHIFT) | np.int64(glyph_id[glyph])
                slot = (char + face * _FACE_STRIDE) & mask
                while slots[slot, 0] == current + 1 and slots[slot, 1] != key:
                    slot = (slot + 1) & mask
                if slots[slot, 0] != current + 1:
                    slots[slot, 0], slots[slot, 1], slots[slot, 2] = current + 1, key, known
                    distinct[known] = key
                    known += 1
                which[at] = slots[slot, 2]
                at += 1
            run += 1
        order = np.argsort(distinct[begin:known])
        distinct[begin:known] = distinct[begin:known][order]
        rank = np.empty(known - begin, np.uint16)
        code = 0
        last_face = np.int64(-1)
        for place in range(known - begin):
            face = distinct[begin + place] >> FACE_SHIFT
            if face != last_face:
                groups[n_groups, 0], groups[n_groups, 1], groups[n_groups, 2] = current, face, begin + place
                n_groups += 1
                last_face, code = face, 0
            code += 1
            rank[order[place]] = code
        for glyph in range(glyphs_begin, at):
            codes[glyph] = rank[which[glyph] - begin]
    groups[n_groups, 2] = known
    return n_groups


_SIGNATURE = (
    "int64(Array(int64, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), "
    "Array(uint16, 1, 'C', readonly=True), Array(uint32, 1, 'C', readonly=True), "
    "Array(uint16, 1, 'C', readonly=True), Array(uint32, 1, 'C', readonly=True), "
    "int64[:,::1], int64[::1], uint16[::1], int64[:,::1])"
)

assign_codes = compiled(assign_codes_scalar, _SIGNATURE)
