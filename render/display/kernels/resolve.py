"""Characters to positioned glyphs, text by text, where the first face of each text's role has them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled
from render.fonts.face import ADVANCE_PER_EM

U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

EM_ASCENT_PERCENT = 88
EM_DESCENT_PERCENT = 12
NO_SCALE = 1000

# Positions are summed as integers with this denominator (ADVANCE_PER_EM × per mille) and rounded once.
_DENOMINATOR = ADVANCE_PER_EM * NO_SCALE


def resolve_scalar(
    texts: I8,
    chars: U4,
    first_faces: I8,
    cmap: U2,
    advance: I4,
    glyph_id: U2,
    glyph_x_um: I4,
    font: U2,
    origin_um: I4,
    bbox_um: I4,
    glyph_off: U4,
) -> bool:
    """Resolve texts to runs; return False, with the outputs unfinished, where a face lacks a character.

    Args:
        texts: int64[n, 7 at least], anchor x, baseline, length, size, scale, alignment (0 left, 1 centre, 2 right)
            and role of each; lengths in µm, scale per mille.
        chars: uint32[G], the characters of all texts, one behind the other.
        first_faces: int64[roles], the face of each role.
        cmap: uint16[n_faces, CMAP_SIZE].
        advance: int32[n_faces, max_glyphs], 1/ADVANCE_PER_EM em.
        glyph_id: uint16[G], like the columns of the display list that follow: receives the result.
        glyph_x_um: int32[G].
        font: uint16[n].
        origin_um: int32[n, 2].
        bbox_um: int32[n, 4].
        glyph_off: uint32[n + 1].
    """
    begin = 0
    for text in range(texts.shape[0]):
        anchor, baseline, end = int(texts[text, 0]), int(texts[text, 1]), begin + int(texts[text, 2])
        size, align, face = int(texts[text, 3]), int(texts[text, 5]), int(first_faces[texts[text, 6]])
        scale = size * int(texts[text, 4])
        width = 0
        for place in range(begin, end):
            char = int(chars[place])
            glyph = int(cmap[face, char]) if char < cmap.shape[1] else 0
            if glyph == 0:
                return False
            glyph_id[place] = glyph
            width += int(advance[face, glyph]) * scale
        # Everything is doubled, so that halves of a centred width stay whole; half the divisor rounds halves up.
        shift = align * width - 2 * _DENOMINATOR * anchor - _DENOMINATOR
        pen = 0
        for place in range(begin, end):
            glyph_x_um[place] = (2 * pen - shift) // (2 * _DENOMINATOR)
            pen += int(advance[face, glyph_id[place]]) * scale
        font[text] = face
        left = int(glyph_x_um[begin])
        origin_um[text, 0], origin_um[text, 1] = left, baseline
        bbox_um[text, 0], bbox_um[text, 1] = left, baseline - size * EM_ASCENT_PERCENT // 100
        bbox_um[text, 2] = (2 * width - shift) // (2 * _DENOMINATOR)
        bbox_um[text, 3] = baseline + size * EM_DESCENT_PERCENT // 100
        glyph_off[text] = begin
        begin = end
    glyph_off[texts.shape[0]] = begin
    return True


_SIGNATURE = (
    "boolean(Array(int64, 2, 'C', readonly=True), Array(uint32, 1, 'C', readonly=True), "
    "Array(int64, 1, 'C', readonly=True), Array(uint16, 2, 'C', readonly=True), Array(int32, 2, 'C', readonly=True), "
    "uint16[::1], int32[::1], uint16[::1], int32[:,::1], int32[:,::1], uint32[::1])"
)

resolve = compiled(resolve_scalar, _SIGNATURE)
