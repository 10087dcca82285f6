"""The tax platform's ``EInvoice`` XML, written from an invoice.

It states what the invoice states and nothing else: no tax authority, no tag of the platform, no signature, as those are
the platform's to give. The QR text has no element; a reader computes it.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Final

from render.model import elements
from render.model.invoice import Invoice, InvoiceKind, Line, Treatment

_VERSION: Final = "0.32"
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_UNTAXED = {treatment: words for words, treatment in elements.UNTAXED_RATES.items()}
_KIND_CODES = {kind: code for code, kind in elements.KIND_CODES.items()}
_KEPT_FORMS = 1024

# The names of a part's elements, and what fetches their texts in that order.
_SELLER, _BUYER = tuple(elements.SELLER), tuple(elements.BUYER)
_TOTALS, _SUPERVISION, _LINE = tuple(elements.TOTALS), tuple(elements.SUPERVISION), tuple(elements.LINE)
_seller_texts, _buyer_texts = attrgetter(*elements.SELLER.values()), attrgetter(*elements.BUYER.values())
_totals_texts, _line_texts = itemgetter(*elements.TOTALS.values()), itemgetter(*elements.LINE.values())
_supervision_texts = itemgetter(*elements.SUPERVISION.values())


def write_einvoice(invoice: Invoice) -> bytes:
    """Return an invoice as ``EInvoice`` XML in UTF-8; equal invoices give equal bytes, whatever they were read from.

    Args:
        invoice: one that passed every check.
    """
    issued = invoice.issued.isoformat()
    totals = {
        "total_amount": _money(invoice.total_amount),
        "total_tax": _money(invoice.total_tax),
        "total": _money(invoice.total),
        "total_words": invoice.total_words,
        "clerk": invoice.clerk,
        "request_time": f"{issued} 00:00:00",
    }
    supervision = {"number": invoice.number, "issue_time": issued}
    data = [
        _part("SellerInformation", _fields(_SELLER, _seller_texts(invoice.seller))),
        _part("BuyerInformation", _fields(_BUYER, _buyer_texts(invoice.buyer))),
        _part("BasicInformation", _fields(_TOTALS, _totals_texts(totals))),
        *[_part("IssuItemInformation", _fields(_LINE, _line_texts(_line(line)))) for line in invoice.lines],
        _part("AdditionalInformation", _fields(("Remark",), (invoice.remark,))),
    ]
    parts = [
        _part("Header", _fields(("EIid",), (invoice.number,)) + _rest_of_header(invoice.kind, invoice.red is None)),
        _part("EInvoiceData", "".join(data)),
        _part("TaxSupervisionInfo", _fields(_SUPERVISION, _supervision_texts(supervision))),
    ]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_part(elements.ROOT, "".join(parts))}'.encode()


@lru_cache
def _rest_of_header(kind: InvoiceKind, is_blue: bool) -> str:  # noqa: FBT001 a key of the cache
    """Return what follows the invoice's number in the header."""
    colour = elements.BLUE_CODE if is_blue else elements.RED_CODE
    labels = [
        _label("InIssuType", colour, "是否蓝字发票标志"),
        _label("GeneralOrSpecialVAT", _KIND_CODES[kind], elements.KIND_NAMES[kind]),
    ]
    return _fields(("Version",), (_VERSION,)) + _part("InherentLabel", "".join(labels))


def _line(line: Line) -> dict[str, str]:
    return {
        "name": line.name,
        "spec": line.spec,
        "unit": line.unit,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "amount": _money(line.amount),
        "rate": f"{line.rate:f}" if line.treatment is Treatment.TAXED else _UNTAXED[line.treatment],
        "tax": _money(line.tax),
        "with_tax": _money(line.amount + line.tax),
        "tax_code": line.tax_code,
    }


def _money(amount: Decimal) -> str:
    text = str(amount)
    # Plain notation with two decimals is what the model delivers; anything else is formatted, which takes longer.
    return text if text[-3:-2] == "." else f"{amount:.2f}"


def _label(name: str, code: str, meaning: str) -> str:
    return _part(name, _fields(("LabelCode", "LabelName"), (code, meaning)))


def _part(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>\n"


def _fields(names: tuple[str, ...], texts: tuple[str, ...]) -> str:
    """Return elements with these texts."""
    together = "".join(texts)
    # Few texts hold markup, and to look through them one by one takes longer than all the rest.
    if "&" in together or "<" in together or ">" in together:
        texts = tuple([text.translate(_ESCAPES) for text in texts])
    return _form(names, tuple(map(bool, texts))) % texts


@lru_cache(maxsize=_KEPT_FORMS)
def _form(names: tuple[str, ...], is_filled: tuple[bool, ...]) -> str:
    """Return a form that takes the texts of elements; those that are not filled have an empty text."""
    return "".join(
        [f"<{name}>%s</{name}>" if filled else f"<{name}/>%s" for name, filled in zip(names, is_filled, strict=True)]
    )
