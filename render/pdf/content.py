"""Content streams: the items of each page in paint order (ISO 32000-1, clause 8).

One unit of user space is a micrometre once :data:`SCALE` is set; colours change only where the next item differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from render.display.list import Blend, DisplayList, Kind
from render.pdf import shapes
from render.pdf.structure import END_ELEMENT, NO_MARK, Marks, begin_element, element_kind
from render.pdf.syntax import number
from render.pdf.text import TextObjects
from render.units import um_to_pt

SCALE = "{0} 0 0 {0} 0 0 cm\n".format(number(um_to_pt(1), 12)).encode("ascii")
"""Makes a micrometre of a length 1; twelve decimals keep 400 mm right to a millionth of a point."""

_OPAQUE = 255
# As plain numbers, which are compared several times as fast.
_GLYPHS, _RECTS, _LINE, _PATH, _IMAGE = map(int, (Kind.GLYPHS, Kind.RECTS, Kind.LINE, Kind.PATH, Kind.IMAGE))
_BLEND_NAME = {Blend.NORMAL: "Normal", Blend.MULTIPLY: "Multiply"}

Entry = TypeVar("Entry")
PaintState = tuple[int, int]
"""Alpha and blend mode."""

PLAIN_STATE: PaintState = (_OPAQUE, int(Blend.NORMAL))
"""What a content stream starts with."""


@dataclass(frozen=True, slots=True)
class Content:
    """Operators of consecutive pages and what they name.

    Attributes:
        pages: for each page the operators of its items, without scale and background.
        images: indices of the pictures that are drawn.
        states: graphics states that are set.
        is_transparent: for each page, whether an item is blended or translucent.
        marks: for each page the structure type of each of its marked contents, by their number; the first is that of
            the background, where the page has one. Empty where content is not marked.
    """

    pages: list[bytes]
    images: list[int]
    states: list[PaintState]
    is_transparent: list[bool]
    marks: list[tuple[str, ...]]


def image_name(image: int) -> str:
    """Return the resource name of a picture."""
    return f"/I{image}"


def state_name(state: PaintState) -> str:
    """Return the resource name of a graphics state."""
    return f"/G{state[1]}a{state[0]}"


def state_dictionary(state: PaintState) -> str:
    """Return a graphics state that sets alpha and blend mode (ISO 32000-1, 8.4.5)."""
    alpha = number(state[0] / _OPAQUE, 4)
    return f"<</Type/ExtGState/BM/{_BLEND_NAME[Blend(state[1])]}/ca {alpha}/CA {alpha}>>"


class Painter:
    """Turns pages of a display list into operators; what all pages share is worked out once.

    Args:
        display: one or more laid-out documents.
        texts: the list's text.
        marks: which items belong to which element of the document's structure; those of text are in ``texts`` already.
    """

    def __init__(self, display: DisplayList, texts: TextObjects, marks: Marks) -> None:
        self._display = display
        self._marks = marks
        self._texts = texts
        self._colours = [_colour(*rgb) for rgb in display.paint_rgba[:, :3].tolist()]
        self._states = list(zip(display.paint_rgba[:, 3].tolist(), display.paint_blend.tolist(), strict=True))
        self._heights: list[int] = display.page_size_um[:, 1].tolist()
        self._stretches, self._first_of_page = self._find_stretches()
        # All in a row, as code that stays in the processor's cache runs faster; the QR codes take most of the time.
        self._rect_sets = {
            ref: shapes.rect_set(display, ref, height_um) + b"\n"
            for height_um, (first, last) in zip(self._heights, pairwise(self._first_of_page), strict=True)
            for _, _, kind, _, ref, _, _ in self._stretches[first:last]
            if kind == _RECTS
        }

    def pages(self, first_page: int, last_page: int) -> Content:
        """Return the operators of the pages ``first_page … last_page - 1``."""
        content = Content([], [], [], [], [])
        for page in range(first_page, last_page):
            self._paint_page(page, content)
        return content

    def _paint_page(self, page: int, content: Content) -> None:
        operators: list[bytes] = []
        state, fill, stroke = PLAIN_STATE, b"", b""
        has_blend = False
        text = self._texts.operators
        stretches = self._stretches[self._first_of_page[page] : self._first_of_page[page + 1]]
        for begin, end, kind, paint, ref, mark, is_end in stretches:
            wanted = self._states[paint] if kind != _IMAGE else (_OPAQUE, self._states[paint][1])
            if wanted != state:
                state = wanted
                has_blend = True
                _note(content.states, state)
                operators.append(f"{state_name(state)} gs\n".encode("ascii"))
            colour = self._colours[paint]
            if kind == _LINE or (kind == _PATH and self._display.path_stroke_um[ref]):
                if colour != stroke:
                    operators.append(colour + b" RG\n")
                    stroke = colour
            elif kind != _IMAGE and colour != fill:
                operators.append(colour + b" rg\n")
                fill = colour
            if kind == _GLYPHS:
                operators.append(text[begin:end])
                continue
            if mark != NO_MARK:
                operators.append(begin_element(element_kind(kind), mark))
            operators.append(self._shape(kind, ref, self._heights[page], content))
            if is_end:
                operators.append(END_ELEMENT)
        content.marks.append(self._marks.kinds[page])
        content.pages.append(b"".join(operators))
        content.is_transparent.append(has_blend)

    def _find_stretches(self) -> tuple[list[tuple[int, int, int, int, int, int, bool]], list[int]]:
        """Find the stretches of items that are painted at once, and where each page's begin among them.

        All text of one paint in a row is one, any other item is one by itself. A stretch has begin and end of its text,
        kind, paint, first reference and, where it is no text, the mark that it begins and whether it ends one.
        """
        display = self._display
        kind, paint = display.item_kind, display.item_paint
        is_first = np.ones(len(kind) + 1, np.bool_)
        is_first[1:-1] = (kind[1:] != _GLYPHS) | (kind[:-1] != _GLYPHS) | (paint[1:] != paint[:-1])
        offsets = display.page_item_off.astype(np.int64)
        is_first[offsets] = True
        starts = is_first.nonzero()[0]
        places = self._texts.places(starts)
        columns = (kind, paint, display.item_ref, self._marks.begins, self._marks.ends)
        taken = (column[starts[:-1]].tolist() for column in columns)
        return list(zip(places[:-1], places[1:], *taken, strict=True)), starts.searchsorted(offsets).tolist()

    def _shape(self, kind: int, ref: int, height_um: int, content: Content) -> bytes:
        if kind == _RECTS:
            return self._rect_sets[ref]
        if kind == _LINE:
            shown = shapes.line(self._display, ref, height_um)
        elif kind == _PATH:
            shown = shapes.path(self._display, ref, height_um)
        else:
            picture = int(self._display.image_ref[ref])
            _note(content.images, picture)
            shown = shapes.image(self._display, ref, height_um, image_name(picture))
        return f"{shown}\n".encode("ascii")


def _note(seen: list[Entry], entry: Entry) -> None:
    if entry not in seen:
        seen.append(entry)


@lru_cache(maxsize=256)
def _colour(red: int, green: int, blue: int) -> bytes:
    return " ".join(number(channel / _OPAQUE, 4) for channel in (red, green, blue)).encode("ascii")
