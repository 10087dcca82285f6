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
        self._chars = np.zeros(0, np.uint32)
        self._ends, self._cell_of, self._widths = (np.zeros(0, np.int64) for _ in range(3))
        self._lines, self._line_ends = np.zeros((0, 2), np.int64), np.zeros(1, np.int64)

    def set(self) -> None:
        """Set the texts that were appended since the last time."""
        plan, fonts, n_set = self.plan, self._fonts, len(self.fits)
        texts = self.texts[n_set:]
        together = "".join(texts).encode("utf-32-le", "surrogatepass")
        chars = np.frombuffer(together, "<u4").astype(np.uint32, copy=False)
        ends = np.fromiter(map(len, texts), np.int64, len(texts)).cumsum()
        cell_of = np.array(self.cell_of[n_set:], np.int64)
        widths, fits = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
        lines, line_ends = np.empty((len(chars) + len(texts), 2), np.int64), np.empty(len(texts) + 1, np.int64)
        set_texts(
            chars,
            ends,
            cell_of,
            plan.table,
            plan.placements,
            plan.chains,
            fonts.cmap,
            fonts.advance,
            break_classes(),
            np.empty(len(chars), np.int64),
            widths,
            fits,
            lines,
            line_ends,
        )
        self.n_lines += (line_ends[1:] - line_ends[:-1]).tolist()
        lines = lines[: line_ends[-1]]
        lines[:, 0] += len(self._chars)
        self._ends = np.concatenate((self._ends, ends + len(self._chars)))
        self._line_ends = np.concatenate((self._line_ends, line_ends[1:] + len(self._lines)))
        self._lines = np.concatenate((self._lines, lines))
        self._chars = np.concatenate((self._chars, chars))
        self._cell_of = np.concatenate((self._cell_of, cell_of))
        self._widths = np.concatenate((self._widths, widths))
        self.fits = np.concatenate((self.fits, fits))

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
