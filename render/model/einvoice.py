"""The tax platform's ``EInvoice`` XML, written from an invoice.

It states what the invoice states and nothing else: no tax authority, no tag of the platform, no signature, as those are
the platform's to give. The QR text has no element; a reader computes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Final

from render.model import elements
from render.model.invoice import Invoice, InvoiceKind, Line, Treatment

_VERSION: Final = "0.32"
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_UNTAXED = {treatment: words for words, treatment in elements.UNTAXED_RATES.items()}
_KIND_CODES = {kind: code for code, kind in elements.KIND_CODES.items()}
_KEPT_FORMS = 256
# Stands for a text in a form; no element or fixed text has it.
_TEXT = "\0"

# The names of a part's elements, and what fetches their texts in that order.
_ID, _REMARK = ("EIid",), ("Remark",)
_SELLER, _BUYER = tuple(elements.SELLER), tuple(elements.BUYER)
_TOTALS, _SUPERVISION, _LINE = tuple(elements.TOTALS), tuple(elements.SUPERVISION), tuple(elements.LINE)
_seller_texts, _buyer_texts = attrgetter(*elements.SELLER.values()), attrgetter(*elements.BUYER.values())
_totals_texts, _supervision_texts = itemgetter(*elements.TOTALS.values()), itemgetter(*elements.SUPERVISION.values())

# Behind the last text of a part, so that fixed bytes and texts alternate wherever parts meet.
_NOTHING = ""
_N_HEAD = len((*_ID, *_SELLER, *_BUYER, *_TOTALS, _NOTHING))
_N_LINE = len((*_LINE, _NOTHING))

_START: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<{elements.ROOT}><Header>'
_AFTER_DATA: Final = "</EInvoiceData>\n"
_END: Final = f"</{elements.ROOT}>\n"


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
    texts = (
        invoice.number,
        *_seller_texts(invoice.seller),
        *_buyer_texts(invoice.buyer),
        *_totals_texts(totals),
        _NOTHING,
        *chain.from_iterable(map(_line, invoice.lines)),
        invoice.remark,
        *_supervision_texts(supervision),
        _NOTHING,
    )
    end_of_lines = _N_HEAD + _N_LINE * len(invoice.lines)
    is_filled = bytes(map(bool, texts))
    pieces = [*_head_form(invoice.kind, invoice.red is None, is_filled[:_N_HEAD])]
    for start in range(_N_HEAD, end_of_lines, _N_LINE):
        pieces += _line_form(is_filled[start : start + _N_LINE])
    pieces += _foot_form(is_filled[end_of_lines:])
    together = "".join(texts)
    # Few invoices hold markup, and to look through their texts one by one takes longer than all the rest.
    if "&" in together or "<" in together or ">" in together:
        texts = tuple([text.translate(_ESCAPES) for text in texts])
    pieces[1::2] = map(str.encode, texts)
    return b"".join(pieces)


# Forms of parts, not of whole invoices: these differ in which texts are filled, and every other one would be new.
@lru_cache(maxsize=_KEPT_FORMS)
def _head_form(kind: InvoiceKind, is_blue: bool, is_filled: bytes) -> list[bytes]:  # noqa: FBT001 a key of the cache
    filled = iter(is_filled)
    return _pieces(
        _START,
        _part("", _ID, filled),
        _rest_of_header(kind, is_blue),
        _part("SellerInformation", _SELLER, filled),
        _part("BuyerInformation", _BUYER, filled),
        _part("BasicInformation", _TOTALS, filled),
    )


@lru_cache(maxsize=_KEPT_FORMS)
def _line_form(is_filled: bytes) -> list[bytes]:
    return _pieces(_part("IssuItemInformation", _LINE, iter(is_filled)))


@lru_cache(maxsize=_KEPT_FORMS)
def _foot_form(is_filled: bytes) -> list[bytes]:
    filled = iter(is_filled)
    remark = _part("AdditionalInformation", _REMARK, filled)
    return _pieces(remark, _AFTER_DATA, _part("TaxSupervisionInfo", _SUPERVISION, filled), _END)


def _pieces(*parts: str) -> list[bytes]:
    """Return what stands before each text, and behind the last; each of them is followed by room for a text."""
    pieces = []
    for fixed in "".join(parts).encode().split(_TEXT.encode()):
        pieces += [fixed, b""]
    return pieces


def _rest_of_header(kind: InvoiceKind, is_blue: bool) -> str:  # noqa: FBT001 a key of a cache
    """Return what follows the invoice's number in the header, and the header's end."""
    colour = elements.BLUE_CODE if is_blue else elements.RED_CODE
    labels = [
        _label("InIssuType", colour, "是否蓝字发票标志"),
        _label("GeneralOrSpecialVAT", _KIND_CODES[kind], elements.KIND_NAMES[kind]),
    ]
    return f"{_element('Version', _VERSION)}{_element('InherentLabel', ''.join(labels))}\n</Header>\n<EInvoiceData>"


def _line(line: Line) -> tuple[str, ...]:
    """Return a line's texts in the order of ``elements.LINE``, and nothing behind them."""
    amount, tax = line.amount, line.tax
    return (
        line.name,
        line.spec,
        line.unit,
        line.quantity,
        line.unit_price,
        _money(amount),
        _rate(line.rate) if line.treatment is Treatment.TAXED else _UNTAXED[line.treatment],
        _money(tax),
        _money(amount + tax),
        line.tax_code,
        _NOTHING,
    )


def _rate(rate: Decimal) -> str:
    text = str(rate)
    # Only very small numbers have an exponent.
    return f"{rate:f}" if "E" in text else text


def _money(amount: Decimal) -> str:
    text = str(amount)
    # Plain notation with two decimals is what the model delivers; anything else is formatted, which takes longer.
    return text if text[-3:-2] == "." else f"{amount:.2f}"


def _label(name: str, code: str, meaning: str) -> str:
    return _element(name, f"{_element('LabelCode', code)}{_element('LabelName', meaning)}") + "\n"


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def _part(part: str, names: tuple[str, ...], filled: Iterator[int]) -> str:
    """Return a form for the texts of a part's elements; those that are not filled have an empty text."""
    fields = "".join([f"<{name}>{_TEXT}</{name}>" if next(filled) else f"<{name}/>{_TEXT}" for name in names])
    return f"{_element(part, fields)}\n" if part else fields
