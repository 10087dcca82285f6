"""The display list: a laid-out document as frozen integer arrays, read by every exporter.

A document is a struct of arrays: parallel columns, and CSR offsets (``*_off``, length n + 1) where one thing owns many.
There are no transforms, no groups and no graphics state; the order of items is the order of painting. Lengths are
int32 micrometres from the page's top left corner, y down. A batch is the same struct with more rows
(:mod:`render.display.batch`). A list is never a file format: between processes go invoices.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

I4 = NDArray[np.int32]
U4 = NDArray[np.uint32]
U2 = NDArray[np.uint16]
U1 = NDArray[np.uint8]

NO_BASE = -1


class Kind(IntEnum):
    """What an item paints; ``item_ref`` points into that kind's columns."""

    GLYPHS = 1
    RECTS = 2
    LINE = 3
    PATH = 4
    IMAGE = 5


class Verb(IntEnum):
    """One step of a path; takes 1, 1, 3 or 0 points."""

    MOVE = 0
    LINE = 1
    CUBIC = 2
    CLOSE = 3


class Blend(IntEnum):
    """How a paint meets what is below it."""

    NORMAL = 0
    MULTIPLY = 1


@dataclass(frozen=True, eq=False)
class DisplayList:
    """One or more laid-out documents.

    Documents, pages and items:
        doc_page_off: uint32[D+1], pages of each document.
        page_size_um: int32[P,2], width and height.
        page_item_off: uint32[P+1], items of each page.
        page_base: int32[P], index into ``bases`` of the background that lies under the page, NO_BASE = none.
        item_kind: uint8[N], a :class:`Kind`.
        item_paint: uint16[N], index into the paint tables.
        item_ref: uint32[N], index into runs, rect sets, lines, paths or images.
        item_tag: uint32[N], index into ``tags``: the meaning of the item ("buyer.name", "lines[3].amount").
        item_bbox_um: int32[N,4], left, top, right, bottom. Of a run: its advance box from 0.88 em above to 0.12 em
            below the baseline, not the ink.

    Text (a run is one line of glyphs of one face):
        run_font: uint16[R], index into ``fonts``.
        run_size_um: int32[R], em size.
        run_xscale: uint16[R], horizontal scale in per mille (1000 = none; condensed captions have 890).
        run_origin_um: int32[R,2], first baseline point.
        run_glyph_off: uint32[R+1].
        glyph_id: uint16[G].
        glyph_x_um: int32[G], absolute x of each glyph's origin, rounded from the exact running sum.
        glyph_char: uint32[G], the character that the glyph prints (Unicode scalar), so exported text is exact.

    Shapes:
        rectset_off: uint32[S+1]; rect_um: int32[Q,4] left, top, right, bottom, filled.
        line_um: int32[L,4] x0, y0, x1, y1; line_width_um: int32[L].
        path_verb_off: uint32[K+1]; path_point_off: uint32[K+1]; path_verb: uint8[V] (:class:`Verb`);
        path_point_um: int32[W,2]; path_stroke_um: int32[K], stroke width, 0 = filled by the non-zero rule.
        image_ref: uint16[M], index into ``images``; image_box_um: int32[M,4] left, top, right, bottom.

    Tables:
        paint_rgba: uint8[C,4]; paint_blend: uint8[C] (:class:`Blend`).
        tags, bases, fonts, images: names; the last three are content hashes, looked up in
        :class:`render.display.resources.Resources`.
    """

    doc_page_off: U4
    page_size_um: I4
    page_item_off: U4
    page_base: I4
    item_kind: U1
    item_paint: U2
    item_ref: U4
    item_tag: U4
    item_bbox_um: I4
    run_font: U2
    run_size_um: I4
    run_xscale: U2
    run_origin_um: I4
    run_glyph_off: U4
    glyph_id: U2
    glyph_x_um: I4
    glyph_char: U4
    rectset_off: U4
    rect_um: I4
    line_um: I4
    line_width_um: I4
    path_verb_off: U4
    path_point_off: U4
    path_verb: U1
    path_point_um: I4
    path_stroke_um: I4
    image_ref: U2
    image_box_um: I4
    paint_rgba: U1
    paint_blend: U1
    tags: tuple[str, ...]
    bases: tuple[str, ...]
    fonts: tuple[str, ...]
    images: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ARRAY_COLUMNS:
            getattr(self, name).flags.writeable = False

    @property
    def n_docs(self) -> int:
        """Number of documents."""
        return len(self.doc_page_off) - 1

    @property
    def n_pages(self) -> int:
        """Number of pages of all documents."""
        return len(self.page_base)

    @property
    def n_items(self) -> int:
        """Number of items of all pages."""
        return len(self.item_kind)

    @cached_property
    def digest(self) -> str:
        """``blake2b:<64 hex>`` over column names, shapes, types and bytes, and the tables of names."""
        state = hashlib.blake2b(digest_size=32)
        for name in ARRAY_COLUMNS:
            array = getattr(self, name)
            state.update(f"{name}{array.dtype.str}{array.shape}".encode())
            state.update(np.ascontiguousarray(array).data)
        for name in TABLE_COLUMNS:
            state.update("\0".join((name, *getattr(self, name))).encode())
        return f"blake2b:{state.hexdigest()}"

    def run_text(self, run: int) -> str:
        """Return the text that a run prints."""
        chars = self.glyph_char[self.run_glyph_off[run] : self.run_glyph_off[run + 1]]
        return chars.astype("<u4").tobytes().decode("utf-32-le")

    def tag_of(self, item: int) -> str:
        """Return the meaning of an item."""
        return self.tags[int(self.item_tag[item])]

    def items_tagged(self, tag: str) -> list[int]:
        """Return the items with this exact tag, in paint order."""
        if tag not in self.tags:
            return []
        return [int(item) for item in np.flatnonzero(self.item_tag == self.tags.index(tag))]


OFFSET_COLUMNS = {
    "doc_page_off": "page_base",
    "page_item_off": "item_kind",
    "run_glyph_off": "glyph_id",
    "rectset_off": "rect_um",
    "path_verb_off": "path_verb",
    "path_point_off": "path_point_um",
}
"""Columns of offsets, and the column whose rows each of them divides."""

TABLE_COLUMNS = ("tags", "bases", "fonts", "images")
ARRAY_COLUMNS = tuple(column.name for column in fields(DisplayList) if column.name not in TABLE_COLUMNS)
