import json
from collections.abc import Callable
from typing import Any

import pytest

from render.errors import Severity
from render.model.read import read_invoice

Document = dict[str, Any]
Change = Callable[[Document, dict[str, Any]], Document]
FaultsOf = Callable[[Document | bytes], set[tuple[str, str]]]
Sample = Callable[[str], Document]

# sample, fields that are changed, faults expected
CASES: dict[str, tuple[str, dict[str, Any], set[tuple[str, str]]]] = {
    "number of 19 digits": ("ordinary", {"number": "2631200000000000001"}, {("number", "number.format")}),
    "number with a line end": ("ordinary", {"number": "26312000000000000001\n"}, {("number", "number.format")}),
    "number with NUL": ("ordinary", {"number": "2631200000000000000\0"}, {("number", "number.format")}),
    "number that is a path": ("ordinary", {"number": "../../../../../../etc"}, {("number", "number.format")}),
    "number in full width": (
        "ordinary",
        {"number": "２６３１２０００００００００００００００１"[:20]},
        {("number", "number.format")},
    ),
    "number of full-width dots": ("ordinary", {"number": "．．／．．／00000000000000"}, {("number", "number.format")}),
    "number in Arabic digits": ("ordinary", {"number": "\u0662" * 20}, {("number", "number.format")}),
    "number of another year": ("ordinary", {"number": "25312000000000000001"}, {("number", "number.year")}),
    "no number": ("ordinary", {"number": None}, {("number", "field.required")}),
    "empty clerk": ("ordinary", {"clerk": ""}, {("clerk", "field.required")}),
    "date without a dash": ("ordinary", {"issued": "20261123"}, {("issued", "issued.format")}),
    "date by week": ("ordinary", {"issued": "2026-W47-1"}, {("issued", "issued.format")}),
    "day that is not in the calendar": ("ordinary", {"issued": "2026-11-31"}, {("issued", "issued.format")}),
    "date in full width": ("ordinary", {"issued": "２０２６-11-23"}, {("issued", "issued.format")}),
    "unknown kind": ("ordinary", {"kind": "railway"}, {("kind", "kind.unknown")}),
    "no seller": ("ordinary", {"seller": None}, {("seller", "field.required")}),
    "no buyer": ("ordinary", {"buyer": None}, {("buyer", "field.required")}),
    "seller without a code": ("ordinary", {"seller.tax_id": ""}, {("seller.tax_id", "field.required")}),
    "seller with an old code": ("ordinary", {"seller.tax_id": "990000000000001"}, {("seller.tax_id", "tax_id.shape")}),
    "seller's code in small letters": (
        "ordinary",
        {"seller.tax_id": "91990000fake00010y"},
        {("seller.tax_id", "tax_id.format")},
    ),
    "buyer's id is a path": ("ordinary", {"buyer.tax_id": "../../x"}, {("buyer.tax_id", "tax_id.format")}),
    "buyer's id in full width": ("ordinary", {"buyer.tax_id": "９" * 18}, {("buyer.tax_id", "tax_id.format")}),
    "buyer's id is too long": (
        "ordinary",
        {"buyer.tax_id": "9" * 21},
        {("buyer.tax_id", "text.too_long")},
    ),
    "name of 151 characters": ("ordinary", {"buyer.name": "长" * 151}, {("buyer.name", "text.too_long")}),
    "remark of 451 characters": ("ordinary", {"remark": "长" * 451}, {("remark", "text.too_long")}),
    "leading space": ("ordinary", {"buyer.name": " 虚构"}, {("buyer.name", "text.outer_space")}),
    "trailing full-width space": ("ordinary", {"clerk": "赵示例　"}, {("clerk", "text.outer_space")}),
    "line end in a name": ("ordinary", {"buyer.name": "一\n二"}, {("buyer.name", "text.forbidden_character")}),
    "carriage return in the remark": ("ordinary", {"remark": "一\r\n二"}, {("remark", "text.forbidden_character")}),
    "remark that ends with a line end": ("ordinary", {"remark": "一\n"}, {("remark", "text.outer_space")}),
    "escaped surrogate": ("ordinary", {"seller.bank": "虚\ud800"}, {("seller.bank", "text.forbidden_character")}),
    "no lines": ("ordinary", {"lines": []}, {("lines", "lines.none")}),
    "lines missing": ("ordinary", {"lines": None}, {("lines", "field.type")}),
    "total with three decimals": ("ordinary", {"total": "1264.780"}, {("total", "money.format")}),
    "total with an exponent": ("ordinary", {"total": "1.26478E3"}, {("total", "money.format")}),
    "total with separators": ("ordinary", {"total": "1,264.78"}, {("total", "money.format")}),
    "total in full width": ("ordinary", {"total": "１２６４.７８"}, {("total", "money.format")}),
    "total with a leading zero": ("ordinary", {"total": "01264.78"}, {("total", "money.format")}),
    "total with a plus": ("ordinary", {"total": "+1264.78"}, {("total", "money.format")}),
    "total of 17 digits": ("ordinary", {"total": "9" * 17 + ".00"}, {("total", "money.format")}),
    "NaN": ("ordinary", {"total_tax": "NaN"}, {("total_tax", "money.format")}),
    "total amount one fen off": (
        "ordinary",
        {"total_amount": "1119.28"},
        {("total_amount", "total.lines"), ("total", "total.sum")},
    ),
    "total one fen off": ("ordinary", {"total": "1264.79"}, {("total", "total.sum"), ("total_words", "words.amount")}),
    "words of another sum": ("ordinary", {"total_words": "壹分"}, {("total_words", "words.amount")}),
    "words that are none": ("ordinary", {"total_words": "one fen"}, {("total_words", "words.format")}),
    "QR of another invoice": (
        "mixed_rates",
        {"qr_text": "01,31,,24312000000000000001,1130.00,20240528,,49EE"},
        {("qr_text", "qr.number"), ("qr_text", "qr.total"), ("qr_text", "qr.date")},
    ),
    "red without a blue number": ("red", {"red.blue_number": ""}, {("red.blue_number", "field.required")}),
    "red without a confirmation": ("red", {"red.confirmation": None}, {("red.confirmation", "field.required")}),
    "red with a blue number of letters": ("red", {"red.blue_number": "x" * 20}, {("red.blue_number", "number.format")}),
    "red with a long confirmation": ("red", {"red.confirmation": "9" * 41}, {("red.confirmation", "red.confirmation")}),
    "red of itself": ("red", {"red.blue_number": "26312000000000000006"}, {("red.blue_number", "red.self")}),
    "red whose remark names another number": (
        "red",
        {"remark": "被红冲蓝字数电发票号码：26312000000000000009"},
        {("remark", "red.remark")},
    ),
    "red whose remark has no room": ("red", {"remark": "长" * 440}, {("remark", "red.remark_too_long")}),
    "red whose remark is too long by itself": ("red", {"remark": "长" * 451}, {("remark", "text.too_long")}),
    "red of nothing": (
        "red",
        {
            "lines.0.unit_price": "0",
            "lines.0.amount": "0.00",
            "lines.0.tax": "0.00",
            "total_amount": "0.00",
            "total_tax": "0.00",
            "total": "0.00",
        },
        {("total", "red.sign")},
    ),
    "red flag on a blue invoice": (
        "not_taxed",
        {"red": {"blue_number": "26312000000000000001", "confirmation": "1"}},
        {("lines[0].amount", "red.sign"), ("total", "red.sign")},
    ),
    "red invoice without its reference": (
        "red",
        {"red": None},
        {
            ("lines[0].quantity", "line.quantity_sign"),
            ("lines[0].amount", "line.sign"),
            ("lines[0].tax", "line.sign"),
            ("total", "total.sign"),
        },
    ),
}


@pytest.mark.parametrize(("name", "fields", "expected"), CASES.values(), ids=CASES)
def test_each_broken_rule_is_named_with_its_field(
    sample: Sample,
    changed: Change,
    faults_of: FaultsOf,
    name: str,
    fields: dict[str, Any],
    expected: set[tuple[str, str]],
) -> None:
    assert faults_of(changed(sample(name), fields)) == expected


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ordinary", {"remark": None, "total_words": None}),
        ("ordinary", {"total_words": "", "remark": ""}),
        ("ordinary", {"remark": "第一行\n\n第三行"}),
        ("ordinary", {"total_words": "壹仟贰佰陆拾肆圆柒角捌分", "clerk": "阿依古丽·示例"}),
        ("ordinary", {"buyer.name": "长" * 150, "remark": "长" * 450, "clerk": "长" * 300}),
        ("ordinary", {"buyer.name": "虚构　示例𠅤㛃䶮𬭊鿏"}),
        ("mixed_rates", {"qr_text": ""}),
        ("red", {"remark": None}),
        ("red", {"remark": "被红冲蓝字数电票号码：26312000000000000001 红字发票信息确认单编号：31012612000000000001"}),
        ("exempt", {"lines.0.tax": "-0.00", "total_tax": "-0.00"}),
    ],
)
def test_what_the_rules_permit_passes_without_a_word(
    sample: Sample, changed: Change, faults_of: FaultsOf, name: str, fields: dict[str, Any]
) -> None:
    assert faults_of(changed(sample(name), fields)) == set()


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("ordinary", {"buyer.tax_id": "91990000FAKE00029V"}, ("buyer.tax_id", "tax_id.shape")),
        ("ordinary", {"buyer.tax_id": "91990000FAKE00029W"}, ("buyer.tax_id", "tax_id.check_digit")),
        ("ordinary", {"buyer.tax_id": "990000000000001"}, ("buyer.tax_id", "tax_id.shape")),
        ("ordinary", {"buyer.tax_id": "1234"}, ("buyer.tax_id", "tax_id.shape")),
        ("mixed_rates", {"buyer.tax_id": None}, ("buyer.tax_id", "tax_id.missing")),
        (
            "mixed_rates",
            {"qr_text": "01,31,,26312000000000000002,2465.95,20260228,,"},
            ("qr_text", "qr.crc_missing"),
        ),
    ],
)
def test_doubts_are_warnings_and_the_invoice_is_read(
    sample: Sample, changed: Change, name: str, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    document = changed(sample(name), fields)
    (warning,) = read_invoice(json.dumps(document).encode()).warnings
    assert (warning.path, warning.rule) == expected
    assert warning.severity is Severity.WARNING


def test_given_words_and_qr_text_are_kept_as_given(sample: Sample, changed: Change) -> None:
    given = "01,31,,26312000000000000002,2465.95,20260228,,"
    document = changed(sample("mixed_rates"), {"qr_text": given, "total_words": "贰仟肆佰陆拾伍元玖角伍分"})
    invoice = read_invoice(json.dumps(document).encode()).invoice
    assert invoice.qr_text == given
    assert invoice.total_words == "贰仟肆佰陆拾伍元玖角伍分"


def test_remark_of_a_red_invoice_gets_the_reference_that_it_lacks(sample: Sample, changed: Change) -> None:
    def remark(given: str) -> str:
        return read_invoice(json.dumps(changed(sample("red"), {"remark": given})).encode()).invoice.remark

    blue, confirmation = "被红冲蓝字数电发票号码：26312000000000000001", "红字发票信息确认单编号：31012612000000000001"
    assert remark("") == f"{blue} {confirmation}"
    assert remark("退货") == f"{blue} {confirmation} 退货"
    assert remark(blue) == f"{confirmation} {blue}"
    assert remark(f"{confirmation}；{blue}") == f"{confirmation}；{blue}"


def test_sums_are_zero_without_a_sign(sample: Sample, changed: Change) -> None:
    document = changed(sample("exempt"), {"lines.0.tax": "-0.00", "total_tax": "-0.00"})
    invoice = read_invoice(json.dumps(document).encode()).invoice
    assert str(invoice.total_tax) == str(invoice.lines[0].tax) == "0.00"
