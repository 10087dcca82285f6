"""Made-up invoices for trials, the same ones each time: everyday forms with a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from render.config import RenderSettings
from render.display.list import DisplayList
from render.errors import OutputInvalid
from render.fonts.registry import load_fonts
from render.layout.engine import layout_batch
from render.model.invoice import Invoice, InvoiceKind, Line, Party
from render.model.qr import qr_text
from render.model.words import amount_in_words
from render.templates.registry import Template, TemplateRegistry

_FIRST_DAY = date(2026, 1, 1)
_RATE = Decimal("0.13")
_CENT = Decimal("0.01")
_GOODS = (
    ("*纸制品*示例复印纸", "A4 70g", "箱"),
    ("*计算机外部设备*示例键盘", "K-104", "个"),
    ("*谷物加工品*样品大米", "5kg/袋", "袋"),
    ("*信息技术服务*虚构软件维护费", "", "次"),
    ("*金属制品*示例不锈钢紧固件", "M8×40 304", "千克"),
    ("*运输服务*示例货物运费", "", "吨公里"),
    ("*电线电缆*样品铜芯电缆", "YJV 4×25+1×16", "米"),
)
# So that each has one page.
_MOST_LINES = 4


def load_template(values: Mapping[str, str]) -> Template:
    """Return the compiled template of ordinary invoices.

    Args:
        values: the ``KAIPIAO_*`` settings of fonts and templates.

    Raises:
        ConfigError: fonts or templates are missing.
    """
    settings = RenderSettings.from_mapping({name: value for name, value in values.items() if name != "KAIPIAO_SIGNING"})
    registry = TemplateRegistry(settings.templates)
    return registry.load(InvoiceKind.VAT_ORDINARY.value, fonts=load_fonts(settings.fonts))


def sample_pages(template: Template, count: int) -> DisplayList:
    """Return ``count`` invoices of one page each, laid out.

    Raises:
        OutputInvalid: one of them could not be laid out: our defect.
    """
    invoices = [made_up_invoice(number) for number in range(count)]
    display, errors = layout_batch(invoices, template)
    failed: Sequence[Exception] = [error for error in errors if error is not None]
    if display is None or failed:
        raise OutputInvalid(f"a made-up invoice cannot be laid out: {failed[0]}.")
    return display


def made_up_invoice(number: int) -> Invoice:
    """Return the invoice of a number, 0 and up: one to four lines, some with a remark."""
    lines = tuple(_line(number, place) for place in range(1 + number % _MOST_LINES))
    amount, tax = sum((line.amount for line in lines), Decimal(0)), sum((line.tax for line in lines), Decimal(0))
    total, issued = amount + tax, _FIRST_DAY + timedelta(days=number % 300)
    name = f"26312{number:015d}"
    return Invoice(
        kind=InvoiceKind.VAT_ORDINARY,
        number=name,
        issued=issued,
        seller=Party("虚构自检纸业示例有限公司", "91990000FAKE00010Y", f"虚构市示例区样本路{number}号", "000-00000001"),
        buyer=Party(f"虚构第{number}自检示例股份有限公司", "91990000FAKE00029U"),
        lines=lines,
        total_amount=amount,
        total_tax=tax,
        total=total,
        total_words=amount_in_words(total),
        qr_text=qr_text(InvoiceKind.VAT_ORDINARY, name, total, issued),
        clerk="赵示例",
        remark=f"示例订单{number:06d}" if number % 3 else "",
    )


def _line(number: int, place: int) -> Line:
    name, spec, unit = _GOODS[(number + place) % len(_GOODS)]
    quantity = 1 + (7 * number + 3 * place) % 40
    price = Decimal(500 + (7919 * number + 104729 * place) % 900_000) / 100
    amount = (quantity * price).quantize(_CENT)
    return Line(
        name=name,
        amount=amount,
        tax=(amount * _RATE).quantize(_CENT),
        rate=_RATE,
        spec=spec,
        unit=unit,
        quantity=str(quantity),
        unit_price=str(price),
    )
