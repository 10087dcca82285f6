"""What layout works out once for each template, so that an invoice costs only its own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from render.layout.cell import SYMBOL_ROLE, YEN, CellSetter
from render.layout.text import Advances
from render.templates.registry import Template
from render.templates.spec import Cell, Color, PageKind

_KEPT_PLANS = 32
_KEPT_LINE_TAGS = 2048

COLUMNS = ("name", "spec", "unit", "quantity", "unit_price", "amount", "rate", "tax")
"""Columns of the item table, by the field of a line that each prints."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A template prepared for layout.

    Attributes:
        cells: setters by cell name.
        columns: of the item table, in the order of COLUMNS.
        colors: of the values; setters name them by place.
        bases: background of each kind of page.
    """

    cells: Mapping[str, CellSetter]
    columns: tuple[CellSetter, ...]
    colors: tuple[Color, ...]
    bases: Mapping[PageKind, str]


@lru_cache(maxsize=_KEPT_PLANS)
def plan_of(template: Template) -> Plan:
    """Return the template's plan, the same one each time."""
    fonts, spec = template.resources.fonts, template.spec
    advances = {role: Advances(fonts, role) for role in fonts.chains}
    symbol = advances[SYMBOL_ROLE][YEN]
    colors = tuple(dict.fromkeys(cell.color for cell in (*spec.cells.values(), *spec.table.columns.values())))

    def prepare(cell: Cell) -> CellSetter:
        return CellSetter(cell, colors.index(cell.color), fonts, advances[cell.role], symbol)

    return Plan(
        cells={name: prepare(cell) for name, cell in spec.cells.items()},
        columns=tuple(prepare(spec.table.columns[name]) for name in COLUMNS),
        colors=colors,
        bases=template.bases,
    )


@lru_cache(maxsize=_KEPT_LINE_TAGS)
def line_tags(line: int) -> tuple[str, ...]:
    """Return the tags of a line's values, in the order of COLUMNS."""
    return tuple(f"lines[{line}].{name}" for name in COLUMNS)
