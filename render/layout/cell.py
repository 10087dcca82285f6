"""Sets a value in its cell: the first permitted size and number of lines that hold it."""

from __future__ import annotations

from typing import NamedTuple

from render.display.resolve import Align, TextStyle, text_style
from render.errors import Fault
from render.fonts.book import FontBook
from render.fonts.face import ADVANCE_PER_EM
from render.layout.text import Advances, break_lines, widest
from render.templates.spec import Cell

YEN = "¥"
SYMBOL_ROLE = "mono"


class Placement(NamedTuple):
    """One of a cell's fits, ready for the display list.

    ``limit`` is the widest text in 1/ADVANCE_PER_EM em; ``symbol`` and ``symbol_um`` are the style and the width of the
    ¥ sign, which an amount of money has before it.
    """

    style: TextStyle
    baseline_um: int
    pitch_um: int
    lines: int
    limit: int
    symbol: TextStyle
    symbol_um: int


Setting = tuple[Placement, tuple[str, ...]]
"""A value set in its cell: by which of the cell's fits, and its lines."""


class CellSetter:
    """Sets values in one cell, or in one column of the table; what does not depend on the value is worked out once."""

    def __init__(self, cell: Cell, color: int, fonts: FontBook, advances: Advances, symbol_advance: int) -> None:
        left, _, right, _ = cell.box_um
        placements = []
        for fit, baseline in zip(cell.fits, cell.baselines_um, strict=True):
            # Rounded up, so that sign and number together never exceed the cell.
            symbol_um = -(-symbol_advance * fit.symbol_um // ADVANCE_PER_EM)
            placements.append(
                Placement(
                    style=text_style(fonts, cell.role, fit.size_um, cell.align),
                    baseline_um=baseline,
                    pitch_um=fit.pitch_um,
                    lines=fit.lines,
                    limit=widest(right - left - symbol_um, fit.size_um),
                    symbol=text_style(fonts, SYMBOL_ROLE, fit.symbol_um, cell.align),
                    symbol_um=symbol_um,
                )
            )
        self.cell = cell
        self.tag = cell.tag
        self.color = color
        self.anchor_um = {Align.LEFT: left, Align.CENTER: (left + right) // 2, Align.RIGHT: right}[cell.align]
        self._placements = tuple(placements)
        self._advances = advances

    def set(self, text: str) -> Setting | None:
        """Return the first setting that holds the text, None where there is none."""
        width = self._advances.width(text)
        is_one_line = "\n" not in text
        for placement in self._placements:
            if is_one_line and width <= placement.limit:
                return placement, (text,)
            if placement.lines == 1:
                continue
            broken = break_lines(text, self._advances, placement.limit)
            if broken is not None and (placement.lines == 0 or len(broken) <= placement.lines):
                return placement, tuple(broken)
        return None

    def money_anchors(self, number: str, placement: Placement) -> tuple[int, int]:
        """Return where the ¥ sign and the number after it are anchored; one ends exactly where the other begins."""
        if self.cell.align is Align.RIGHT:
            width = -(-self._advances.width(number) * placement.style.size_um // ADVANCE_PER_EM)
            return self.anchor_um - width, self.anchor_um
        return self.anchor_um, self.anchor_um + placement.symbol_um

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
