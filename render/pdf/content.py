"""Content streams: the items of each page in paint order (ISO 32000-1, clause 8).

One unit of user space is a micrometre once :data:`SCALE` is set; colours change only where the next item differs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from render.display.list import Blend, DisplayList, Kind
from render.pdf import shapes
from render.pdf.syntax import number
from render.pdf.text import TextObjects
from render.units import um_to_pt

SCALE = f"{number(um_to_pt(1), 12)} 0 0 {number(um_to_pt(1), 12)} 0 0 cm"
"""Makes a micrometre of a length 1; twelve decimals keep 400 mm right to a millionth of a point."""

_OPAQUE = 255
_LARGE_SHAPE = 1_000
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
        images: indices of the pictures that are drawn.
        shapes: large paths that are named; the place in this list is in the name.
        states: graphics states that are set.
        is_transparent: for each page, whether an item is blended or translucent.
    """

    pages: list[list[str]]
    images: list[int]
    shapes: list[shapes.PathShape]
    states: list[PaintState]
    is_transparent: list[bool]


def image_name(image: int) -> str:
    """Return the resource name of a picture."""
    return f"/I{image}"


def shape_name(shape: int) -> str:
    """Return the resource name of a kept shape."""
    return f"/S{shape}"


def state_name(state: PaintState) -> str:
    """Return the resource name of a graphics state."""
    return f"/G{state[1]}a{state[0]}"


def state_dictionary(state: PaintState) -> str:
    """Return a graphics state that sets alpha and blend mode (ISO 32000-1, 8.4.5)."""
    alpha = number(state[0] / _OPAQUE, 4)
    return f"<</Type/ExtGState/BM/{_BLEND_NAME[Blend(state[1])]}/ca {alpha}/CA {alpha}>>"


def page_contents(
    display: DisplayList, first_page: int, last_page: int, texts: TextObjects, *, keep_shapes: bool = False
) -> Content:
    """Return the operators of consecutive pages of a display list.

    Args:
        display: the list that holds them.
        first_page: the first page.
        last_page: the page behind the last one.
        texts: the list's text.
        keep_shapes: name large paths instead of writing them out, so that pages can share them.
    """
    offsets = display.page_item_off[first_page : last_page + 1].tolist()
    first, last = offsets[0], offsets[-1]
    painter = _Painter(display, texts.of_items(first, last), keep_shapes=keep_shapes)
    columns = (display.item_kind, display.item_paint, display.item_ref)
    items = list(zip(*(column[first:last].tolist() for column in columns), strict=True))
    heights = display.page_size_um[first_page:last_page, 1].tolist()
    for (start, end), height in zip(itertools.pairwise(offsets), heights, strict=True):
        painter.paint_page(items[start - first : end - first], height)
    named = (list(painter.images), list(painter.shapes), list(painter.states))
    return Content(painter.pages, *named, painter.is_transparent)


class _Painter:
    """Walks items in paint order and changes colour and state only where the next item differs."""

    def __init__(self, display: DisplayList, texts: Iterator[str], *, keep_shapes: bool) -> None:
        self._display = display
        self._keep_shapes = keep_shapes
        self.shapes: dict[shapes.PathShape, int] = {}
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
        settled = -1
        for kind, paint, ref in items:
            # Most of a page is text of one paint.
            if kind == Kind.GLYPHS and paint == settled:
                operators.append(next(self._texts))
                continue
            settled = -1
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
            elif kind != Kind.IMAGE:
                settled = paint
                if colour != fill:
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
            shape = shapes.path(self._display, ref)
            shown = shape.operators
            if self._keep_shapes and len(shown) >= _LARGE_SHAPE:
                shown = f"{shape_name(self.shapes.setdefault(shape, len(self.shapes)))} Do"
            return shapes.path_place(self._display, ref, height_um, shown)
        picture = int(self._display.image_ref[ref])
        self.images[picture] = None
        return shapes.image(self._display, ref, height_um, image_name(picture))
