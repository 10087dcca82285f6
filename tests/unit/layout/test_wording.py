"""How values read."""

from datetime import date
from decimal import Decimal

import layout_samples as samples
import pytest

from render.layout.wording import date_text, line_texts, money_text, percent_text, rate_text, remark_text, tax_text
from render.model.invoice import LineRole, Treatment


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("0.13", "13%"),
        ("0.130", "13%"),
        ("0.015", "1.5%"),
        ("0.01", "1%"),
        ("0.1", "10%"),
        ("0", "0%"),
        ("0.00", "0%"),
        ("1", "100%"),
    ],
)
def test_rates_are_percentages_without_trailing_zeros(rate, expected):
    assert percent_text(Decimal(rate)) == expected


def test_dates_have_four_and_two_digits():
    assert date_text(date(2024, 5, 8)) == "2024年05月08日"


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("1234567.8", "1234567.80"), ("-2500", "-2500.00"), ("0", "0.00"), ("1E+3", "1000.00")],
)
def test_money_has_two_decimals_and_no_separators(amount, expected):
    assert money_text(Decimal(amount)) == expected


@pytest.mark.parametrize(("treatment", "word"), [(Treatment.EXEMPT, "免税"), (Treatment.NOT_TAXED, "不征税")])
def test_an_untaxed_line_says_so_and_has_no_tax(treatment, word):
    line = samples.line(treatment=treatment, rate=Decimal(0), tax=Decimal(0))
    assert (rate_text(line), tax_text(line)) == (word, "***")


def test_a_rate_of_zero_is_a_tax_of_zero():
    line = samples.line(rate=Decimal(0), tax=Decimal(0))
    assert (rate_text(line), tax_text(line)) == ("0%", "0.00")


def test_a_discount_prints_neither_quantity_nor_price():
    texts = line_texts(samples.line(role=LineRole.DISCOUNT, amount=Decimal("-5.00")))
    assert texts[3:6] == ("", "", "-5.00")


def test_a_red_invoice_names_first_what_it_reverses():
    remark = remark_text(samples.sample(red=samples.RED, remark="退货"))
    assert remark == ("被红冲蓝字数电发票号码：26312000000000000009 红字发票信息确认单编号：31012600000000000001\n退货")


def test_a_reference_that_the_remark_already_gives_is_not_repeated():
    remark = f"被红冲蓝字数电票号码：{samples.RED.blue_number} 确认单 {samples.RED.confirmation}"
    assert remark_text(samples.sample(red=samples.RED, remark=remark)) == remark


def test_a_remark_that_gives_one_of_the_two_numbers_is_completed():
    remark = f"蓝字 {samples.RED.blue_number}"
    assert remark_text(samples.sample(red=samples.RED, remark=remark)).startswith("被红冲蓝字数电发票号码：")
