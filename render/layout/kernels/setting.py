"""Sets texts in cells: the first permitted size and number of lines that hold each; then places their lines.

Tables, int64 throughout. Cells: anchor (µm), alignment (0 left, 1 centre, 2 right), role, paint, tag, whether a ¥ sign
stands before the text, and the first and the end of the cell's placements. Placements: em size, first baseline, line
pitch, number of lines (0 = as many as needed), the widest line in 1/ADVANCE_PER_EM em, em size and width of the ¥ sign;
lengths in µm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled, jitable
from render.display.kernels.resolve import NO_SCALE
from render.fonts.face import ADVANCE_PER_EM

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

ANCHOR, ALIGN, ROLE, PAINT, TAG, IS_MONEY, FIRST, END = range(8)
SIZE, BASELINE, PITCH, LINES, LIMIT, SYMBOL_SIZE, SYMBOL_WIDTH = range(7)
FIRST_TEXT, N_TEXTS, FIRST_ROW, LAST_ROW, TOP, TAG_SHIFT = range(6)
STEP_NUMBERS = 6

NEVER_FIRST, NEVER_LAST, WORD, POINT = 1, 2, 4, 8
"""Classes of characters, which decide where lines break."""

YEN = "¥"
NO_FIT = -1
_LINE_FEED, _SPACE, _YEN = 0x0A, 0x20, ord(YEN)
_RIGHT = 2


@jitable
def _advance(char: int, role: int, chains: I8, cmap: U2, advance: I4) -> int:
    """Return the advance along the role's faces; a character that none of them has counts nothing."""
    if char < cmap.shape[1]:
        for place in range(chains.shape[1]):
            face = int(chains[role, place])
            if face < 0:
                break
            glyph = int(cmap[face, char])
            if glyph != 0:
                return int(advance[face, glyph])
    return 0


@jitable
def _class(char: int, classes: U1) -> int:
    return int(classes[char]) if char < classes.size else 0


@jitable
def _last_break(chars: U4, start: int, end: int, classes: U1) -> int:
    """Return the last permitted break in ``start + 1 … end``, or ``end`` where none is permitted."""
    for back in range(end - start):
        cut = end - back
        before, after = _class(chars[cut - 1], classes), _class(chars[cut], classes)
        in_word = after & WORD != 0 and before & (WORD | POINT) != 0
        if after & NEVER_FIRST == 0 and before & NEVER_LAST == 0 and not in_word:
            return cut
    return end


@jitable
def break_lines(
    chars: U4, begin: int, end: int, widths: I8, limit: int, most: int, classes: U1, lines: I8, first_line: int
) -> int:
    """Break a text into lines no wider than ``limit``; return how many, 0 where that is impossible or takes too many.

    Lines break between any two characters, but not inside a word of ASCII letters and digits unless it fills a line
    alone, not before closing punctuation and not after opening punctuation. Spaces at a break are not printed; a line
    feed in the text ends a line.

    Args:
        chars: uint32[…], which the text is a part of, from ``begin`` to ``end``.
        begin: place of the first character.
        end: place behind the last.
        widths: int64[…], the advance of each character.
        limit: in the unit of the widths.
        most: how many lines there may be, 0 = any number.
        classes: uint8[…], the classes of each character by its code; those beyond have none.
        lines: int64[…, 2], receives begin and length of each line.
        first_line: where the first of them goes.
    """
    count = 0
    start = begin
    while True:
        stop = start
        while stop < end and chars[stop] != _LINE_FEED:
            stop += 1
        while True:
            if most != 0 and count == most:
                return 0
            fill, used = start, 0
            while fill < stop:
                used += widths[fill]
                if used > limit:
                    break
                fill += 1
            if fill == start and fill < stop:
                return 0
            is_last = fill == stop
            cut = fill if is_last else _last_break(chars, start, fill, classes)
            length = cut - start
            while not is_last and length > 0 and chars[start + length - 1] == _SPACE:
                length -= 1
            lines[first_line + count, 0], lines[first_line + count, 1] = start, length
            count += 1
            if is_last:
                break
            start = cut
            while start < stop and chars[start] == _SPACE:
                start += 1
        if stop == end:
            return count
        start = stop + 1


def set_texts_scalar(
    chars: U4,
    ends: I8,
    cell_of: I8,
    cells: I8,
    placements: I8,
    chains: I8,
    cmap: U2,
    advance: I4,
    classes: U1,
    char_widths: I8,
    widths: I8,
    fits: I8,
    lines: I8,
    line_ends: I8,
) -> None:
    """Find for each text the first of its cell's placements that holds it, and its lines there.

    Args:
        chars: uint32[C], the characters of all texts, one behind the other.
        ends: int64[n], where each text ends among them.
        cell_of: int64[n], its row in ``cells``.
        cells: int64[…, 8].
        placements: int64[…, 7].
        chains: int64[roles, k], the faces of each role, −1 behind the last.
        cmap: uint16[n_faces, CMAP_SIZE].
        advance: int32[n_faces, max_glyphs], 1/ADVANCE_PER_EM em.
        classes: uint8[…], of characters by their code.
        char_widths: int64[C], receives advances.
        widths: int64[n], receives the width of each text.
        fits: int64[n], receives a row of ``placements``, or NO_FIT.
        lines: int64[C + n, 2], receives begin and length of each line.
        line_ends: int64[n + 1], receives 0 and where the lines of each text end.
    """
    begin = count = 0
    line_ends[0] = 0
    for text in range(ends.size):
        end, cell = int(ends[text]), int(cell_of[text])
        width, is_one_line = 0, True
        for place in range(begin, end):
            char_widths[place] = _advance(chars[place], cells[cell, ROLE], chains, cmap, advance)
            width += char_widths[place]
            is_one_line = is_one_line and chars[place] != _LINE_FEED
        widths[text], fits[text] = width, NO_FIT
        for fit in range(cells[cell, FIRST], cells[cell, END]):
            n_lines, limit, most = 0, int(placements[fit, LIMIT]), int(placements[fit, LINES])
            if is_one_line and width <= limit:
                lines[count, 0], lines[count, 1] = begin, end - begin
                n_lines = 1
            elif most != 1:
                n_lines = break_lines(chars, begin, end, char_widths, limit, most, classes, lines, count)
            if n_lines != 0:
                fits[text] = fit
                count += n_lines
                break
        line_ends[text + 1] = count
        begin = end


@jitable
def _put_row(
    rows: I8, row: int, x: int, baseline: int, length: int, size: int, align: int, role: int, paint: int, tag: int
) -> None:
    rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3] = x, baseline, length, size
    rows[row, 4], rows[row, 5], rows[row, 6], rows[row, 7], rows[row, 8] = NO_SCALE, align, role, paint, tag


def place_texts_scalar(
    steps: I8,
    chars: U4,
    cell_of: I8,
    cells: I8,
    placements: I8,
    symbol_role: int,
    widths: I8,
    fits: I8,
    lines: I8,
    line_ends: I8,
    tag_numbers: I8,
    rows: I8,
    placed_chars: U4,
    step_ends: I8,
) -> None:
    """Write the lines of texts as texts of a display list, in the order of the steps.

    Args:
        steps: int64[s, 6], each first text, number of texts, first row and end of the rows that are printed of them,
            what is added to baselines (µm) and to tags.
        chars: as :func:`set_texts` has it, like ``cell_of``, ``cells`` and ``placements``.
        cell_of: likewise.
        cells: likewise.
        placements: likewise.
        symbol_role: the font role of the ¥ sign.
        widths: as :func:`set_texts` found them, like ``fits``, ``lines`` and ``line_ends``.
        fits: likewise; all texts of the steps have one.
        lines: likewise.
        line_ends: likewise.
        tag_numbers: int64[tags], number of each tag that has one, −1 for others; those get the next in order of use.
        rows: int64[…, 9], receives x, baseline, length, size, scale, alignment, role, paint and tag of each line.
        placed_chars: uint32[…], receives their characters.
        step_ends: int64[s, 2], receives where the rows and the characters of each step end.
    """
    row = at = 0
    next_tag = 0
    for number in tag_numbers:
        next_tag = max(next_tag, int(number) + 1)
    for step in range(steps.shape[0]):
        first = int(steps[step, FIRST_TEXT])
        for text in range(first, first + steps[step, N_TEXTS]):
            cell, fit = int(cell_of[text]), int(fits[text])
            size, align, role = int(placements[fit, SIZE]), int(cells[cell, ALIGN]), int(cells[cell, ROLE])
            paint, tag = int(cells[cell, PAINT]), int(cells[cell, TAG]) + int(steps[step, TAG_SHIFT])
            baseline = int(steps[step, TOP]) + int(placements[fit, BASELINE])
            n_rows = min(int(line_ends[text + 1]) - int(line_ends[text]), int(steps[step, LAST_ROW]))
            for line in range(line_ends[text] + steps[step, FIRST_ROW], line_ends[text] + n_rows):
                start, length, x = int(lines[line, 0]), int(lines[line, 1]), int(cells[cell, ANCHOR])
                if length != 0 and tag_numbers[tag] < 0:
                    tag_numbers[tag] = next_tag
                    next_tag += 1
                if length != 0 and cells[cell, IS_MONEY] != 0:
                    # One of sign and number ends exactly where the other begins.
                    symbol_x = x
                    if align == _RIGHT:
                        symbol_x -= -(-widths[text] * size // ADVANCE_PER_EM)
                    else:
                        x += int(placements[fit, SYMBOL_WIDTH])
                    symbol_size = int(placements[fit, SYMBOL_SIZE])
                    _put_row(rows, row, symbol_x, baseline, 1, symbol_size, align, symbol_role, paint, tag_numbers[tag])
                    placed_chars[at] = _YEN
                    row, at = row + 1, at + 1
                if length != 0:
                    _put_row(rows, row, x, baseline, length, size, align, role, paint, tag_numbers[tag])
                    for place in range(length):
                        placed_chars[at + place] = chars[start + place]
                    row, at = row + 1, at + length
                baseline += int(placements[fit, PITCH])
        step_ends[step, 0], step_ends[step, 1] = row, at


_TABLE = "Array(int64, 2, 'C', readonly=True)"
_COLUMN = "Array(int64, 1, 'C', readonly=True)"
_CHARS = "Array(uint32, 1, 'C', readonly=True)"

_OUT = "int64[::1]"

set_texts = compiled(
    set_texts_scalar,
    f"void({_CHARS}, {_COLUMN}, {_COLUMN}, {_TABLE}, {_TABLE}, {_TABLE}, Array(uint16, 2, 'C', readonly=True), "
    f"Array(int32, 2, 'C', readonly=True), Array(uint8, 1, 'C', readonly=True), {_OUT}, {_OUT}, {_OUT}, int64[:,::1], "
    f"{_OUT})",
)
place_texts = compiled(
    place_texts_scalar,
    f"void({_TABLE}, {_CHARS}, {_COLUMN}, {_TABLE}, {_TABLE}, int64, {_COLUMN}, {_COLUMN}, {_TABLE}, {_COLUMN}, "
    f"{_OUT}, int64[:,::1], uint32[::1], int64[:,::1])",
)
