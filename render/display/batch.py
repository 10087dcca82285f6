"""Joins display lists into one: concatenate each column, then shift what points into another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.display.list import NO_BASE, OFFSET_COLUMNS, DisplayList, Kind

_PLAIN = (
    "page_size_um",
    "item_kind",
    "item_bbox_um",
    "run_font",
    "run_size_um",
    "run_xscale",
    "run_origin_um",
    "glyph_id",
    "glyph_x_um",
    "glyph_char",
    "rect_um",
    "line_um",
    "line_width_um",
    "path_verb",
    "path_point_um",
    "path_stroke_um",
    "image_box_um",
)


def concat(lists: Sequence[DisplayList]) -> DisplayList:
    """Return one list with the documents of all, in order; they must share one font book.

    Raises:
        ValueError: no lists, or lists laid out with different fonts.
    """
    if not lists:
        raise ValueError("a batch needs at least one display list")
    if len(lists) == 1:
        return lists[0]
    if any(part.fonts != lists[0].fonts for part in lists):
        raise ValueError("display lists laid out with different font books cannot be joined")
    columns: dict[str, NDArray[Any]] = {name: np.concatenate([getattr(p, name) for p in lists]) for name in _PLAIN}
    for name, owned in OFFSET_COLUMNS.items():
        base = np.cumsum([0, *(len(getattr(part, owned)) for part in lists)])
        shifted = [getattr(p, name)[:-1] + base[i] for i, p in enumerate(lists)]
        columns[name] = np.concatenate([*shifted, base[-1:]]).astype(np.uint32)

    tags, tag_maps = _merge([part.tags for part in lists])
    bases, base_maps = _merge([part.bases for part in lists])
    images, image_maps = _merge([part.images for part in lists])
    paints, paint_maps = _merge([[*map(tuple, _paint_rows(part))] for part in lists])
    columns["item_tag"] = _remap(lists, "item_tag", tag_maps, np.uint32)
    columns["item_paint"] = _remap(lists, "item_paint", paint_maps, np.uint16)
    columns["image_ref"] = _remap(lists, "image_ref", image_maps, np.uint16)
    # One more entry answers NO_BASE (−1), which indexes the end of the map.
    columns["page_base"] = _remap(lists, "page_base", [np.append(m, NO_BASE) for m in base_maps], np.int32)
    columns["item_ref"] = _shift_refs(lists)
    table = np.array(paints, np.uint8).reshape(-1, 5)
    return DisplayList(
        **columns,
        paint_rgba=np.ascontiguousarray(table[:, :4]),
        paint_blend=np.ascontiguousarray(table[:, 4]),
        tags=tags,
        bases=bases,
        fonts=lists[0].fonts,
        images=images,
    )


def _paint_rows(part: DisplayList) -> list[list[int]]:
    return np.column_stack([part.paint_rgba, part.paint_blend]).tolist()  # type: ignore[no-any-return]


def _merge(tables: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], list[NDArray[np.int64]]]:
    """Return the union of tables in order of first sight, and for each table old index → new index."""
    place: dict[Any, int] = {}
    maps = [np.array([place.setdefault(entry, len(place)) for entry in table], np.int64) for table in tables]
    return tuple(place), maps


def _remap(
    lists: Sequence[DisplayList], name: str, maps: Sequence[NDArray[np.int64]], dtype: type[np.integer[Any]]
) -> NDArray[Any]:
    parts = [
        mapping[getattr(part, name)] for part, mapping in zip(lists, maps, strict=True) if len(getattr(part, name))
    ]
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)


def _shift_refs(lists: Sequence[DisplayList]) -> NDArray[np.uint32]:
    owned = {
        Kind.GLYPHS: "run_font",
        Kind.RECTS: "rectset_off",
        Kind.LINE: "line_width_um",
        Kind.PATH: "path_stroke_um",
        Kind.IMAGE: "image_ref",
    }
    base = np.zeros(max(Kind) + 1, np.int64)
    parts = []
    for part in lists:
        parts.append(part.item_ref + base[part.item_kind])
        for kind, name in owned.items():
            base[kind] += len(getattr(part, name)) - (kind == Kind.RECTS)
    return np.concatenate(parts).astype(np.uint32)
