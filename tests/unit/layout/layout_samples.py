"""Invoices and templates for tests of layout: the forms' own samples, changed field by field."""

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from render.layout.engine import layout_invoice
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
