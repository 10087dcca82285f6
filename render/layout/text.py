"""What is known of characters before any text is set: which faces have them, and where lines may break beside them."""

from __future__ import annotations

import string
from functools import cache

import numpy as np
from numpy.typing import NDArray

from render.fonts.book import FontBook
from render.fonts.face import ADVANCE_PER_EM
from render.layout.kernels.setting import NEVER_FIRST, NEVER_LAST, POINT, WORD

# Closing punctuation never begins a line, opening punctuation never ends one (the core of 禁则).
_CLASSES = {
    NEVER_FIRST: "，。、；：？！）》」』】〕〉”’…—·％‰℃,.;:?!)]}%>°～",
    NEVER_LAST: "（《「『【〔〈“‘([{<¥￥$#№",
    WORD: string.ascii_letters + string.digits,
    POINT: ".",
}
_CODES = 0x10000
_NO_FACE = -1


@cache
def break_classes() -> NDArray[np.uint8]:
    """Return the classes of each character by its code, uint8[2¹⁶]; see :mod:`render.layout.kernels.setting`."""
    classes = np.zeros(_CODES, np.uint8)
    for bit, chars in _CLASSES.items():
        classes[[ord(char) for char in chars]] |= bit
    return classes


def face_chains(fonts: FontBook) -> NDArray[np.int64]:
    """Return the faces of each role, the preferred one first and −1 behind the last; int64[roles, k]."""
    chains = np.full((len(fonts.chains), max(map(len, fonts.chains.values()))), _NO_FACE, np.int64)
    for role, chain in enumerate(fonts.chains.values()):
        chains[role, : len(chain)] = chain
    return chains


def advance_of(fonts: FontBook, role: str, char: str) -> int:
    """Return a character's advance in 1/ADVANCE_PER_EM em along a role's faces, 0 where none has it."""
    face = next((fonts.faces[index] for index in fonts.chains[role] if fonts.faces[index].has(char)), None)
    return 0 if face is None else int(face.advance[face.cmap[ord(char)]])


def widest(width_um: int, size_um: int) -> int:
    """Return the widest text, in 1/ADVANCE_PER_EM em, that a width holds at an em size."""
    return width_um * ADVANCE_PER_EM // size_um
