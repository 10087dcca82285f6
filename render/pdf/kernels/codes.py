"""Numbers the characters of each document's fonts: one code for each pair of glyph and character."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable
from render.pdf.kernels.unicode_map import CHARACTER_SHIFT

U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
I8 = NDArray[np.int64]

FACE_SHIFT = 34
"""A pair, character × 2¹⁶ + glyph, takes so many bits, since characters end below 2¹⁸; the face stands above."""

_CHAR_SHIFT, _FACE_SHIFT, _NEXT = np.uint64(16), np.uint64(FACE_SHIFT), np.uint64(1)
# Spreads the faces, so that the same character of two of them falls into two slots.
_FACE_STRIDE = np.uint64(7919)


@jitable
def _note(slots: I8, distinct: I8, stamp: int, key: int, known: int) -> int:
    """Return the place of a key in ``distinct``, where it is put at ``known`` unless it is there since ``stamp``."""
    # Unsigned, since a place that may be negative is looked at twice.
    pair, mask = np.uint64(key), np.uint64(slots.shape[0] - 1)
    slot = ((pair >> _CHAR_SHIFT) + (pair >> _FACE_SHIFT) * _FACE_STRIDE) & mask
    while slots[slot, 0] == stamp:
        if slots[slot, 1] == key:
            return int(slots[slot, 2])
        slot = (slot + _NEXT) & mask
    slots[slot, 0], slots[slot, 1], slots[slot, 2] = stamp, key, known
    distinct[known] = key
    return known


def assign_codes_scalar(
    runs: I8,
    document: I8,
    run_font: U2,
    run_glyph_off: U4,
    glyph_id: U2,
    glyph_char: U4,
    seeds: I8,
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
        seeds: int64[K], ascending: pairs with their face, which the fonts of every document that uses the face hold.
        slots: int64[S, 3], zeros; S a power of two, more than glyphs and seeds of any document.
        distinct: int64[G + documents × K], receives the pairs of all documents, each with its face at FACE_SHIFT,
            sorted within its group.
        codes: uint16[G], receives the code of each glyph, one run after another.
        groups: int64[G + 1, 3], receives document, face and begin in ``distinct`` of each group; behind the last one
            stands the end.
    """
    which = np.empty(codes.size, np.int64)
    n_groups = at = known = run = 0
    while run < runs.size:
        current = document[run]
        stamp = int(current) + 1
        begin, glyphs_begin = known, at
        last_seeded = -1
        while run < runs.size and document[run] == current:
            face = int(run_font[runs[run]])
            if face != last_seeded:
                last_seeded = face
                for seed in range(seeds.size):
                    if int(seeds[seed]) >> FACE_SHIFT == face:
                        known += _note(slots, distinct, stamp, int(seeds[seed]), known) == known
            for glyph in range(int(run_glyph_off[runs[run]]), int(run_glyph_off[runs[run] + 1])):
                key = (face << FACE_SHIFT) | (int(glyph_char[glyph]) << CHARACTER_SHIFT) | int(glyph_id[glyph])
                which[at] = _note(slots, distinct, stamp, key, known)
                known += which[at] == known
                at += 1
            run += 1
        order = np.argsort(distinct[begin:known])
        distinct[begin:known] = distinct[begin:known][order]
        rank = np.empty(known - begin, np.uint16)
        code = 0
        last_face = -1
        for place in range(known - begin):
            face = int(distinct[begin + place]) >> FACE_SHIFT
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
    "Array(uint16, 1, 'C', readonly=True), Array(uint32, 1, 'C', readonly=True), Array(int64, 1, 'C', readonly=True), "
    "int64[:,::1], int64[::1], uint16[::1], int64[:,::1])"
)

assign_codes = compiled(assign_codes_scalar, _SIGNATURE)
