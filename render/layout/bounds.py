"""Checks a laid-out invoice against its form: every value inside its cell, nothing over anything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from render.display.list import DisplayList, Kind
from render.templates.registry import Template
from render.templates.spec import Box, PageKind

_HALF_EMPTY = "：）"
"""Captions end in these, whose right half is white by design of the glyph; the form sets values into it."""

_DRAWN_UNDER = ("seal.", "watermark")


@dataclass(frozen=True, slots=True)
class _Placed:
    """An item's tag and the box that it claims."""

    tag: str
    box_um: Box


def find_misplaced(display: DisplayList, template: Template) -> tuple[str, ...]:
    """Describe every item of one document that leaves its cell or overlaps another item, a caption or a rule.

    Text counts by its advance boxes, not by its ink; seal and watermark lie under or over text by design.
    """
    problems: list[str] = []
    for page in range(display.n_pages):
        kind = page_kind(page, display.n_pages)
        values = list(_items(display, page))
        background = template.resources.bases[template.bases[kind]]
        printed = [item for item in _items(background, 0) if not item.tag.startswith(_DRAWN_UNDER)]
        problems += [f"page {page + 1}: {text}" for text in _outside(values, template, kind)]
        problems += [f"page {page + 1}: {text}" for text in _overlapping(values, printed)]
    return tuple(problems)


def page_kind(page: int, pages: int) -> PageKind:
    """Return which kind of page the page of this index is."""
    if pages == 1:
        return PageKind.SINGLE
    return PageKind.LAST if page + 1 == pages else PageKind.MIDDLE


def cell_box(tag: str, template: Template, kind: PageKind) -> Box:
    """Return the cell that values with this tag must not leave.

    Raises:
        KeyError: the form has no such cell.
    """
    spec = template.spec
    if tag == "qr_text":
        return spec.qr_box_um
    if tag.startswith("lines["):
        left, _, right, _ = spec.table.columns[tag.partition("].")[2]].box_um
        bottom = spec.table.top_um + spec.paging.rows[kind] * spec.table.row_pitch_um
        return left, spec.table.top_um, right, bottom
    if tag.startswith("subtotal."):
        return spec.cells[f"subtotal_{kind.value}.{tag.partition('.')[2]}"].box_um
    return spec.cells[tag].box_um


def _items(display: DisplayList, page: int) -> Iterator[_Placed]:
    for item in range(int(display.page_item_off[page]), int(display.page_item_off[page + 1])):
        tag = display.tag_of(item)
        left, top, right, bottom = display.item_bbox_um[item].tolist()
        if display.item_kind[item] == Kind.GLYPHS:
            run = int(display.item_ref[item])
            if tag.startswith("caption.") and display.run_text(run)[-1] in _HALF_EMPTY:
                right -= int(display.run_size_um[run]) * int(display.run_xscale[run]) // 2000
        yield _Placed(tag, (left, top, right, bottom))


def _outside(values: list[_Placed], template: Template, kind: PageKind) -> Iterator[str]:
    for value in values:
        cell = cell_box(value.tag, template, kind)
        left, top, right, bottom = value.box_um
        if left < cell[0] or top < cell[1] or right > cell[2] or bottom > cell[3]:
            yield f"{value.tag} {value.box_um} µm leaves its cell {cell} µm"


def _overlapping(values: list[_Placed], printed: list[_Placed]) -> Iterator[str]:
    """Yield pairs of boxes that share area; of captions and rules only those that a value touches."""
    if not values:
        return
    everything = values + printed
    boxes = np.array([item.box_um for item in everything], np.int64)
    for index, value in enumerate(values):
        left, top, right, bottom = value.box_um
        hit = (boxes[:, 0] < right) & (boxes[:, 2] > left) & (boxes[:, 1] < bottom) & (boxes[:, 3] > top)
        hit[: index + 1] = False
        for other in np.flatnonzero(hit).tolist():
            yield f"{value.tag} {value.box_um} µm overlaps {everything[other].tag} {everything[other].box_um} µm"
