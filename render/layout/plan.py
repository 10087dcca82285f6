"""What layout works out once for each template, so that an invoice costs only its own values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from render.layout.cell import SYMBOL_ROLE, YEN, CellSetter
from render.layout.text import Advances
from render.templates.registry import Template
from render.templates.spec import PageKind

_KEPT_PLANS = 32

COLUMNS = ("name", "spec", "unit", "quantity", "unit_price", "amount", "rate", "tax")
"""Columns of the item table, by the field of a line that each prints."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A template prepared for layout.

    Attributes:
        cells: setters by cell name; ``columns``: of the item table, in the order of COLUMNS.
        bases: background of each kind of page.
    """

    cells: dict[str, CellSetter]
    columns: tuple[CellSetter, ...]
    bases: dict[PageKind, str]


@lru_cache(maxsize=_KEPT_PLANS)
def plan_of(template: Template) -> Plan:
    """Return the template's plan, the same one each time."""
    fonts, spec = template.resources.fonts, template.spec
    advances = {role: Advances(fonts, role) for role in fonts.chains}
    symbol = advances[SYMBOL_ROLE][YEN]
    columns = spec.table.columns
    return Plan(
        cells={name: CellSetter(cell, advances[cell.role], symbol) for name, cell in spec.cells.items()},
        columns=tuple(CellSetter(columns[name], advances[columns[name].role], symbol) for name in COLUMNS),
        bases=dict(template.bases),
    )
