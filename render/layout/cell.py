"""What a cell says to layout, as rows of the tables that its texts are set by, and of a text that it cannot hold."""

from __future__ import annotations

from render.display.resolve import Align
from render.errors import Fault
from render.fonts.face import ADVANCE_PER_EM
from render.layout.text import widest
from render.templates.spec import Cell

SYMBOL_ROLE = "mono"
"""The font role of the ¥ sign before a sum."""


def anchor_um(cell: Cell) -> int:
    """Return where lines of text are anchored in the cell."""
    left, _, right, _ = cell.box_um
    return {Align.LEFT: left, Align.CENTER: (left + right) // 2, Align.RIGHT: right}[cell.align]


def placements(cell: Cell, symbol_advance: int, pitch_um: int | None = None) -> list[tuple[int, ...]]:
    """Return the cell's fits as rows of the table of :mod:`render.layout.kernels.setting`.

    Args:
        cell: of the form or, as a column, of its table.
        symbol_advance: advance of the ¥ sign in 1/ADVANCE_PER_EM em.
        pitch_um: of a table's rows, where those decide; None = that of the fit.
    """
    left, _, right, _ = cell.box_um
    rows: list[tuple[int, ...]] = []
    for fit, baseline in zip(cell.fits, cell.baselines_um, strict=True):
        # Rounded up, so that sign and number together never exceed the cell.
        symbol_um = -(-symbol_advance * fit.symbol_um // ADVANCE_PER_EM)
        limit = widest(right - left - symbol_um, fit.size_um)
        pitch = fit.pitch_um if pitch_um is None else pitch_um
        rows.append((fit.size_um, baseline, pitch, fit.lines, limit, fit.symbol_um, symbol_um))
    return rows


def overflow(cell: Cell, path: str, text: str) -> Fault:
    """Describe a text that no fit of the cell holds."""
    left, top, right, bottom = cell.box_um
    room = f"{(right - left) / 1000:g} × {(bottom - top) / 1000:g} mm"
    return Fault(
        path=path,
        rule="layout.overflow",
        message=f"{len(text)} characters do not fit {room}, even in the smallest size of the form.",
        hint="Shorten the text.",
    )
