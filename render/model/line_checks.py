"""The rules of a line: its values, its arithmetic, its signs, and how discounts are paired.

Sums are compared as integers of fen and rates as integers of a millionth, so no rounding hides a difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final, NamedTuple, TypeVar

from render.model.faults import Findings
from render.model.fields import (
    LINE_REQUIRED,
    LINE_TEXT_LENGTHS,
    MAX_DECIMAL_CHARACTERS,
    MONEY,
    QUANTITY,
    RATE,
    TAX_CODE,
    UNIT_PRICE,
)
from render.model.invoice import Line, LineRole, Treatment
from render.model.raw import Strings
from render.model.text import quote

RATE_SCALE: Final = 1_000_000
LINE_TAX_TOLERANCE_FEN: Final = 6
"""A line's tax may differ by 0.06 from amount times rate."""

T = TypeVar("T")
ZERO: Final = Decimal("0.00")
_CENT = Decimal("0.01")
_HALF_CENT = Decimal("0.005")
# 25 characters times 25 characters, exactly, whatever context the calling thread has.
_EXACT = Context(prec=60)
# What is not stated is the ordinary case.
_TREATMENTS = {"": Treatment.TAXED, **{treatment.value: treatment for treatment in Treatment}}
_ROLES = {"": LineRole.NORMAL, **{role.value: role for role in LineRole}}
_USUAL_RATES = tuple(map(Decimal, ("0", "0.01", "0.015", "0.03", "0.05", "0.06", "0.09", "0.13")))
_RATES = {
    f"{rate:.{places}f}": (rate, int(rate * RATE_SCALE))
    for rate in _USUAL_RATES
    for places in range(7)
    if places >= -int(rate.as_tuple().exponent)
}
_DISCOUNT = LineRole.DISCOUNT
_MONEY_HINT = 'Write it as a string with two decimals, such as "100.00".'


class CheckedLine(NamedTuple):
    """A line with the integers that the totals are summed from."""

    line: Line
    amount_fen: int
    tax_fen: int
    rate_millionths: int


def money(values: Strings, name: str, where: str, findings: Findings) -> tuple[Decimal, int] | None:
    """Return a sum of money as a decimal and in fen, or None with a fault."""
    text = values.get(name, "")
    if MONEY.fullmatch(text):
        fen = int(text.replace(".", ""))
        return (Decimal(text) if fen else ZERO), fen
    path = f"{where}.{name}" if where else name
    if text and not findings.is_known(path):
        findings.error(path, "money.format", f"{quote(text)} is not a sum of money.", _MONEY_HINT)
    return None


def require(values: Strings, names: Sequence[str], where: str, findings: Findings) -> None:
    """Note a fault for each field that is missing or empty, unless it has one already."""
    for name in names:
        if not values.get(name):
            path = f"{where}.{name}" if where else name
            if not findings.is_known(path):
                findings.error(path, "field.required", "The field is missing or empty.", "State it.")


def limit_lengths(values: Strings, lengths: dict[str, int], where: str, findings: Findings) -> None:
    """Note a fault for each text that is longer than its field permits."""
    for name, limit in lengths.items():
        if len(text := values.get(name, "")) > limit:
            path = f"{where}.{name}" if where else name
            message = f"{len(text)} characters, {limit} are permitted."
            findings.error(path, "text.too_long", message, "Shorten it.")


def check_line(raw: Strings, place: int, findings: Findings, *, is_red: bool) -> CheckedLine | None:
    """Check one line by itself.

    Args:
        raw: its values as given.
        place: index, from 0.
        findings: takes every fault.
        is_red: a red invoice has negative amounts and quantities, a blue one positive ones but for discounts.

    Returns:
        The line, or None where a value is missing or has not the form of its field.
    """
    where = f"lines[{place}]"
    require(raw, LINE_REQUIRED, where, findings)
    limit_lengths(raw, LINE_TEXT_LENGTHS, where, findings)
    tax_code = raw.get("tax_code", "")
    if tax_code and not TAX_CODE.fullmatch(tax_code):
        findings.error(f"{where}.tax_code", "line.tax_code", "A tax code has 19 digits.", "Correct it or leave it out.")
    treatment = _choice(raw, "treatment", _TREATMENTS, where, findings)
    role = _choice(raw, "role", _ROLES, where, findings)
    amount, tax = money(raw, "amount", where, findings), money(raw, "tax", where, findings)
    rate = _rate(raw, where, findings)
    _check_quantity(raw, amount, where, findings, is_red=is_red)
    if amount is None or tax is None or rate is None or treatment is None or role is None:
        return None
    if is_red or amount[1] < 0 or tax[1] < 0 or role is _DISCOUNT:
        _check_signs(amount[1], tax[1], role, where, findings, is_red=is_red)
    _check_tax(amount[1], tax[1], rate[1], treatment, where, findings)
    line = Line(
        name=raw.get("name", ""),
        amount=amount[0],
        tax=tax[0],
        rate=rate[0],
        treatment=treatment,
        role=role,
        spec=raw.get("spec", ""),
        unit=raw.get("unit", ""),
        quantity=raw.get("quantity", ""),
        unit_price=raw.get("unit_price", ""),
        tax_code=tax_code,
    )
    return CheckedLine(line, amount[1], tax[1], rate[1])


def check_discounts(lines: Sequence[CheckedLine | None], findings: Findings, *, is_red: bool) -> None:
    """Check that each discount line (折扣行) directly follows the one line that it discounts, and fits it."""
    for place, checked in enumerate(lines):
        if checked is None or checked.line.role is LineRole.NORMAL:
            continue
        where = f"lines[{place}]"
        if is_red:
            findings.error(
                f"{where}.role",
                "discount.on_red",
                "A red invoice has no discount lines.",
                "Reverse the discounted line by its net amount.",
            )
        elif checked.line.role is LineRole.DISCOUNT:
            _check_discount(checked, lines[place - 1] if place else None, where, findings, is_first=place == 0)
        elif place + 1 == len(lines) or _has_other_role(lines[place + 1], LineRole.DISCOUNT):
            findings.error(
                f"{where}.role",
                "discount.missing",
                "No discount line follows this discounted line.",
                'Add it directly after this line, or make the role "normal".',
            )


def _check_discount(
    discount: CheckedLine, before: CheckedLine | None, where: str, findings: Findings, *, is_first: bool
) -> None:
    if is_first or _has_other_role(before, LineRole.DISCOUNTED):
        findings.error(
            f"{where}.role",
            "discount.unpaired",
            "The line before this discount is not the line that it discounts.",
            'Put the discount directly after its line, whose role is "discounted"; one discount for each line.',
        )
        return
    line = discount.line
    for name in ("spec", "unit", "quantity", "unit_price"):
        if getattr(line, name):
            message = "A discount line has an amount and a tax, and nothing else."
            findings.error(f"{where}.{name}", "discount.value", message, "Leave this field out.")
    if before is None:
        return
    for name, hint in (("name", "Repeat the name."), ("rate", "Repeat the rate."), ("treatment", "Repeat it.")):
        if getattr(line, name) != getattr(before.line, name):
            message = f"The {name} differs from that of the discounted line."
            findings.error(f"{where}.{name}", f"discount.{name}", message, hint)
    if -discount.amount_fen > before.amount_fen:
        findings.error(
            f"{where}.amount", "discount.too_large", "The discount exceeds its line.", "Correct one of the two amounts."
        )


def _has_other_role(checked: CheckedLine | None, role: LineRole) -> bool:
    """Tell whether a line surely has another role; of one that could not be read nothing is known."""
    return checked is not None and checked.line.role is not role


def _choice(raw: Strings, name: str, choices: dict[str, T], where: str, findings: Findings) -> T | None:
    value = raw.get(name, "")
    found = choices.get(value)
    if found is None:
        known = ", ".join(filter(None, choices))
        path = f"{where}.{name}"
        findings.error(path, "field.choice", f"{quote(value)} is not one of the choices.", f"Known are {known}.")
    return found


def _rate(raw: Strings, where: str, findings: Findings) -> tuple[Decimal, int] | None:
    text = raw.get("rate", "")
    if usual := _RATES.get(text):
        return usual
    if not text:
        return None
    path = f"{where}.rate"
    if not RATE.fullmatch(text):
        hint = 'Write it as a fraction with at most six decimals, such as "0.13".'
        findings.error(path, "line.rate", f"{quote(text)} is not a tax rate.", hint)
        return None
    rate = Decimal(text).normalize(_EXACT)
    findings.warning(path, "line.rate_unusual", f"{text} is not a usual rate.", "Check it against the tax code.")
    return rate, int(rate * RATE_SCALE)


def _check_quantity(
    raw: Strings, amount: tuple[Decimal, int] | None, where: str, findings: Findings, *, is_red: bool
) -> None:
    """Check that quantity and price come together, have the right signs and multiply to the amount."""
    quantity, price = raw.get("quantity", ""), raw.get("unit_price", "")
    if not quantity and not price:
        return
    if not quantity or not price:
        missing = f"{where}.{'quantity' if price else 'unit_price'}"
        if not findings.is_known(missing):
            message = "Quantity and unit price are stated both or neither."
            findings.error(missing, "line.quantity_pair", message, "State the other, or leave both out.")
    is_price = _is_decimal(price, UNIT_PRICE, where, "unit_price", findings)
    if not _is_decimal(quantity, QUANTITY, where, "quantity", findings):
        return
    number = Decimal(quantity)
    if not number or number.is_signed() is not is_red:
        wanted = "negative on a red invoice" if is_red else "positive on a blue invoice"
        findings.error(f"{where}.quantity", "line.quantity_sign", f"The quantity must be {wanted}.", "Correct it.")
    if not is_price or amount is None:
        return
    difference = _EXACT.fma(number, Decimal(price), amount[0].copy_negate())
    if difference.copy_abs() > _HALF_CENT:
        message = f"Quantity times unit price is off the amount {amount[0]} by {difference:.4f}."
        if difference.copy_abs() > _CENT:
            findings.error(f"{where}.amount", "line.amount_arithmetic", message, "They may differ by 0.01.")
        else:
            findings.warning(f"{where}.amount", "line.amount_rounding", message, "Halves up would give another fen.")


def _is_decimal(text: str, shape: re.Pattern[str], where: str, name: str, findings: Findings) -> bool:
    if len(text) <= MAX_DECIMAL_CHARACTERS and shape.fullmatch(text):
        return True
    path = f"{where}.{name}"
    if text and not findings.is_known(path):
        hint = f"Write plain digits and a point, at most {MAX_DECIMAL_CHARACTERS} characters; no exponent."
        findings.error(path, "line.decimal", f"{quote(text)} is not a decimal number of this field.", hint)
    return False


def _check_signs(
    amount_fen: int, tax_fen: int, role: LineRole, where: str, findings: Findings, *, is_red: bool
) -> None:
    is_discount = role is LineRole.DISCOUNT
    if is_discount and amount_fen >= 0 and not is_red:
        findings.error(f"{where}.amount", "discount.sign", "A discount is not negative.", "Write the amount with a -.")
    is_negative = is_red or is_discount
    for name, fen in (("amount", amount_fen), ("tax", tax_fen)):
        if fen > 0 and is_red:
            message, hint = f"The {name} is positive on a red invoice.", "Every amount of a red invoice is negative."
            findings.error(f"{where}.{name}", "red.sign", message, hint)
        elif fen < 0 and not is_negative:
            findings.error(
                f"{where}.{name}",
                "line.sign",
                f"The {name} is negative on a blue invoice.",
                'Only a line of the role "discount" is negative; a red invoice states "red".',
            )
        elif name == "tax" and fen > 0 and is_discount:
            findings.error(f"{where}.tax", "discount.sign", "The tax of a discount is positive.", "Write it with a -.")


def _check_tax(
    amount_fen: int, tax_fen: int, rate_millionths: int, treatment: Treatment, where: str, findings: Findings
) -> None:
    if treatment is not Treatment.TAXED:
        for name, value in (("rate", rate_millionths), ("tax", tax_fen)):
            if value:
                message = f"The {name} of a line that is {treatment.value} must be zero."
                findings.error(f"{where}.{name}", f"line.untaxed_{name}", message, "Write zero.")
        return
    difference = abs(amount_fen * rate_millionths - tax_fen * RATE_SCALE)
    if difference > LINE_TAX_TOLERANCE_FEN * RATE_SCALE:
        message = f"Amount times rate differs from the tax by {difference / RATE_SCALE / 100:.4f}."
        findings.error(f"{where}.tax", "line.tax_arithmetic", message, "They may differ by 0.06.")
    elif difference > RATE_SCALE // 2:
        message = f"Amount times rate differs from the tax by {difference / RATE_SCALE / 100:.4f}."
        findings.warning(f"{where}.tax", "line.tax_rounding", message, "Halves up would give another fen.")
