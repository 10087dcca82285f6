import json
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest

from render.model.faults import Findings
from render.model.invoice import LineRole
from render.model.line_checks import CheckedLine, check_discounts, check_line
from render.model.read import read_invoice

Document = dict[str, Any]

TAXED = {"name": "*纸制品*示例复印纸", "amount": "100.00", "rate": "0.13", "tax": "13.00"}
PRICED = TAXED | {"quantity": "2", "unit_price": "50"}
DISCOUNTED = TAXED | {"role": "discounted"}
DISCOUNT = TAXED | {"amount": "-10.00", "tax": "-1.30", "role": "discount"}


def check(values: dict[str, str], *, is_red: bool = False) -> tuple[CheckedLine | None, set[str]]:
    findings = Findings()
    line = check_line(values, 3, findings, is_red=is_red)
    faults = findings.all()
    assert all(fault.path.startswith("lines[3].") for fault in faults)
    return line, {f"{fault.path.removeprefix('lines[3].')} {fault.rule} {fault.severity}" for fault in faults}


def found(values: dict[str, str], *, is_red: bool = False) -> set[str]:
    return check(values, is_red=is_red)[1]


@pytest.mark.parametrize(
    "values",
    [
        TAXED,
        PRICED,
        PRICED | {"quantity": "2.0000", "unit_price": "50.000"},
        PRICED | {"quantity": "3", "unit_price": "33.33333333333333333333"[:25]},
        TAXED | {"rate": "0.130000"},
        TAXED | {"rate": "0.015", "tax": "1.50"},
        TAXED | {"rate": "0", "tax": "0.00"},
        TAXED | {"rate": "0.00", "tax": "0.00"},
        TAXED | {"rate": "0", "tax": "0.00", "treatment": "exempt"},
        TAXED | {"rate": "0", "tax": "0.00", "treatment": "not_taxed"},
        TAXED | {"treatment": "", "role": "", "spec": "", "quantity": "", "unit_price": "", "tax_code": ""},
        TAXED | {"name": "长" * 600, "spec": "长" * 150, "unit": "长" * 300, "tax_code": "9" * 19},
        TAXED | {"amount": "9999999999999999.99", "rate": "0", "tax": "0.00"},
        DISCOUNT,
        DISCOUNTED,
    ],
)
def test_lines_in_order_have_no_faults(values: dict[str, str]) -> None:
    line, faults = check(values)
    assert faults == set()
    assert line is not None
    assert line.line.amount == Decimal(values["amount"])
    assert line.amount_fen == int(Decimal(values["amount"]) * 100)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (TAXED | {"name": ""}, {"name field.required error"}),
        ({}, {f"{name} field.required error" for name in ("name", "amount", "rate", "tax")}),
        (TAXED | {"name": "长" * 601}, {"name text.too_long error"}),
        (TAXED | {"spec": "长" * 151}, {"spec text.too_long error"}),
        (TAXED | {"unit": "长" * 301}, {"unit text.too_long error"}),
        (TAXED | {"tax_code": "9" * 18}, {"tax_code line.tax_code error"}),
        (TAXED | {"tax_code": "９" * 19}, {"tax_code line.tax_code error"}),
        (TAXED | {"treatment": "free"}, {"treatment field.choice error"}),
        (TAXED | {"role": "2"}, {"role field.choice error"}),
        (TAXED | {"amount": "100"}, {"amount money.format error"}),
        (TAXED | {"amount": "1e2"}, {"amount money.format error"}),
        (TAXED | {"amount": "Infinity"}, {"amount money.format error"}),
        (TAXED | {"amount": "9" * 100_000 + ".00"}, {"amount money.format error"}),
        (TAXED | {"tax": ".13"}, {"tax money.format error"}),
        (TAXED | {"rate": "13%"}, {"rate line.rate error"}),
        (TAXED | {"rate": "0.1300000"}, {"rate line.rate error"}),
        (TAXED | {"rate": "1"}, {"rate line.rate error"}),
        (TAXED | {"rate": "-0.13"}, {"rate line.rate error"}),
        (TAXED | {"rate": "0.17", "tax": "17.00"}, {"rate line.rate_unusual warning"}),
        (TAXED | {"quantity": "2"}, {"unit_price line.quantity_pair error"}),
        (TAXED | {"unit_price": "50"}, {"quantity line.quantity_pair error"}),
        (PRICED | {"quantity": "0"}, {"quantity line.quantity_sign error", "amount line.amount_arithmetic error"}),
        (PRICED | {"quantity": "-2"}, {"quantity line.quantity_sign error", "amount line.amount_arithmetic error"}),
        (PRICED | {"quantity": "2E0"}, {"quantity line.decimal error"}),
        (PRICED | {"quantity": "1E+999999999"}, {"quantity line.decimal error"}),
        (PRICED | {"quantity": "２"}, {"quantity line.decimal error"}),
        (PRICED | {"quantity": "2."}, {"quantity line.decimal error"}),
        (PRICED | {"quantity": "02"}, {"quantity line.decimal error"}),
        (PRICED | {"quantity": "2" + "." + "0" * 24}, {"quantity line.decimal error"}),
        (PRICED | {"unit_price": "-50"}, {"unit_price line.decimal error"}),
        (PRICED | {"unit_price": "NaN"}, {"unit_price line.decimal error"}),
        (PRICED | {"unit_price": "50.0051"}, {"amount line.amount_arithmetic error"}),
        (PRICED | {"unit_price": "50.005"}, {"amount line.amount_rounding warning"}),
        (PRICED | {"unit_price": "49.995"}, {"amount line.amount_rounding warning"}),
        (PRICED | {"unit_price": "50.0025"}, set()),
        (TAXED | {"tax": "13.01"}, {"tax line.tax_rounding warning"}),
        (TAXED | {"tax": "13.06"}, {"tax line.tax_rounding warning"}),
        (TAXED | {"tax": "12.94"}, {"tax line.tax_rounding warning"}),
        (TAXED | {"tax": "13.07"}, {"tax line.tax_arithmetic error"}),
        (TAXED | {"tax": "12.93"}, {"tax line.tax_arithmetic error"}),
        (TAXED | {"amount": "0.50", "rate": "0.01", "tax": "0.00"}, set()),
        (TAXED | {"amount": "0.50", "rate": "0.01", "tax": "0.01"}, set()),
        (TAXED | {"treatment": "exempt"}, {"rate line.untaxed_rate error", "tax line.untaxed_tax error"}),
        (TAXED | {"treatment": "not_taxed", "rate": "0"}, {"tax line.untaxed_tax error"}),
        (TAXED | {"amount": "-100.00"}, {"amount line.sign error", "tax line.tax_arithmetic error"}),
        (DISCOUNT | {"amount": "10.00", "tax": "1.30"}, {"amount discount.sign error", "tax discount.sign error"}),
        (DISCOUNT | {"amount": "0.00", "tax": "0.00"}, {"amount discount.sign error"}),
    ],
)
def test_each_rule_of_a_line_is_named(values: dict[str, str], expected: set[str]) -> None:
    assert found(values) == expected


def test_on_a_red_invoice_every_sign_turns() -> None:
    red = PRICED | {"quantity": "-2", "amount": "-100.00", "tax": "-13.00"}
    assert found(red, is_red=True) == set()
    assert found(PRICED, is_red=True) == {
        "quantity line.quantity_sign error",
        "amount red.sign error",
        "tax red.sign error",
    }
    assert found(red | {"quantity": "2"}, is_red=True) == {
        "quantity line.quantity_sign error",
        "amount line.amount_arithmetic error",
    }


def test_arithmetic_is_exact_where_the_default_context_would_round() -> None:
    # The product is 99.99 less a number with 28 zeros behind the point: 28 digits would show just 99.99.
    values = {"quantity": "0.999999999999999", "unit_price": "99.99000000000009999"}
    assert found(TAXED | values) == {"amount line.amount_arithmetic error"}
    assert found(TAXED | values | {"quantity": "1"}) == {"amount line.amount_rounding warning"}


def test_checks_do_not_depend_on_the_context_of_the_caller(document: Document) -> None:
    with localcontext() as context:
        context.prec = 2
        read = read_invoice(json.dumps(document).encode())
    assert read.warnings == ()
    assert str(read.invoice.total) == "1264.78"


@pytest.mark.parametrize(
    ("text", "value"), [("0.130000", "0.13"), ("0.000", "0"), ("0.015000", "0.015"), ("0.100", "0.1"), ("0.01", "0.01")]
)
def test_rates_are_kept_without_trailing_zeros(text: str, value: str) -> None:
    line, _ = check(TAXED | {"rate": text, "tax": f"{Decimal(text) * 100:.2f}"})
    assert line is not None
    assert str(line.line.rate) == value


def discounts(*lines: dict[str, str] | None, is_red: bool = False) -> set[tuple[str, str]]:
    findings = Findings()
    checked = [None if line is None else check_line(line, 0, Findings(), is_red=False) for line in lines]
    check_discounts(checked, findings, is_red=is_red)
    return {(fault.path, fault.rule) for fault in findings.all()}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((DISCOUNTED, DISCOUNT), set()),
        ((TAXED, DISCOUNTED, DISCOUNT, TAXED, DISCOUNTED, DISCOUNT), set()),
        ((DISCOUNTED, DISCOUNT | {"amount": "-100.00", "tax": "-13.00"}), set()),
        ((DISCOUNT,), {("lines[0].role", "discount.unpaired")}),
        ((TAXED, DISCOUNT), {("lines[1].role", "discount.unpaired")}),
        ((DISCOUNTED,), {("lines[0].role", "discount.missing")}),
        ((DISCOUNTED, TAXED), {("lines[0].role", "discount.missing")}),
        ((DISCOUNTED, DISCOUNTED, DISCOUNT), {("lines[0].role", "discount.missing")}),
        ((DISCOUNTED, DISCOUNT, DISCOUNT), {("lines[2].role", "discount.unpaired")}),
        ((DISCOUNTED, DISCOUNT | {"name": "*纸制品*别的"}), {("lines[1].name", "discount.name")}),
        ((DISCOUNTED, DISCOUNT | {"rate": "0.09", "tax": "-0.90"}), {("lines[1].rate", "discount.rate")}),
        (
            (DISCOUNTED, DISCOUNT | {"rate": "0", "tax": "0.00", "treatment": "exempt"}),
            {("lines[1].rate", "discount.rate"), ("lines[1].treatment", "discount.treatment")},
        ),
        ((DISCOUNTED, DISCOUNT | {"amount": "-100.01"}), {("lines[1].amount", "discount.too_large")}),
        (
            (DISCOUNTED, DISCOUNT | {"spec": "A4", "unit": "箱", "quantity": "1", "unit_price": "1"}),
            {(f"lines[1].{name}", "discount.value") for name in ("spec", "unit", "quantity", "unit_price")},
        ),
        ((None, DISCOUNT), set()),
        ((DISCOUNTED, None), set()),
    ],
)
def test_a_discount_follows_the_one_line_that_it_discounts(
    lines: tuple[dict[str, str] | None, ...], expected: set[tuple[str, str]]
) -> None:
    assert discounts(*lines) == expected


def test_a_red_invoice_has_no_discounts() -> None:
    assert discounts(DISCOUNTED, DISCOUNT, is_red=True) == {
        ("lines[0].role", "discount.on_red"),
        ("lines[1].role", "discount.on_red"),
    }


def test_sums_of_many_small_differences_are_limited(
    document: Document, faults_of: Callable[[Document | bytes], set[tuple[str, str]]]
) -> None:
    def with_taxes(*taxes: str) -> Document:
        line = {"name": "*纸制品*示例", "amount": "100.00", "rate": "0.13"}
        document["lines"] = [line | {"tax": tax} for tax in taxes]
        document.pop("total_words", None)
        amount, tax = Decimal(100) * len(taxes), sum(map(Decimal, taxes))
        return document | {"total_amount": f"{amount:.2f}", "total_tax": f"{tax:.2f}", "total": f"{amount + tax:.2f}"}

    most = ["13.06"] * 21
    assert ("total_tax", "total.tax_arithmetic") not in faults_of(with_taxes(*most, "13.01"))
    assert ("total_tax", "total.tax_arithmetic") in faults_of(with_taxes(*most, "13.02"))


def test_roles_are_read(sample: Callable[[str], Document]) -> None:
    invoice = read_invoice(json.dumps(sample("discount")).encode()).invoice
    assert [line.role for line in invoice.lines] == [LineRole.DISCOUNTED, LineRole.DISCOUNT, LineRole.NORMAL]
