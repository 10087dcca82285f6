"""How values read on the face of an invoice: dates, rates, sums, remarks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache

from render.model.invoice import Invoice, Line, LineRole, Treatment

UNTAXED = "***"
"""Stands for a tax that does not exist, which is not the same as a tax of 0.00."""

_TREATMENT_WORDS = {Treatment.EXEMPT: "免税", Treatment.NOT_TAXED: "不征税"}


def date_text(day: date) -> str:
    """Return a date as the form prints it: 2024年05月28日."""
    return f"{day.year:04d}年{day.month:02d}月{day.day:02d}日"


@lru_cache(maxsize=256)
def percent_text(rate: Decimal) -> str:
    """Return a tax rate (税率) as printed: 0.13 is 13%, 0.015 is 1.5%, without trailing zeros."""
    text = f"{rate * 100:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def rate_text(line: Line) -> str:
    """Return what the rate column prints: a percentage, 免税 or 不征税."""
    return percent_text(line.rate) if line.treatment is Treatment.TAXED else _TREATMENT_WORDS[line.treatment]


def money_text(amount: Decimal) -> str:
    """Return a sum of money with two decimals, without thousands separators; red ones keep their minus sign."""
    text = str(amount)
    # Plain notation with two decimals is what the model delivers; anything else is formatted, which takes longer.
    return text if text[-3:-2] == "." else f"{amount:.2f}"


def tax_text(line: Line) -> str:
    """Return what the tax column prints."""
    return money_text(line.tax) if line.treatment is Treatment.TAXED else UNTAXED


def is_taxed(lines: Iterable[Line]) -> bool:
    """Tell whether any line is taxed."""
    return any(line.treatment is Treatment.TAXED for line in lines)


def line_texts(line: Line) -> tuple[str, ...]:
    """Return what a line prints in each column; a discount (折扣行) has no quantity and no price."""
    is_discount = line.role is LineRole.DISCOUNT
    return (
        line.name,
        line.spec,
        line.unit,
        "" if is_discount else line.quantity,
        "" if is_discount else line.unit_price,
        money_text(line.amount),
        rate_text(line),
        tax_text(line),
    )


def remark_text(invoice: Invoice) -> str:
    """Return the remark (备注); that of a red invoice (红字发票) begins with what it reverses."""
    red, remark = invoice.red, invoice.remark
    if red is None or (red.blue_number in remark and red.confirmation in remark):
        return remark
    reference = f"被红冲蓝字数电发票号码：{red.blue_number} 红字发票信息确认单编号：{red.confirmation}"
    return f"{reference}\n{remark}" if remark else reference
