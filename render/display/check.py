"""Invariants that every display list keeps; exporters rely on them and do not test again."""

from __future__ import annotations

import numpy as np

from render.display.list import NO_BASE, OFFSET_COLUMNS, DisplayList, Kind
from render.errors import OutputInvalid


def check(display: DisplayList) -> None:
    """Raise :class:`OutputInvalid` with every broken invariant of a list.

    Checked: offsets start at 0, never fall and end at what they own; references and table indices exist; no glyph is
    0; every item lies on its page.
    """
    faults: list[str] = []
    for name, owned in OFFSET_COLUMNS.items():
        offsets = getattr(display, name)
        if (
            offsets[0] != 0
            or offsets[-1] != len(getattr(display, owned))
            or np.any(np.diff(offsets.astype(np.int64)) < 0)
        ):
            faults.append(f"{name} is not a monotone run from 0 to len({owned})")
    limits = {
        Kind.GLYPHS: len(display.run_font),
        Kind.RECTS: len(display.rectset_off) - 1,
        Kind.LINE: len(display.line_width_um),
        Kind.PATH: len(display.path_stroke_um),
        Kind.IMAGE: len(display.image_ref),
    }
    for kind, limit in limits.items():
        refs = display.item_ref[display.item_kind == kind]
        if not np.array_equal(np.sort(refs), np.arange(limit)):
            faults.append(f"items of kind {kind.name} do not name each of the {limit} entries exactly once")
    if not np.isin(display.item_kind, list(limits)).all():
        faults.append("an item has an unknown kind")
    for name, table in (
        ("item_tag", display.tags),
        ("item_paint", display.paint_rgba),
        ("run_font", display.fonts),
        ("image_ref", display.images),
    ):
        column = getattr(display, name)
        if len(column) and int(column.max()) >= len(table):
            faults.append(f"{name} points outside its table")
    if len(display.page_base) and not (
        NO_BASE <= display.page_base.min() <= display.page_base.max() < len(display.bases)
    ):
        faults.append("page_base points outside its table")
    if len(display.glyph_id) and not display.glyph_id.all():
        faults.append("a glyph is .notdef")
    if not faults:
        # Pages and tags of items can be looked up in a sound list alone.
        faults.extend(_items_off_page(display))
    if faults:
        raise OutputInvalid(
            "display list breaks its invariants: " + "; ".join(faults), hint="Please report this defect."
        )


def _items_off_page(display: DisplayList) -> list[str]:
    starts = display.page_item_off.astype(np.int64)
    page = np.repeat(np.arange(display.n_pages), starts[1:] - starts[:-1])
    size = display.page_size_um[page]
    box = display.item_bbox_um
    outside = (box[:, 0] < 0) | (box[:, 1] < 0) | (box[:, 2] > size[:, 0]) | (box[:, 3] > size[:, 1])
    return [
        f"{display.tag_of(int(item))!r} leaves its page: {box[item].tolist()} µm" for item in np.flatnonzero(outside)
    ]
