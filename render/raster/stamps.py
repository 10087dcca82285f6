"""The compositor's arguments for a whole batch, made by array operations from placements and atlas slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList
from render.raster.palette import Ink

if TYPE_CHECKING:
    from render.raster.atlas import Found
    from render.raster.background import Ground
    from render.raster.placement import Placement

# Row 0: for paints that a page does not use, and for pages that are compiled whole.
NO_TONE = np.zeros(256, np.uint8)


@dataclass(frozen=True, eq=False)
class Tones:
    """The distinct tones of a batch, and which one a paint has on a page: int64[P, C], row in ``tables``."""

    tables: list[NDArray[np.uint8]]
    row: NDArray[np.int64]

    @classmethod
    def of(cls, inks: Sequence[Ink], grounds: Sequence[Ground | None]) -> Tones:
        """Collect the tones of the grounds of all pages; None stands for a page that is compiled whole.

        Args:
            inks: the colour of each paint.
            grounds: by page.
        """
        place_of = {NO_TONE.tobytes(): 0}
        rows: dict[int, list[int]] = {}
        tables = [NO_TONE]
        table = np.zeros((len(grounds), len(inks)), np.int64)
        for page, ground in enumerate(grounds):
            if ground is None:
                continue
            if id(ground) not in rows:
                rows[id(ground)] = []
                for ink in inks:
                    tone = ground.palette.tones.get(ink, NO_TONE)
                    row = place_of.setdefault(tone.tobytes(), len(place_of))
                    if row == len(tables):
                        tables.append(tone)
                    rows[id(ground)].append(row)
            table[page] = rows[id(ground)]
        return cls(tables, table)

    @cached_property
    def solid(self) -> NDArray[np.uint8]:
        """uint8[P, C], the index of each paint on a page where it covers all."""
        return np.array([table[-1] for table in self.tables], np.uint8)[self.row]


@dataclass(frozen=True, eq=False, slots=True)
class Stamps:
    """The compositor's arguments for all pages, sorted by page, with the offsets of each page."""

    cells: NDArray[np.uint8]
    columns: tuple[NDArray[np.int64] | NDArray[np.int32], ...]
    off: NDArray[np.int64]
    rect_px: NDArray[np.int32]
    rect_index: NDArray[np.uint8]
    rect_off: NDArray[np.int64]

    @classmethod
    def of(cls, display: DisplayList, placement: Placement, found: Found, tones: Tones) -> Stamps:
        """Look up every glyph's and shape's cell, in its page's tone, and every rectangle's index."""
        item, slot, x, y = placement.glyph_item, found.glyph_slot, placement.glyph_x, placement.glyph_y
        if len(placement.shape_item):
            item = np.concatenate([item, placement.shape_item])
            order = np.argsort(item, kind="stable")
            item = item[order]
            slot = np.concatenate([slot, found.shape_slot])[order]
            x = np.concatenate([x, placement.shape_x])[order]
            y = np.concatenate([y, placement.shape_y])[order]
        cells = found.cells
        page_of, paint_of = placement.item_page, display.item_paint
        tone = tones.row[page_of[item], paint_of[item]]
        start = cells.start[slot] + found.tone_row[tone] * cells.toned.shape[1]
        left = (x + cells.left[slot]).astype(np.int32)
        top = (y + cells.top[slot]).astype(np.int32)
        rect_item = placement.rect_item
        rect_index = tones.solid[page_of[rect_item], paint_of[rect_item]]
        bounds = display.page_item_off.astype(np.int64)
        return cls(
            cells.toned.reshape(-1),
            (start, cells.pitch[slot], cells.rows[slot], left, top),
            np.searchsorted(item, bounds),
            placement.rect_px,
            rect_index,
            np.searchsorted(rect_item, bounds),
        )

    def on_page(self, page: int) -> tuple[NDArray[np.generic], ...]:
        """Return the arguments of the compositor after ``page`` and ``ground``."""
        stamps = slice(self.off[page], self.off[page + 1])
        rects = slice(self.rect_off[page], self.rect_off[page + 1])
        return (self.cells, *(column[stamps] for column in self.columns), self.rect_px[rects], self.rect_index[rects])
