"""The tax platform's ``EInvoice`` XML, written from an invoice.

It states what the invoice states and nothing else: no tax authority, no tag of the platform, no signature, as those are
the platform's to give. The QR text has no element; a reader computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from render.model import elements
from render.model.invoice import Invoice, Line, Party, Treatment

_VERSION: Final = "0.32"
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_UNTAXED = {treatment: words for words, treatment in elements.UNTAXED_RATES.items()}
_KIND_CODES = {kind: code for code, kind in elements.KIND_CODES.items()}


def write_einvoice(invoice: Invoice) -> bytes:
    """Return an invoice as ``EInvoice`` XML in UTF-8; equal invoices give equal bytes, whatever they were read from.

    Args:
        invoice: one that passed every check.
    """
    totals = {
        "total_amount": f"{invoice.total_amount:.2f}",
        "total_tax": f"{invoice.total_tax:.2f}",
        "total": f"{invoice.total:.2f}",
        "total_words": invoice.total_words,
        "clerk": invoice.clerk,
        "request_time": f"{invoice.issued.isoformat()} 00:00:00",
    }
    supervision = {"number": invoice.number, "issue_time": invoice.issued.isoformat()}
    data = [
        _part("SellerInformation", _fields(elements.SELLER, _party(invoice.seller))),
        _part("BuyerInformation", _fields(elements.BUYER, _party(invoice.buyer))),
        _part("BasicInformation", _fields(elements.TOTALS, totals)),
        *(_part("IssuItemInformation", _fields(elements.LINE, _line(line))) for line in invoice.lines),
        _part("AdditionalInformation", _leaf("Remark", invoice.remark)),
    ]
    parts = [
        _part("Header", _header(invoice)),
        _part("EInvoiceData", "".join(data)),
        _part("TaxSupervisionInfo", _fields(elements.SUPERVISION, supervision)),
    ]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_part(elements.ROOT, "".join(parts))}'.encode()


def _header(invoice: Invoice) -> str:
    colour = elements.BLUE_CODE if invoice.red is None else elements.RED_CODE
    labels = [
        _label("InIssuType", colour, "是否蓝字发票标志"),
        _label("GeneralOrSpecialVAT", _KIND_CODES[invoice.kind], elements.KIND_NAMES[invoice.kind]),
    ]
    return _leaf("EIid", invoice.number) + _leaf("Version", _VERSION) + _part("InherentLabel", "".join(labels))


def _party(party: Party) -> dict[str, str]:
    return {field: getattr(party, field) for field in elements.SELLER.values()}


def _line(line: Line) -> dict[str, str]:
    return {
        "name": line.name,
        "spec": line.spec,
        "unit": line.unit,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "amount": f"{line.amount:.2f}",
        "rate": f"{line.rate:f}" if line.treatment is Treatment.TAXED else _UNTAXED[line.treatment],
        "tax": f"{line.tax:.2f}",
        "with_tax": f"{line.amount + line.tax:.2f}",
        "tax_code": line.tax_code,
    }


def _fields(names: Mapping[str, str], values: Mapping[str, str]) -> str:
    return "".join(_leaf(element, values[field]) for element, field in names.items())


def _label(name: str, code: str, meaning: str) -> str:
    return _part(name, _leaf("LabelCode", code) + _leaf("LabelName", meaning))


def _part(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>\n"


def _leaf(name: str, text: str) -> str:
    return f"<{name}>{text.translate(_ESCAPES)}</{name}>" if text else f"<{name}/>"
