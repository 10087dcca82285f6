"""The invoice, 发票: what was issued, as frozen values. Money is :class:`~decimal.Decimal` everywhere.

Glossary, the only place where the Chinese terms are mapped to field names:

    发票号码      Invoice.number           购买方 / 销售方     Invoice.buyer / seller
    开票日期      Invoice.issued           统一社会信用代码     Party.tax_id
    项目名称      Line.name                规格型号 / 单位      Line.spec / unit
    数量 / 单价   Line.quantity / unit_price    金额 / 税率 / 税额    Line.amount / rate / tax
    合计金额      Invoice.total_amount     合计税额            Invoice.total_tax
    价税合计      Invoice.total (大写: total_words)           备注  Invoice.remark
    开票人        Invoice.clerk            红字 / 蓝字发票      Invoice.red is set / None
    折扣行 / 被折扣行   LineRole.DISCOUNT / DISCOUNTED       免税 / 不征税   Treatment.EXEMPT / NOT_TAXED
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum


class InvoiceKind(StrEnum):
    """Which form is printed; the value is also the template's id."""

    VAT_SPECIAL = "vat_special"
    """数电票 增值税专用发票; QR kind 31."""
    VAT_ORDINARY = "vat_ordinary"
    """数电票 普通发票; QR kind 32."""


class Treatment(StrEnum):
    """How a line is taxed."""

    TAXED = "taxed"
    EXEMPT = "exempt"
    NOT_TAXED = "not_taxed"


class LineRole(StrEnum):
    """A discount line stands directly after the line that it discounts."""

    NORMAL = "normal"
    DISCOUNTED = "discounted"
    DISCOUNT = "discount"


class Media(StrEnum):
    """The form in which an invoice came in."""

    JSON = "application/json"
    EINVOICE_XML = "application/xml"


@dataclass(frozen=True, slots=True)
class Party:
    """A buyer or a seller. A private buyer has no ``tax_id``; everything but the name may be empty."""

    name: str
    tax_id: str = ""
    address: str = ""
    phone: str = ""
    bank: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the item table.

    ``quantity`` and ``unit_price`` are decimal numbers kept as given (up to 25 characters, never rounded), both or
    neither. ``amount`` excludes tax, 2 decimals. ``rate`` is a fraction (0.13), zero unless the line is taxed.
    """

    name: str
    amount: Decimal
    tax: Decimal
    rate: Decimal
    treatment: Treatment = Treatment.TAXED
    role: LineRole = LineRole.NORMAL
    spec: str = ""
    unit: str = ""
    quantity: str = ""
    unit_price: str = ""
    tax_code: str = ""


@dataclass(frozen=True, slots=True)
class RedReference:
    """What a red (negative) invoice reverses: the blue number and the number of the confirmation slip."""

    blue_number: str
    confirmation: str


@dataclass(frozen=True, slots=True)
class Source:
    """The document that the invoice was read from; an ``EInvoice`` XML is attached to the PDF byte for byte."""

    media: Media
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice that passed every check."""

    kind: InvoiceKind
    number: str
    issued: date
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    total_amount: Decimal
    total_tax: Decimal
    total: Decimal
    total_words: str
    qr_text: str
    clerk: str
    remark: str = ""
    red: RedReference | None = None
    source: Source | None = None
