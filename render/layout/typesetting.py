"""The texts of a batch of invoices: set in their cells all at once, then placed in the order of their pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.errors import Fault
from render.fonts.book import FontBook
from render.layout.cell import overflow
from render.layout.kernels.setting import FIRST_TEXT, N_TEXTS, NO_FIT, TAG, TAG_SHIFT, place_texts, set_texts
from render.layout.plan import Plan
from render.layout.text import break_classes

_NO_NUMBER = -1


@dataclass(frozen=True, slots=True)
class PlacedTexts:
    """Lines of text as a display list takes them.

    Attributes:
        rows: int64[n, 9], the numbers of each.
        text: their characters.
        step_ends: where the rows and the characters of each step end.
        tags: those that the rows name, in the order of their numbers.
    """

    rows: NDArray[np.int64]
    text: str
    step_ends: list[list[int]]
    tags: list[str]


class Typesetting:
    """Sets texts by their cells' numbers; append to ``texts`` and ``cell_of``, then :meth:`set`, then the rest.

    Attributes:
        texts: what is to be set, in any order.
        cell_of: the number of each text's cell.
        fits: int64[n], the placement of each text, or NO_FIT.
        n_lines: how many lines each text takes, 0 where it fits nowhere.
    """

    def __init__(self, plan: Plan, fonts: FontBook) -> None:
        self.texts: list[str] = []
        self.cell_of: list[int] = []
        self.fits = np.zeros(0, np.int64)
        self.n_lines: list[int] = []
        self.plan = plan
        self._fonts = fonts

    def set(self) -> None:
        """Set all texts that were appended so far."""
        plan, fonts = self.plan, self._fonts
        n_texts = len(self.texts)
        together = "".join(self.texts).encode("utf-32-le", "surrogatepass")
        self._chars = np.frombuffer(together, "<u4").astype(np.uint32, copy=False)
        self._ends = np.fromiter(map(len, self.texts), np.int64, n_texts).cumsum()
        self._cell_of = np.array(self.cell_of, np.int64)
        self._widths = np.empty(n_texts, np.int64)
        self.fits = np.empty(n_texts, np.int64)
        self._lines = np.empty((len(self._chars) + n_texts, 2), np.int64)
        self._line_ends = np.empty(n_texts + 1, np.int64)
        set_texts(
            self._chars,
            self._ends,
            self._cell_of,
            plan.table,
            plan.placements,
            plan.chains,
            fonts.cmap,
            fonts.advance,
            break_classes(),
            np.empty(len(self._chars), np.int64),
            self._widths,
            self.fits,
            self._lines,
            self._line_ends,
        )
        self.n_lines = (self._line_ends[1:] - self._line_ends[:-1]).tolist()

    def overflows(self) -> bool:
        """Tell whether any text fits its cell in no way."""
        return bool((self.fits == NO_FIT).any())

    def faults(self, step: Sequence[int]) -> list[Fault]:
        """Describe the texts of a step that do not fit."""
        plan, found = self.plan, []
        for text in range(step[FIRST_TEXT], step[FIRST_TEXT] + step[N_TEXTS]):
            if self.fits[text] == NO_FIT:
                cell = self.cell_of[text]
                tag = plan.tag(int(plan.table[cell, TAG]) + step[TAG_SHIFT])
                found.append(overflow(plan.cells[cell], tag, self.texts[text]))
        return found

    def place(self, steps: NDArray[np.int64]) -> PlacedTexts:
        """Return the lines that steps print, in their order.

        Args:
            steps: int64[s, 6], as :mod:`render.layout.kernels.setting` reads them; all their texts fit.
        """
        plan = self.plan
        firsts, ends = steps[:, FIRST_TEXT], steps[:, FIRST_TEXT] + steps[:, N_TEXTS]
        n_signs = int(steps[:, N_TEXTS].sum())
        starts = np.concatenate(([0], self._ends))
        # Room for all lines of all texts, each with a sign of its own.
        n_rows = int((self._line_ends[ends] - self._line_ends[firsts]).sum()) + n_signs
        chars = np.empty(int((starts[ends] - starts[firsts]).sum()) + n_signs, np.uint32)
        rows, step_ends = np.empty((n_rows, 9), np.int64), np.empty((len(steps), 2), np.int64)
        numbers = np.full(
            int(plan.table[:, TAG].max()) + int(steps[:, TAG_SHIFT].max(initial=0)) + 1, _NO_NUMBER, np.int64
        )
        # The QR code stands before all texts.
        numbers[0] = 0
        place_texts(
            steps,
            self._chars,
            self._cell_of,
            plan.table,
            plan.placements,
            plan.symbol_role,
            self._widths,
            self.fits,
            self._lines,
            self._line_ends,
            numbers,
            rows,
            chars,
            step_ends,
        )
        n_chars = int(step_ends[-1, 1]) if len(steps) else 0
        used = np.flatnonzero(numbers != _NO_NUMBER)
        tags = [plan.tag(tag) for tag in used[numbers[used].argsort()].tolist()]
        text = chars[:n_chars].astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")
        return PlacedTexts(rows, text, step_ends.tolist(), tags)
