import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from render.errors import InputError, InvoiceInvalid, MalformedInput, Severity
from render.model.fields import MAX_DOCUMENT_BYTES, MAX_LINES
from render.model.invoice import InvoiceKind, LineRole, Media, Treatment
from render.model.read import read_invoice

INVOICES = Path(__file__).parents[2] / "data" / "invoices"

Document = dict[str, Any]


def rule_of(data: bytes, media: Media | None = None) -> str:
    with pytest.raises(MalformedInput) as caught:
        read_invoice(data, media)
    assert caught.value.code == "input_malformed"
    (fault,) = caught.value.faults
    assert fault.path == "document"
    return fault.rule


@pytest.mark.parametrize("path", sorted(INVOICES.iterdir()), ids=lambda path: path.name)
def test_every_sample_is_read_without_a_warning(path: Path) -> None:
    data = path.read_bytes()
    read = read_invoice(data)
    assert read.warnings == ()
    assert read.invoice.source is not None
    assert read.invoice.source.data == data
    assert read.invoice.source.media is (Media.JSON if path.suffix == ".json" else Media.EINVOICE_XML)


def test_values_are_read_as_they_stand(document: Document) -> None:
    invoice = read_invoice(json.dumps(document).encode()).invoice
    assert invoice.kind is InvoiceKind.VAT_ORDINARY
    assert invoice.number == "26312000000000000001"
    assert invoice.issued == date(2026, 11, 23)
    assert invoice.seller.account == "0000000000000000001"
    assert invoice.buyer.address == ""
    assert invoice.lines[1].unit_price == "38.53211009174312"
    assert invoice.lines[0].amount == Decimal("100.00")
    assert invoice.lines[2].treatment is Treatment.TAXED
    assert invoice.lines[2].role is LineRole.NORMAL
    assert invoice.total == Decimal("1264.78")
    assert invoice.total_words == "壹仟贰佰陆拾肆元柒角捌分"
    assert invoice.qr_text.startswith("01,32,,26312000000000000001,1264.78,20261123,,")


def test_a_byte_order_mark_and_outer_white_space_do_not_matter(document: Document) -> None:
    data = b"\xef\xbb\xbf \r\n" + json.dumps(document).encode() + b"\n"
    assert read_invoice(data).invoice.number == document["number"]


def test_escaped_and_plain_documents_are_read_alike(document: Document) -> None:
    escaped = read_invoice(json.dumps(document).encode()).invoice
    plain = read_invoice(json.dumps(document, ensure_ascii=False).encode()).invoice
    assert b"\\" in json.dumps(document).encode()
    assert (escaped.seller, escaped.lines, escaped.remark) == (plain.seller, plain.lines, plain.remark)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "document.unknown_media"),
        (b" \n\t", "document.unknown_media"),
        (b"kaipiao", "document.unknown_media"),
        (b"%PDF-1.7", "document.unknown_media"),
        (b"\0{}", "document.unknown_media"),
        (b'{"schema": "\xff"}', "document.encoding"),
        ('{"schema": "开"}'.encode("gb18030"), "document.encoding"),
        (b'{"a": "\xed\xa0\x80"}', "document.encoding"),
        ("\ufeff{}".encode("utf-16-le"), "document.encoding"),
        ("\ufeff<EInvoice/>".encode("utf-16-be"), "document.encoding"),
        ('<?xml version="1.0" encoding="UTF-16"?><EInvoice/>'.encode("utf-16"), "document.encoding"),
        (b"{", "json.syntax"),
        (b'{"a": 1,}', "json.syntax"),
        (b'{"a": "\n"}', "json.syntax"),
        (b"{} {}", "json.syntax"),
        (b'{"a": NaN}', "json.syntax"),
        (b'{"a": Infinity}', "json.syntax"),
        (b'{"a": [-Infinity]}', "json.syntax"),
        (b"[]", "json.not_an_object"),
        (b"[" * 100_000, "json.depth"),
        (b'{"a":' * 100_000, "json.depth"),
        (b"{}", "json.schema"),
        (b'{"schema": 1}', "json.schema"),
        (b'{"schema": ["kaipiao.invoice/1"]}', "json.schema"),
        (b'{"schema": "kaipiao.invoice/2"}', "json.schema"),
        (b'{"schema": "kaipiao.invoice/1", "schema": "kaipiao.invoice/1"}', "json.duplicate_name"),
    ],
)
def test_what_is_no_document_is_refused(data: bytes, rule: str) -> None:
    assert rule_of(data) == rule


def test_claimed_media_decides_over_the_first_character(document: Document) -> None:
    assert rule_of(json.dumps(document).encode(), Media.EINVOICE_XML) == "xml.syntax"
    assert rule_of(b"<EInvoice/>", Media.JSON) == "json.syntax"


def test_a_string_of_ten_megabytes_is_refused_by_size(document: Document) -> None:
    document["remark"] = "注" * 10_000_000
    assert rule_of(json.dumps(document, ensure_ascii=False).encode()) == "document.too_large"


def test_the_largest_document_is_read_and_one_more_byte_is_not(document: Document) -> None:
    data = json.dumps(document).encode()
    padded = data + b" " * (MAX_DOCUMENT_BYTES - len(data))
    assert read_invoice(padded).invoice.number == document["number"]
    assert rule_of(padded + b" ") == "document.too_large"


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"clerk"', '"clerk": "另人", "clerk"'),
        ('"clerk"', '"clerk": 1, "clerk"'),
        ('"clerk"', '"clerk": {"a": ["b"]}, "clerk"'),
        ('"clerk"', '"cler\\u006b": "另人", "clerk"'),
        ('"seller"', '"seller": {}, "seller"'),
        ('"lines"', '"lines": [], "lines"'),
        ('"unit": "箱"', '"unit": "箱", "unit": "箱"'),
        ('"tax_id"', '"tax_id": "", "tax_id"'),
    ],
)
def test_a_name_that_comes_twice_is_refused(document: Document, once: str, twice: str) -> None:
    text = json.dumps(document, ensure_ascii=False)
    assert once in text
    assert rule_of(text.replace(once, twice, 1).encode()) == "json.duplicate_name"


def test_numbers_are_refused_where_they_stand(
    document: Document, changed: Callable[..., Document], faults_of: Callable[[Document | bytes], set[tuple[str, str]]]
) -> None:
    broken = changed(document, {"total": 1264.78, "lines.0.quantity": 2, "number": 26312000000000000001})
    assert faults_of(broken) == {("total", "field.type"), ("lines[0].quantity", "field.type"), ("number", "field.type")}


def test_a_number_of_many_digits_costs_nothing(document: Document) -> None:
    text = json.dumps(document).replace('"1264.78"', "9" * 500_000)
    with pytest.raises(InvoiceInvalid) as caught:
        read_invoice(text.encode())
    assert [(fault.path, fault.rule) for fault in caught.value.faults] == [("total", "field.type")]
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", [None, True, 1, "text", [], {}, [{}], {"name": 1}])
@pytest.mark.parametrize("part", ["seller", "buyer", "lines", "red", "kind", "number", "issued", "total", "qr_text"])
def test_a_value_of_any_type_in_any_place_is_a_fault_of_that_place(
    document: Document, part: str, value: object
) -> None:
    document[part] = value
    if part == "qr_text" and value == "":
        return
    with pytest.raises(InvoiceInvalid) as caught:
        read_invoice(json.dumps(document).encode())
    assert any(fault.path.startswith(part) for fault in caught.value.faults)


def test_faults_of_unlike_sorts_come_together(
    document: Document, changed: Callable[..., Document], faults_of: Callable[[Document | bytes], set[tuple[str, str]]]
) -> None:
    broken = changed(
        document,
        {
            "kind": "vat_imaginary",
            "number": "../../../../etc/pass",
            "issued": "2026-02-30",
            "seller.tax_id": "91990000FAKE00010X",
            "buyer.name": "虚构\u202e",
            "buyer.surname": "示",
            "lines.0.tax": "14.00",
            "lines.1.name": None,
            "total": "NaN",
            "clerk": "",
        },
    )
    assert faults_of(broken) == {
        ("kind", "kind.unknown"),
        ("number", "number.format"),
        ("issued", "issued.format"),
        ("seller.tax_id", "tax_id.check_digit"),
        ("buyer.name", "text.forbidden_character"),
        ("buyer.surname", "field.unknown"),
        ("lines[0].tax", "line.tax_arithmetic"),
        ("lines[1].name", "field.required"),
        ("total", "money.format"),
        ("total_tax", "total.lines"),
        ("clerk", "field.required"),
    }


def test_refusal_names_code_and_every_fault_as_plain_data(document: Document) -> None:
    del document["seller"]["tax_id"]
    document["lines"][0]["amount"] = "1"
    with pytest.raises(InvoiceInvalid) as caught:
        read_invoice(json.dumps(document).encode())
    report = json.loads(json.dumps(caught.value.as_dict()))
    assert report["code"] == "invoice_invalid"
    assert report["retry"] == "never"
    assert [fault["path"] for fault in report["faults"]] == ["seller.tax_id", "lines[0].amount"]
    assert {fault["severity"] for fault in report["faults"]} == {"error"}


def test_names_from_a_hostile_document_are_shown_safely_and_in_bounds(document: Document) -> None:
    document |= {"\u202e\ud800" * 1000: "", "../x": ""}
    with pytest.raises(InvoiceInvalid) as caught:
        read_invoice(json.dumps(document).encode())
    assert str(caught.value).encode("utf-8")
    assert len(str(caught.value)) < 2000
    assert len(caught.value.faults) == 2


def test_faults_beyond_a_thousand_are_counted(document: Document) -> None:
    document |= {f"field_{place}": "" for place in range(1500)}
    with pytest.raises(InvoiceInvalid) as caught:
        read_invoice(json.dumps(document).encode())
    assert len(caught.value.faults) == 1001
    assert caught.value.faults[-1].rule == "document.more_faults"
    assert "500" in caught.value.faults[-1].message
    assert caught.value.faults[-1].severity is Severity.ERROR


def with_lines(document: Document, count: int) -> bytes:
    line = document["lines"][0]
    document["lines"] = [line] * count
    document |= {"total_amount": f"{count * 100}.00", "total_tax": f"{count * 13}.00", "total": f"{count * 113}.00"}
    del document["total_words"]
    return json.dumps(document, ensure_ascii=False).encode()


def test_two_thousand_lines_are_read(document: Document) -> None:
    assert len(read_invoice(with_lines(document, MAX_LINES)).invoice.lines) == MAX_LINES


@pytest.mark.parametrize("count", [MAX_LINES + 1, MAX_LINES + 500])
def test_more_than_two_thousand_lines_are_one_fault(document: Document, count: int) -> None:
    with pytest.raises(InvoiceInvalid) as caught:
        read_invoice(with_lines(document, count))
    assert [fault.rule for fault in caught.value.faults] == ["lines.too_many"]


def test_errors_survive_the_way_between_processes(document: Document) -> None:
    import pickle

    document["total"] = "1.00"
    with pytest.raises(InputError) as caught:
        read_invoice(json.dumps(document).encode())
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.faults == caught.value.faults
