"""Content streams: the items of each page in paint order (ISO 32000-1, clause 8).

One unit of user space is a micrometre once :data:`SCALE` is set; colours change only where the next item differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import Blend, DisplayList, Kind
from render.fonts.book import FontBook
from render.pdf import shapes
from render.pdf.syntax import number
from render.pdf.text import GlyphRows, assign_codes, text_objects
from render.units import um_to_pt

SCALE = f"{number(um_to_pt(1), 12)} 0 0 {number(um_to_pt(1), 12)} 0 0 cm"
"""Makes a micrometre of a length 1; twelve decimals keep 400 mm right to a millionth of a point."""

_OPAQUE = 255
_BLEND_NAME = {Blend.NORMAL: "Normal", Blend.MULTIPLY: "Multiply"}

PaintState = tuple[int, int]
"""Alpha and blend mode."""

PLAIN_STATE: PaintState = (_OPAQUE, int(Blend.NORMAL))
"""What a content stream starts with."""


@dataclass(frozen=True, slots=True)
class Content:
    """Operators of consecutive pages and what they name.

    Attributes:
        pages: for each page the operators of its items, without scale and background.
        pairs: for each face's index the pairs of glyph and character that are shown, see :mod:`render.pdf.font`.
        images: indices of the pictures that are drawn.
        states: graphics states that are set.
        is_transparent: for each page, whether an item is blended or translucent.
    """

    pages: list[list[str]]
    pairs: dict[int, NDArray[np.int64]]
    images: list[int]
    states: list[PaintState]
    is_transparent: list[bool]


def font_name(prefix: str, face: int) -> str:
    """Return the resource name of a face's font."""
    return f"/{prefix}{face}"


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


def page_contents(display: DisplayList, first_page: int, last_page: int, fonts: FontBook, prefix: str) -> Content:
    """Return the operators of consecutive pages of a display list.

    Args:
        display: the list that holds them.
        first_page: the first page.
        last_page: the page behind the last one.
        fonts: the book that the list was laid out with.
        prefix: begins the resource names of fonts, ``/<prefix><index of the face>``.
    """
    offsets = display.page_item_off[first_page : last_page + 1].astype(np.int64)
    items = slice(int(offsets[0]), int(offsets[-1]))
    page_of_item = np.repeat(np.arange(first_page, last_page), np.diff(offsets))
    is_run = display.item_kind[items] == Kind.GLYPHS
    runs = display.item_ref[items][is_run].astype(np.int64)
    texts, pairs = _texts(display, fonts, runs, page_of_item[is_run], prefix)
    painter = _Painter(display, iter(texts))
    starts = (offsets - offsets[0]).tolist()
    rows = np.stack([display.item_kind[items], display.item_paint[items], display.item_ref[items]], axis=1).tolist()
    for place in range(last_page - first_page):
        height = int(display.page_size_um[first_page + place, 1])
        painter.paint_page(rows[starts[place] : starts[place + 1]], height)
    return Content(painter.pages, pairs, list(painter.images), list(painter.states), painter.is_transparent)


def _texts(
    display: DisplayList, fonts: FontBook, runs: NDArray[np.int64], page_of_run: NDArray[np.int64], prefix: str
) -> tuple[list[str], dict[int, NDArray[np.int64]]]:
    if not len(runs):
        return [], {}
    rows = GlyphRows.gather(display, runs)
    pairs, codes = assign_codes(display, rows)
    baseline = display.page_size_um[page_of_run, 1].astype(np.int64) - display.run_origin_um[runs, 1]
    is_fresh = np.ones(len(runs), np.bool_)
    is_fresh[1:] = page_of_run[1:] != page_of_run[:-1]
    names = {face: font_name(prefix, face) for face in pairs}
    return text_objects(display, fonts, rows, codes, baseline, is_fresh, names), pairs


class _Painter:
    """Walks items in paint order and changes colour and state only where the next item differs."""

    def __init__(self, display: DisplayList, texts: Iterator[str]) -> None:
        self._display = display
        self._texts = texts
        self._colours = [" ".join(number(c / _OPAQUE, 4) for c in rgb) for rgb in display.paint_rgba[:, :3].tolist()]
        self._states = list(zip(display.paint_rgba[:, 3].tolist(), display.paint_blend.tolist(), strict=True))
        self.pages: list[list[str]] = []
        self.images: dict[int, None] = {}
        self.states: dict[PaintState, None] = {}
        self.is_transparent: list[bool] = []

    def paint_page(self, items: Sequence[Sequence[int]], height_um: int) -> None:
        """Append a page of items, each kind, paint and reference."""
        operators: list[str] = []
        state, fill, stroke = PLAIN_STATE, "", ""
        has_blend = False
        for kind, paint, ref in items:
            wanted = self._states[paint] if kind != Kind.IMAGE else (_OPAQUE, self._states[paint][1])
            if wanted != state:
                state = wanted
                has_blend = True
                self.states[state] = None
                operators.append(f"{state_name(state)} gs")
            colour = self._colours[paint]
            if kind == Kind.LINE or (kind == Kind.PATH and self._display.path_stroke_um[ref]):
                if colour != stroke:
                    operators.append(f"{colour} RG")
                    stroke = colour
            elif kind != Kind.IMAGE and colour != fill:
                operators.append(f"{colour} rg")
                fill = colour
            operators.append(self._operators(kind, ref, height_um))
        self.pages.append(operators)
        self.is_transparent.append(has_blend)

    def _operators(self, kind: int, ref: int, height_um: int) -> str:
        if kind == Kind.GLYPHS:
            return next(self._texts)
        if kind == Kind.RECTS:
            return shapes.rect_set(self._display, ref, height_um)
        if kind == Kind.LINE:
            return shapes.line(self._display, ref, height_um)
        if kind == Kind.PATH:
            return shapes.path(self._display, ref, height_um)
        picture = int(self._display.image_ref[ref])
        self.images[picture] = None
        return shapes.image(self._display, ref, height_um, image_name(picture))
