"""Compiles static content to a ground: palette indices of a whole page, kept and copied for every page made on it.

Here and only here colours are blended, in RGB and in paint order, by 8-bit integers with exact rounding. Coverage is
first rounded to the steps of a ramp, so that the static part and the variable part of a page share their palette.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import Blend, DisplayList, Kind
from render.display.resources import Picture
from render.pixels import PageGround
from render.raster.atlas import Found
from render.raster.palette import (
    Ink,
    Palette,
    alpha_of_level,
    divide_255,
    level_of_coverage,
    make_palette,
    nearest_entries,
    pack,
    ramp_levels,
)
from render.raster.picture import resample
from render.raster.placement import Placement

FULL = 255


@dataclass(frozen=True, eq=False, slots=True)
class Ground:
    """A compiled background: palette indices, read-only, and the palette."""

    page: PageGround
    palette: Palette

    @property
    def index(self) -> NDArray[np.uint8]:
        """uint8[H, W] palette indices."""
        return self.page.index

    @property
    def nbytes(self) -> int:
        """Memory that the ground holds."""
        return self.index.nbytes


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """One page of a display list, ready to be painted."""

    display: DisplayList
    placement: Placement
    found: Found
    page: int


def compile_ground(
    layers: Sequence[Layer],
    size_px: tuple[int, int],
    inks: Sequence[Ink],
    pictures: Mapping[str, Picture],
) -> Ground:
    """Paint layers over each other on white and return their indices in a palette with a ramp for every ink.

    Args:
        layers: the lowest first.
        size_px: width and height.
        inks: colours that variable content will use.
        pictures: by digest.

    Raises:
        ValueError: more inks than a palette holds.
    """
    width, height = size_px
    canvas = np.full((height, width, 3), 255, np.uint8)
    alpha_of_coverage = alpha_of_level(ramp_levels(len(inks)))[level_of_coverage(ramp_levels(len(inks)))]
    is_painted = np.zeros((height, width), bool)
    for layer in layers:
        _Painter(canvas, is_painted, layer, alpha_of_coverage, pictures).paint()
    painted = np.flatnonzero(is_painted)
    packed = pack(canvas.reshape(-1, 3)[painted])
    colours, which, counts = np.unique(packed, return_inverse=True, return_counts=True)
    palette = make_palette(inks, colours, counts)
    index = np.zeros((height, width), np.uint8)
    index.reshape(-1)[painted] = nearest_entries(colours, palette)[which]
    index.flags.writeable = False
    return Ground(PageGround(index), palette)


class _Painter:
    """Paints one layer onto an RGB canvas."""

    def __init__(
        self,
        canvas: NDArray[np.uint8],
        is_painted: NDArray[np.bool_],
        layer: Layer,
        alpha_of_coverage: NDArray[np.uint8],
        pictures: Mapping[str, Picture],
    ) -> None:
        self._canvas = canvas
        self._is_painted = is_painted
        self._layer = layer
        self._alpha_of_coverage = alpha_of_coverage
        self._pictures = pictures

    def paint(self) -> None:
        """Paint the items of the layer's page in order."""
        display = self._layer.display
        first, last = display.page_item_off[self._layer.page : self._layer.page + 2].tolist()
        draw = {
            Kind.GLYPHS: self._glyphs,
            Kind.RECTS: self._rects,
            Kind.LINE: self._line,
            Kind.PATH: self._shapes,
            Kind.IMAGE: self._image,
        }
        for item in range(first, last):
            draw[Kind(display.item_kind[item])](item)

    def _glyphs(self, item: int) -> None:
        placement = self._layer.placement
        for glyph in _rows_of(placement.glyph_item, item):
            slot = int(self._layer.found.glyph_slot[glyph])
            self._cell(slot, int(placement.glyph_x[glyph]), int(placement.glyph_y[glyph]), item)

    def _shapes(self, item: int) -> None:
        placement = self._layer.placement
        for shape in _rows_of(placement.shape_item, item):
            slot = int(self._layer.found.shape_slot[shape])
            self._cell(slot, int(placement.shape_x[shape]), int(placement.shape_y[shape]), item)

    def _line(self, item: int) -> None:
        self._rects(item)
        self._shapes(item)

    def _rects(self, item: int) -> None:
        for rect in _rows_of(self._layer.placement.rect_item, item):
            left, top, right, bottom = self._layer.placement.rect_px[rect].tolist()
            solid = np.full((max(0, bottom - top), max(0, right - left)), FULL, np.uint8)
            self._blend(left, top, solid, item)

    def _cell(self, slot: int, x: int, y: int, item: int) -> None:
        cells = self._layer.found.cells
        alpha = self._alpha_of_coverage[cells.cell(slot)]
        self._blend(x + int(cells.left[slot]), y + int(cells.top[slot]), alpha, item)

    def _blend(self, left: int, top: int, alpha: NDArray[np.uint8], item: int) -> None:
        *rgb, opacity = self._layer.display.paint_rgba[self._layer.display.item_paint[item]].tolist()
        if opacity != FULL:
            alpha = divide_255(alpha.astype(np.uint32) * np.uint32(opacity)).astype(np.uint8)
        source = np.broadcast_to(np.array(rgb, np.uint8), (*alpha.shape, 3))
        self._merge(left, top, source, alpha, item)

    def _image(self, item: int) -> None:
        display, placement = self._layer.display, self._layer.placement
        for image in _rows_of(placement.image_item, item):
            left, top, right, bottom = placement.image_px[image].tolist()
            if right <= left or bottom <= top:
                continue
            name = display.images[display.image_ref[display.item_ref[item]]]
            rgba = resample(self._pictures[name].rgba, right - left, bottom - top)
            self._merge(left, top, rgba[..., :3], rgba[..., 3], item)

    def _merge(self, left: int, top: int, rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], item: int) -> None:
        """Blend colours with alpha onto the canvas, as far as they lie on it."""
        height, width = self._canvas.shape[:2]
        row, column = np.nonzero(alpha)
        y, x = row + top, column + left
        is_on_page = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        row, column, y, x = row[is_on_page], column[is_on_page], y[is_on_page], x[is_on_page]
        strength = alpha[row, column, None].astype(np.uint32)
        source = rgb[row, column].astype(np.uint32)
        below = self._canvas[y, x].astype(np.uint32)
        display = self._layer.display
        if display.paint_blend[display.item_paint[item]] == Blend.MULTIPLY:
            source = divide_255(source * below)
        self._canvas[y, x] = divide_255(source * strength + below * (FULL - strength))
        self._is_painted[y, x] = True


def _rows_of(sorted_items: NDArray[np.int64], item: int) -> range:
    start, end = np.searchsorted(sorted_items, [item, item + 1]).tolist()
    return range(start, end)
