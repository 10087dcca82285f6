"""Invoices and templates for tests of layout: the forms' own samples, changed field by field."""

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np

from render.layout.engine import layout_invoice
from render.layout.kernels.setting import NO_FIT, set_texts
from render.layout.text import break_classes, face_chains
from render.model.invoice import Line, RedReference
from render.model.read import read_invoice
from render.templates.registry import TemplateRegistry

FOLDER = Path(__file__).parents[3] / "templates"
KINDS = ("vat_special", "vat_ordinary")
RED = RedReference("26312000000000000009", "31012600000000000001")


@lru_cache(maxsize=8)
def template(kind, fonts):
    return TemplateRegistry(FOLDER).load(kind, fonts=fonts)


def sample(kind="vat_special", **changes):
    """The sample invoice of a form, with fields replaced."""
    return replace(read_invoice((FOLDER / kind / "1" / "sample.json").read_bytes()).invoice, **changes)


def line(**changes):
    """A taxed line that takes one row."""
    values = {
        "name": "*示例*样品",
        "amount": Decimal("100.00"),
        "tax": Decimal("13.00"),
        "rate": Decimal("0.13"),
        "unit": "个",
        "quantity": "2",
        "unit_price": "50.00",
    }
    return Line(**(values | changes))


def lay_out(invoice, fonts):
    return layout_invoice(invoice, template(invoice.kind.value, fonts))


def texts(display, tag, page=None):
    """The texts of all runs with a tag, in paint order."""
    return [display.run_text(run) for run in runs(display, tag, page)]


def runs(display, tag, page=None):
    first, last = (0, display.n_items) if page is None else display.page_item_off[page : page + 2].tolist()
    return [int(display.item_ref[item]) for item in display.items_tagged(tag) if first <= item < last]


def boxes(display, tag):
    """Left, top, right, bottom of the items with a tag, in mm."""
    return [[um / 1000 for um in display.item_bbox_um[item].tolist()] for item in display.items_tagged(tag)]


def set_text(text, fonts, limit, *, role="song", most=0, function=set_texts):
    """Width and lines of a text in one cell that is so wide; None for lines where it does not fit."""
    chars = np.array([ord(char) for char in text], np.uint32)
    cells = np.array([[0, 0, list(fonts.chains).index(role), 0, 0, 0, 0, 1]], np.int64)
    placements = np.array([[3_000, 0, 4_000, most, limit, 0, 0]], np.int64)
    width, fit, ends = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(2, np.int64)
    lines = np.zeros((len(text) + 1, 2), np.int64)
    of_text = (chars, np.array([len(text)]), np.zeros(1, np.int64), cells, placements, face_chains(fonts))
    results = (np.zeros(len(text), np.int64), width, fit, lines, ends)
    function(*of_text, fonts.cmap, fonts.advance, break_classes(), *results)
    if fit[0] == NO_FIT:
        return int(width[0]), None
    return int(width[0]), [text[begin : begin + length] for begin, length in lines[: ends[1]].tolist()]
