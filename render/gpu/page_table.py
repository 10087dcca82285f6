"""The table that describes the pages of a batch to every kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.gpu.signatures import (
    PAGE_COLUMNS,
    Page,
    Sizes,
    pieces_of,
    pitch_of,
    tiles_of,
)


@dataclass(frozen=True, slots=True)
class PageShape:
    """One page of a batch.

    Attributes:
        width, height: pixels, at least 1.
        ground_off: where its ground begins in ``grounds``.
        depth: bits of a pixel in the PNG.
        table: row of ``codes`` and ``headers``.
    """

    width: int
    height: int
    ground_off: int
    depth: int = 8
    table: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class PageTable:
    """The table int64[B, PAGE_COLUMNS], and how much memory its batch needs.

    Attributes:
        page_bytes: length of ``pages``.
        n_tiles, n_pieces: sums over all pages; max_tiles, max_pieces: of the page that has most.
    """

    rows: NDArray[np.int64]
    page_bytes: int
    n_tiles: int
    n_pieces: int
    max_tiles: int
    max_pieces: int

    @classmethod
    def of(cls, shapes: Sequence[PageShape]) -> PageTable:
        """Give every page its place in ``pages``, among the tiles and among the pieces, in order."""
        rows = np.zeros((len(shapes), PAGE_COLUMNS), np.int64)
        page_off = n_tiles = n_pieces = max_tiles = max_pieces = 0
        for row, shape in zip(rows, shapes, strict=True):
            pitch = pitch_of(shape.width)
            row[Page.WIDTH], row[Page.HEIGHT], row[Page.PITCH] = shape.width, shape.height, pitch
            row[Page.GROUND_OFF], row[Page.PAGE_OFF] = shape.ground_off, page_off
            row[Page.DEPTH], row[Page.TABLE] = shape.depth, shape.table
            row[Page.FIRST_TILE], row[Page.FIRST_PIECE] = n_tiles, n_pieces
            tiles = tiles_of(shape.width, shape.height)
            pieces = pieces_of(shape.width, shape.height, shape.depth)
            page_off, n_tiles, n_pieces = page_off + pitch * shape.height, n_tiles + tiles, n_pieces + pieces
            max_tiles, max_pieces = max(max_tiles, tiles), max(max_pieces, pieces)
        return cls(rows, page_off, n_tiles, n_pieces, max_tiles, max_pieces)

    def sizes(self, n_items: int) -> Sizes:
        """Return what launches for this batch with so many stamps and rectangles depend on."""
        return Sizes(n_items, len(self.rows), self.max_tiles, self.max_pieces)
