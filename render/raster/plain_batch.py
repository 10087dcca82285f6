"""Display lists that hold text and boxes alone, in plain paints, as most pages do: placed and looked up in one pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled
from render.display.list import DisplayList
from render.raster.keys import EMPTY
from render.raster.palette import Ink
from render.raster.stamps import NO_TONE, Stamps

I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]


@dataclass(frozen=True, eq=False, slots=True)
class KindInks:
    """What the paints of a list come to on pages of one ground.

    Attributes:
        tones: by paint, 256 bytes, coverage to palette index.
        solid: uint8[1, C], each paint's index where it covers all.
    """

    tones: tuple[bytes, ...]
    solid: U1

    @classmethod
    def of(cls, inks: Sequence[Ink], tones: Mapping[Ink, U1]) -> KindInks:
        """Return what paints of some colours come to, given the tones of those that pages use."""
        names = tuple(tones[ink].tobytes() if ink in tones else NO_TONE.tobytes() for ink in inks)
        return cls(names, np.array([[name[-1] for name in names]], np.uint8))


class InksOfPages(NamedTuple):
    """The inks of the kinds of pages of a batch, uint8[K, C] of solid paints, and int64[P], the kind of each page."""

    of_kind: Sequence[KindInks]
    solid: U1
    kinds: I8

    @classmethod
    def of(cls, of_kind: Sequence[KindInks], kinds: Sequence[int]) -> InksOfPages:
        """Put the kinds of pages together."""
        solid = of_kind[0].solid if len(of_kind) == 1 else np.concatenate([inks.solid for inks in of_kind])
        return cls(of_kind, solid, np.array(kinds, np.int64))


class Missing(NamedTuple):
    """Keys that an atlas lacks: of styles, or else of glyphs."""

    keys: I8
    are_styles: bool


@dataclass(frozen=True, eq=False, slots=True)
class PlainBatch:
    """A list that was surveyed.

    Attributes:
        columns: of the display list, as the kernels take them.
        used: uint8[P, C], 1 where a page uses a paint.
        n_stamps, n_rects: on all pages.
    """

    columns: tuple[NDArray[Any], ...]
    used: U1
    n_stamps: int
    n_rects: int

    @classmethod
    def of(cls, display: DisplayList, is_plain: U1, n_fonts: int) -> PlainBatch | None:
        """Return a list that holds nothing but text and boxes; None of any other, or where nothing is compiled.

        Args:
            display: the list.
            is_plain: uint8[C], 1 for each paint that "darker wins" expresses.
            n_fonts: as many faces as the atlas knows, in the order of those of the list.
        """
        kernels = _kernels()
        if kernels is None or not display.n_pages or len(display.page_item_off) != display.n_pages + 1:
            return None
        columns = _columns(display)
        used, totals = np.zeros((display.n_pages, len(is_plain)), np.uint8), np.zeros(2, np.int64)
        if not kernels.survey_items(*columns, is_plain, n_fonts, used, totals):
            return None
        n_stamps, n_rects = totals.tolist()
        return cls(columns, used, n_stamps, n_rects)

    def stamps(
        self, dpi: int, styles: I8, keys: I8, metrics: I8, inks: InksOfPages, tone_start: I8, toned: U1
    ) -> tuple[Stamps, Missing]:
        """Return the compositor's arguments; void if anything is missing.

        Args:
            dpi: dots per inch.
            styles: see :func:`render.raster.kernels.find_stamps.find_stamps_scalar`, as for what has no type here.
            keys: of glyphs.
            metrics: of cells.
            inks: of the pages.
            tone_start: of their kinds.
            toned: uint8[T, N], cells in all tones.
        """
        kernels = _kernels()
        if kernels is None:
            raise RuntimeError("nothing was surveyed")
        start, columns = np.empty(self.n_stamps, np.int64), np.empty((4, self.n_stamps), np.int32)
        rect_px, rect_index = np.empty((self.n_rects, 4), np.int32), np.empty(self.n_rects, np.uint8)
        off, missing = np.empty((2, len(self.used) + 1), np.int64), np.empty(self.n_stamps, np.int64)
        n_missing = kernels.find_stamps(
            *self.columns,
            dpi,
            styles,
            keys,
            metrics,
            inks.kinds,
            tone_start,
            inks.solid,
            start,
            columns,
            rect_px,
            rect_index,
            off,
            missing,
        )
        stamps = Stamps(toned.reshape(-1), (start, *columns), off[0], rect_px, rect_index, off[1])
        return stamps, Missing(missing[: abs(n_missing)], n_missing < 0)


def table_of(keys: I8, values: I8) -> I8:
    """Return a table of keys, each of which is there once, for the kernels; without them it stays empty."""
    table = np.full((2 << max(1, len(keys)).bit_length(), 2), EMPTY, np.int64)
    if (kernels := _kernels()) is not None:
        kernels.fill_table(keys, values, table)
    return table


def _columns(display: DisplayList) -> tuple[NDArray[Any], ...]:
    """Return the columns that the kernels take, in their order."""
    columns = (
        display.page_item_off,
        display.item_kind,
        display.item_paint,
        display.item_ref,
        display.run_font,
        display.run_size_um,
        display.run_xscale,
        display.run_origin_um,
        display.run_glyph_off,
        display.glyph_id,
        display.glyph_x_um,
        display.rectset_off,
        display.rect_um,
    )
    return tuple(column if column.flags.c_contiguous else np.ascontiguousarray(column) for column in columns)


class _Kernels(NamedTuple):
    fill_table: Callable[..., None]
    survey_items: Callable[..., bool]
    find_stamps: Callable[..., int]


# Compiled when first used: importing Numba takes longer than a small picture.
@functools.cache
def _kernels() -> _Kernels | None:
    """Return the kernels, or None where they cannot be compiled: as plain Python they would be the longer way."""
    from render.raster.kernels import find_stamps as source

    kernels = _Kernels(
        compiled(source.fill_table_scalar, source.FILL_TABLE_SIGNATURE),
        compiled(source.survey_items_scalar, source.SURVEY_ITEMS_SIGNATURE),
        compiled(source.find_stamps_scalar, source.FIND_STAMPS_SIGNATURE),
    )
    return None if kernels.find_stamps is source.find_stamps_scalar else kernels
