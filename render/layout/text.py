"""Measures text by table lookup and breaks it into lines that fit, in exact integer arithmetic."""

from __future__ import annotations

import string

from render.fonts.book import FontBook
from render.fonts.face import ADVANCE_PER_EM

# Closing punctuation never begins a line, opening punctuation never ends one (the core of 禁则).
_NEVER_FIRST = frozenset("，。、；：？！）》」』】〕〉”’…—·％‰℃,.;:?!)]}%>°～")
_NEVER_LAST = frozenset("（《「『【〔〈“‘([{<¥￥$#№")
_WORD = frozenset(string.ascii_letters + string.digits)
_WORD_OR_POINT = _WORD | {"."}


class Advances(dict[str, int]):
    """Character → advance in 1/ADVANCE_PER_EM em for one role, filled on demand along the role's chain of faces.

    A character that no face has counts nothing here; the display list names it when it is frozen.
    """

    def __init__(self, fonts: FontBook, role: str) -> None:
        super().__init__()
        self._chain = [fonts.faces[index] for index in fonts.chains[role]]
        widths = {self[char] for char in map(chr, range(0x20, 0x7F))}
        self._ascii = widths.pop() if len(widths) == 1 else None

    def __missing__(self, char: str) -> int:
        face = next((face for face in self._chain if face.has(char)), None)
        advance = 0 if face is None else int(face.advance[face.cmap[ord(char)]])
        self[char] = advance
        return advance

    def width(self, text: str) -> int:
        """Return the width of a text in 1/ADVANCE_PER_EM em."""
        # Control characters count like others here; none has a glyph, so none is ever printed.
        if self._ascii is not None and text.isascii():
            return len(text) * self._ascii
        return sum(map(self.__getitem__, text))


def widest(width_um: int, size_um: int) -> int:
    """Return the widest text, in 1/ADVANCE_PER_EM em, that a width holds at an em size."""
    return width_um * ADVANCE_PER_EM // size_um


def break_lines(text: str, advances: Advances, limit: int) -> list[str] | None:
    """Break a text into lines of at most ``limit``; return None where one character alone is wider.

    Lines break between any two characters, but not inside a word of ASCII letters and digits unless it fills a line
    alone, not before closing punctuation and not after opening punctuation. Spaces at a break are not printed; a line
    feed in the text ends a line.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        start, length = 0, len(paragraph)
        while True:
            end = _fill(paragraph, start, advances, limit)
            if end == length:
                lines.append(paragraph[start:])
                break
            if end == start:
                return None
            cut = _last_break(paragraph, start, end)
            lines.append(paragraph[start:cut].rstrip(" "))
            start = cut
            while start < length and paragraph[start] == " ":
                start += 1
    return lines


def _fill(text: str, start: int, advances: Advances, limit: int) -> int:
    """Return where the characters from ``start`` exceed the limit."""
    used = 0
    for place in range(start, len(text)):
        used += advances[text[place]]
        if used > limit:
            return place
    return len(text)


def _last_break(text: str, start: int, end: int) -> int:
    """Return the last permitted break in ``start + 1 … end``, or ``end`` where none is permitted."""
    for cut in range(end, start, -1):
        before, after = text[cut - 1], text[cut]
        if after in _NEVER_FIRST or before in _NEVER_LAST or (after in _WORD and before in _WORD_OR_POINT):
            continue
        return cut
    return end
