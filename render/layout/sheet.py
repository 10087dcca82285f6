"""Which values stand on which page of an invoice's document, and in what order they are painted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from render.errors import Fault
from render.layout.bounds import page_kind
from render.layout.kernels.setting import FIRST_TEXT, N_TEXTS, STEP_NUMBERS
from render.layout.paging import Page, paginate
from render.layout.plan import COLUMNS, Plan
from render.layout.typesetting import Typesetting
from render.layout.wording import UNTAXED, date_text, is_taxed, line_texts, money_text, remark_text
from render.model.invoice import Invoice, LineRole
from render.templates.registry import Template
from render.templates.spec import PageKind

_HEAD = ("number", "issued", "buyer.name", "buyer.tax_id", "seller.name", "seller.tax_id")
_SUMS = ("total_amount", "total_tax", "total_words", "total", "remark")
_CLERK = "clerk"
_MONEY = frozenset({"total_amount", "total_tax", "total"})
_N_COLUMNS = len(COLUMNS)
_KEPT_CELLS = 64
_KEPT_PAGES = 1024
_ALL_ROWS = 1 << 62

Step = tuple[int, int, int, int, int, int]
"""As :mod:`render.layout.kernels.setting` reads them."""


class Sheet:
    """One invoice on its way to pages.

    Attributes:
        steps: int64[n, 6], what is printed, as :mod:`render.layout.kernels.setting` reads it; page after page.
        pages: the kind of each, and how many steps it has.
    """

    __slots__ = ("_first", "_invoice", "pages", "steps")

    def __init__(self, invoice: Invoice, setting: Typesetting) -> None:
        self._invoice = invoice
        self._first = len(setting.texts)
        self.steps = np.zeros((0, STEP_NUMBERS), np.int64)
        self.pages: list[tuple[PageKind, int]] = []
        seller, buyer, lines = invoice.seller, invoice.buyer, invoice.lines
        taxed = is_taxed(lines)
        texts = setting.texts
        texts += (invoice.number, date_text(invoice.issued), buyer.name, buyer.tax_id, seller.name, seller.tax_id)
        for line in lines:
            texts += line_texts(line)
        tax = money_text(invoice.total_tax) if taxed else UNTAXED
        texts += (money_text(invoice.total_amount), tax, invoice.total_words, money_text(invoice.total))
        texts += (remark_text(invoice), invoice.clerk)
        setting.cell_of += _cells(setting.plan, len(lines), taxed)

    def arrange(self, template: Template, setting: Typesetting) -> None:
        """Distribute what was set over pages; page numbers and sums of pages become further texts."""
        n_lines, lines, table = setting.n_lines, self._invoice.lines, template.spec.table
        first_cell = self._first + len(_HEAD)
        sums = first_cell + len(lines) * _N_COLUMNS
        heights = tuple([max(1, *n_lines[text : text + _N_COLUMNS]) for text in range(first_cell, sums, _N_COLUMNS)])
        if sum(heights) <= template.spec.paging.rows[PageKind.SINGLE]:
            self.steps = _single_page(heights, table.top_um, table.row_pitch_um).copy()
            self.steps[:, FIRST_TEXT] += self._first
            self.pages = [(PageKind.SINGLE, len(self.steps))]
        else:
            self._arrange_pages(template, setting, heights)

    def _arrange_pages(self, template: Template, setting: Typesetting, heights: Sequence[int]) -> None:
        """Distribute over several pages what one cannot hold."""
        lines, table = self._invoice.lines, template.spec.table
        pages = paginate(heights, [line.role is LineRole.DISCOUNT for line in lines], template.spec.paging)
        first_cell = self._first + len(_HEAD)
        sums = first_cell + len(lines) * _N_COLUMNS
        steps = list[Step]()
        for index, page in enumerate(pages):
            kind, before = page_kind(index, len(pages)), len(steps)
            steps.append((self._first, len(_HEAD), 0, _ALL_ROWS, 0, 0))
            steps.append(_add(setting, setting.plan.plain["page_number"], f"共{len(pages)}页 第{index + 1}页"))
            for line, first_row, rows, at_row in page:
                text, shift = first_cell + line * _N_COLUMNS, line * _N_COLUMNS
                top_um = table.top_um + at_row * table.row_pitch_um
                steps.append((text, _N_COLUMNS, first_row, first_row + rows, top_um, shift))
            steps += self._subtotal(setting, kind, page)
            if kind is not PageKind.MIDDLE:
                steps.append((sums, len(_SUMS), 0, _ALL_ROWS, 0, 0))
            steps.append((sums + len(_SUMS), 1, 0, _ALL_ROWS, 0, 0))
            self.pages.append((kind, len(steps) - before))
        self.steps = np.array(steps, np.int64)

    def _subtotal(self, setting: Typesetting, kind: PageKind, page: Page) -> Iterator[Step]:
        """Print 小计, the sums of the lines that begin on this page."""
        plan, cell = setting.plan, f"subtotal_{kind.value}"
        lines = [self._invoice.lines[fragment.line] for fragment in page if fragment.first_row == 0]
        amount = sum((line.amount for line in lines), Decimal(0))
        yield _add(setting, plan.money[f"{cell}.amount"], money_text(amount))
        if is_taxed(lines):
            tax = sum((line.tax for line in lines), Decimal(0))
            yield _add(setting, plan.money[f"{cell}.tax"], money_text(tax))
        else:
            yield _add(setting, plan.plain[f"{cell}.tax"], UNTAXED)

    def faults(self, setting: Typesetting) -> tuple[Fault, ...]:
        """Describe each text that does not fit, those of the table first; a value on every page is reported once."""
        steps = self.steps.tolist()
        table = [step for step in steps if step[N_TEXTS] == _N_COLUMNS]
        return tuple(dict.fromkeys(chain.from_iterable(setting.faults(step) for step in (*table, *steps))))


def sheets_of(invoices: Sequence[Invoice], template: Template, setting: Typesetting) -> list[Sheet]:
    """Return a sheet for each invoice, with all its texts set."""
    sheets = [Sheet(invoice, setting) for invoice in invoices]
    setting.set()
    n_texts = len(setting.texts)
    for sheet in sheets:
        sheet.arrange(template, setting)
    if len(setting.texts) > n_texts:
        setting.set()
    return sheets


def _add(setting: Typesetting, cell: int, text: str) -> Step:
    """Have one more text set, and return the step that prints it."""
    setting.texts.append(text)
    setting.cell_of.append(cell)
    return len(setting.texts) - 1, 1, 0, _ALL_ROWS, 0, 0


@lru_cache(maxsize=_KEPT_PAGES)
def _single_page(heights: tuple[int, ...], top_um: int, pitch_um: int) -> NDArray[np.int64]:
    """Return the steps of a page that holds all lines of an invoice, as if its first text were the first of all.

    Args:
        heights: rows that each line takes.
        top_um: of the first row.
        pitch_um: of the rows.
    """
    steps: list[Step] = [(0, len(_HEAD), 0, _ALL_ROWS, 0, 0)]
    text, at_row = len(_HEAD), 0
    for line, height in enumerate(heights):
        steps.append((text, _N_COLUMNS, 0, height, top_um + at_row * pitch_um, line * _N_COLUMNS))
        text, at_row = text + _N_COLUMNS, at_row + height
    steps += [(text, len(_SUMS), 0, _ALL_ROWS, 0, 0), (text + len(_SUMS), 1, 0, _ALL_ROWS, 0, 0)]
    return np.array(steps, np.int64)


@lru_cache(maxsize=_KEPT_CELLS)
def _cells(plan: Plan, n_lines: int, taxed: bool) -> tuple[int, ...]:  # noqa: FBT001 a key of the cache
    """Return the cells of an invoice's texts."""
    head = [plan.plain[name] for name in _HEAD]
    sums = [(plan.money if name in _MONEY else plan.plain)[name] for name in _SUMS]
    if not taxed:
        sums[_SUMS.index("total_tax")] = plan.plain["total_tax"]
    return (*head, *(plan.columns * n_lines), *sums, plan.plain[_CLERK])
