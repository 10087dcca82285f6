"""What layout works out once for each template, so that an invoice costs only its own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from render.layout.cell import SYMBOL_ROLE, anchor_um, placements
from render.layout.kernels.setting import YEN
from render.layout.text import advance_of, face_chains
from render.templates.registry import Template
from render.templates.spec import Cell, Color, PageKind

_KEPT_PLANS = 32
_KEPT_LINE_TAGS = 2048

_BLACK = (0, 0, 0)
QR_TAG = "qr_text"

COLUMNS = ("name", "spec", "unit", "quantity", "unit_price", "amount", "rate", "tax")
"""Columns of the item table, by the field of a line that each prints."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A template prepared for layout; numbers of cells are rows of ``table``.

    Attributes:
        cells: of the form, then the columns of the item table in the order of COLUMNS, by number; each twice, first
            for texts as they are and then for sums with a ¥ sign before them.
        plain: numbers of the form's cells by name, for texts as they are; ``money``: likewise, for sums.
        columns: numbers of the columns.
        table: int64[cells, 8]; ``placements``: int64[…, 7], as :mod:`render.layout.kernels.setting` reads them.
        chains: int64[roles, k], the faces of each role; ``symbol_role`` is the place of the ¥ sign's.
        tags: of the QR code and the form's cells; those of the table follow, line by line.
        colors: by the paints that ``table`` names; the first is black, for the QR code.
        bases: background of each kind of page.
    """

    cells: tuple[Cell, ...]
    plain: Mapping[str, int]
    money: Mapping[str, int]
    columns: tuple[int, ...]
    table: NDArray[np.int64]
    placements: NDArray[np.int64]
    chains: NDArray[np.int64]
    symbol_role: int
    tags: tuple[str, ...]
    colors: tuple[Color, ...]
    bases: Mapping[PageKind, str]

    def tag(self, number: int) -> str:
        """Return a tag by its number."""
        line, column = divmod(number - len(self.tags), len(COLUMNS))
        return self.tags[number] if number < len(self.tags) else line_tags(line)[column]


@lru_cache(maxsize=_KEPT_PLANS)
def plan_of(template: Template) -> Plan:
    """Return the template's plan, the same one each time."""
    fonts, spec = template.resources.fonts, template.spec
    columns = [spec.table.columns[name] for name in COLUMNS]
    colors = tuple(dict.fromkeys((_BLACK, *(cell.color for cell in (*spec.cells.values(), *columns)))))
    tags = list(dict.fromkeys((QR_TAG, *(cell.tag for cell in spec.cells.values()))))
    symbol, roles = advance_of(fonts, SYMBOL_ROLE, YEN), list(fonts.chains)
    cells: list[Cell] = []
    table: list[tuple[int, ...]] = []
    rows: list[tuple[int, ...]] = []

    def add(cell: Cell, tag: int, pitch_um: int | None = None) -> None:
        first = len(rows)
        rows.extend(placements(cell, symbol, pitch_um))
        for is_money in (False, True):
            row = (anchor_um(cell), int(cell.align), roles.index(cell.role), colors.index(cell.color), tag)
            table.append((*row, int(is_money), first, len(rows)))
            cells.append(cell)

    for cell in spec.cells.values():
        add(cell, tags.index(cell.tag))
    for place, cell in enumerate(columns):
        add(cell, len(tags) + place, spec.table.row_pitch_um)
    return Plan(
        cells=tuple(cells),
        plain={name: 2 * place for place, name in enumerate(spec.cells)},
        money={name: 2 * place + 1 for place, name in enumerate(spec.cells)},
        columns=tuple(2 * (len(spec.cells) + place) for place in range(len(columns))),
        table=np.array(table, np.int64),
        placements=np.array(rows, np.int64),
        chains=face_chains(fonts),
        symbol_role=roles.index(SYMBOL_ROLE),
        tags=tuple(tags),
        colors=colors,
        bases=template.bases,
    )


@lru_cache(maxsize=_KEPT_LINE_TAGS)
def line_tags(line: int) -> tuple[str, ...]:
    """Return the tags of a line's values, in the order of COLUMNS."""
    return tuple(f"lines[{line}].{name}" for name in COLUMNS)
