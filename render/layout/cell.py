"""Sets a value in its cell: the first permitted size and number of lines that hold it."""

from __future__ import annotations

from dataclasses import dataclass

from render.display.resolve import Align
from render.errors import Fault
from render.fonts.face import ADVANCE_PER_EM
from render.layout.text import Advances, break_lines, widest
from render.templates.spec import Cell

YEN = "¥"
SYMBOL_ROLE = "mono"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value set in its cell: which of the cell's fits holds it, and its lines."""

    fit: int
    lines: tuple[str, ...]


class CellSetter:
    """Sets values in one cell, or in one column of the table; what does not depend on the value is worked out once."""

    def __init__(self, cell: Cell, advances: Advances, symbol_advance: int) -> None:
        left, _, right, _ = cell.box_um
        self.cell = cell
        self._advances = advances
        # Rounded up, so that sign and number together never exceed the cell.
        self._symbol_um = tuple(-(-symbol_advance * fit.symbol_um // ADVANCE_PER_EM) for fit in cell.fits)
        self._limits = tuple(
            (index, fit.lines, widest(right - left - symbol_um, fit.size_um))
            for index, (fit, symbol_um) in enumerate(zip(cell.fits, self._symbol_um, strict=True))
        )
        self.anchor_um = {Align.LEFT: left, Align.CENTER: (left + right) // 2, Align.RIGHT: right}[cell.align]

    def set(self, text: str) -> Setting | None:
        """Return the first setting that holds the text, None where there is none."""
        width = self._advances.width(text)
        is_one_line = "\n" not in text
        for index, lines, limit in self._limits:
            if is_one_line and width <= limit:
                return Setting(index, (text,))
            if lines == 1:
                continue
            broken = break_lines(text, self._advances, limit)
            if broken is not None and (lines == 0 or len(broken) <= lines):
                return Setting(index, tuple(broken))
        return None

    def money_anchors(self, number: str, fit: int) -> tuple[int, int]:
        """Return where the ¥ sign and the number after it are anchored; one ends exactly where the other begins."""
        if self.cell.align is Align.RIGHT:
            width = -(-self._advances.width(number) * self.cell.fits[fit].size_um // ADVANCE_PER_EM)
            return self.anchor_um - width, self.anchor_um
        return self.anchor_um, self.anchor_um + self._symbol_um[fit]

    def overflow(self, path: str, text: str) -> Fault:
        """Describe a text that no setting holds."""
        left, top, right, bottom = self.cell.box_um
        room = f"{(right - left) / 1000:g} × {(bottom - top) / 1000:g} mm"
        return Fault(
            path=path,
            rule="layout.overflow",
            message=f"{len(text)} characters do not fit {room}, even in the smallest size of the form.",
            hint="Shorten the text.",
        )
