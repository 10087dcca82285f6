"""Micrometres to pixels: where every glyph, shape and rectangle of a display list lies at one resolution.

Text and curves keep sub-pixel places (glyphs a quarter of a pixel across, whole pixels down). Straight things are
snapped to the grid so that they print crisp: a rectangle's edges are rounded one by one, so rectangles that share an
edge in micrometres (QR modules) share it in pixels; a horizontal or vertical line gets its width rounded first, so
rules of equal width stay equal wherever they lie (:mod:`render.raster.snapping`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList, Kind, Verb
from render.raster.atlas import Glyphs, Shape
from render.raster.keys import PHASES
from render.raster.outline import PX
from render.raster.snapping import round_edges, scale, snap_lines

I8 = NDArray[np.int64]

# A member of an enumeration takes longer to look up than a page's items to compare with it.
_GLYPHS, _RECTS, _LINE, _PATH, _IMAGE = map(int, (Kind.GLYPHS, Kind.RECTS, Kind.LINE, Kind.PATH, Kind.IMAGE))


@dataclass(frozen=True, eq=False, slots=True)
class Placement:
    """A display list in pixels. All parts are sorted by item, and so by page.

    Attributes:
        item_page: int64[N].
        glyphs: what to look up in the atlas; glyph_item, glyph_x, glyph_y: int64[G], item and pixel of the origin.
        shapes: paths and slanting lines; shape_item, shape_x, shape_y: int64[K].
        rect_px: int32[Q, 4], half open; rect_item: int64[Q]. Rectangles, and lines along the axes.
        image_px: int32[M, 4]; image_item: int64[M].
    """

    item_page: I8
    glyphs: Glyphs
    glyph_item: I8
    glyph_x: I8
    glyph_y: I8
    shapes: tuple[Shape, ...]
    shape_item: I8
    shape_x: I8
    shape_y: I8
    rect_px: NDArray[np.int32]
    rect_item: I8
    image_px: NDArray[np.int32]
    image_item: I8


def place(display: DisplayList, dpi: int) -> Placement:
    """Return where everything lies at ``dpi``."""
    item_off = display.page_item_off.astype(np.int64)
    item_page = np.arange(display.n_pages).repeat(item_off[1:] - item_off[:-1])
    shapes, shape_origin, shape_item = _place_shapes(display, dpi)
    rect_px, rect_item = _place_rects(display, item_page, dpi)
    image_item = _items(display, _IMAGE)
    image_px = np.zeros((0, 4), np.int32)
    if len(image_item):
        image_px = round_edges(display.image_box_um[display.item_ref[image_item]], dpi)
    glyphs, glyph_item, glyph_x, glyph_y = _place_glyphs(display, dpi)
    return Placement(
        item_page=item_page,
        glyphs=glyphs,
        glyph_item=glyph_item,
        glyph_x=glyph_x,
        glyph_y=glyph_y,
        shapes=shapes,
        shape_item=shape_item,
        shape_x=shape_origin[:, 0],
        shape_y=shape_origin[:, 1],
        rect_px=rect_px,
        rect_item=rect_item,
        image_px=image_px,
        image_item=image_item,
    )


def _items(display: DisplayList, kind: int) -> I8:
    return np.asarray((display.item_kind == kind).nonzero()[0])


def _place_glyphs(display: DisplayList, dpi: int) -> tuple[Glyphs, I8, I8, I8]:
    items = _items(display, _GLYPHS)
    runs = display.item_ref[items].astype(np.int64)
    offsets = display.run_glyph_off.astype(np.int64)
    lengths = offsets[runs + 1] - offsets[runs]
    run_of = runs.repeat(lengths)
    # Runs need not stand in the order of their items; this is each glyph's place in the list's columns.
    ends = lengths.cumsum()
    source = np.arange(len(run_of)) + (offsets[runs] - ends + lengths).repeat(lengths)
    quarters = scale(display.glyph_x_um[source], dpi, PHASES)
    glyphs = Glyphs(
        fonts=display.fonts,
        run_font=display.run_font.astype(np.int64),
        run_size=scale(display.run_size_um, dpi, PX),
        run_xscale=display.run_xscale.astype(np.int64),
        run_of=run_of,
        glyph_id=display.glyph_id[source],
        phase=quarters % PHASES,
    )
    baseline = scale(display.run_origin_um[:, 1], dpi)[run_of]
    return glyphs, items.repeat(lengths), quarters // PHASES, baseline


def _place_shapes(display: DisplayList, dpi: int) -> tuple[tuple[Shape, ...], I8, I8]:
    """Return paths and slanting lines as shapes near the origin, their origins' pixels, and their items."""
    kinds = display.item_kind
    drawn = ((kinds == _PATH) | (kinds == _LINE)).nonzero()[0].tolist()
    if not drawn:
        return (), np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    shapes, origins, items = [], [], []
    line = display.line_um
    slanting = (line[:, 0] != line[:, 2]) & (line[:, 1] != line[:, 3])
    for item in drawn:
        ref = int(display.item_ref[item])
        if kinds[item] == _PATH:
            verbs = display.path_verb[display.path_verb_off[ref] : display.path_verb_off[ref + 1]]
            points = display.path_point_um[display.path_point_off[ref] : display.path_point_off[ref + 1]]
            stroke_um = display.path_stroke_um[ref]
        elif slanting[ref]:
            verbs, points = np.array([Verb.MOVE, Verb.LINE], np.uint8), line[ref].reshape(2, 2)
            stroke_um = display.line_width_um[ref]
        else:
            continue
        if not len(points):
            continue
        fine = scale(points, dpi, PX)
        origin = fine.min(axis=0) // PX
        stroke = max(1, int(scale(stroke_um, dpi, PX))) if stroke_um else 0
        shapes.append(Shape(verbs, fine - origin * PX, stroke))
        origins.append(origin)
        items.append(item)
    return tuple(shapes), np.array(origins, np.int64).reshape(-1, 2), np.array(items, np.int64)


def _place_rects(display: DisplayList, item_page: I8, dpi: int) -> tuple[NDArray[np.int32], I8]:
    """Return rectangles and axis-parallel lines in pixels, and their items, sorted by item."""
    set_items = _items(display, _RECTS)
    sets = display.item_ref[set_items].astype(np.int64)
    offsets = display.rectset_off.astype(np.int64)
    lengths = offsets[sets + 1] - offsets[sets]
    source = np.arange(lengths.sum()) - (lengths.cumsum() - lengths - offsets[sets]).repeat(lengths)
    rects, rect_items = round_edges(display.rect_um[source], dpi), set_items.repeat(lengths)
    line_items = _items(display, _LINE)
    # Most pages of a batch have no lines of their own, and what follows costs as much as all the rest of such a page.
    if not len(line_items):
        return rects, rect_items
    refs = display.item_ref[line_items]
    same_ink = item_page[line_items] * len(display.paint_rgba) + display.item_paint[line_items]
    lines, is_straight = snap_lines(display.line_um[refs], display.line_width_um[refs], same_ink, dpi)
    joined = np.concatenate([rects, lines[is_straight]])
    items = np.concatenate([rect_items, line_items[is_straight]])
    order = np.argsort(items, kind="stable")
    return np.ascontiguousarray(joined[order]), items[order]
