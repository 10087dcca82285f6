import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from render.errors import InvoiceInvalid, MalformedInput, Severity
from render.model.einvoice import write_einvoice
from render.model.invoice import InvoiceKind, LineRole, Media, Treatment
from render.model.read import read_invoice
from render.model.xml_reader import MAX_TAGS

INVOICES = Path(__file__).parents[2] / "data" / "invoices"

FaultsOf = Callable[[bytes], set[tuple[str, str]]]


def test_every_element_of_the_hand_written_invoice_is_read(xml: str) -> None:
    invoice = read_invoice(xml.encode()).invoice
    assert invoice.kind is InvoiceKind.VAT_ORDINARY
    assert invoice.number == "26992000000000000011"
    assert invoice.issued == date(2026, 11, 23)
    seller = invoice.seller
    assert (seller.name, seller.tax_id) == ("虚构青松纸业示例有限公司", "91990000FAKE00010Y")
    assert (seller.address, seller.phone) == ("虚构市示例区样本路1号", "000-00000001")
    assert (seller.bank, seller.account) == ("虚构银行示例支行", "0000000000000000001")
    assert (invoice.buyer.name, invoice.buyer.tax_id, invoice.buyer.bank) == ("阿依古丽·示例（个人）", "", "")
    first, second = invoice.lines
    assert (first.name, first.spec, first.unit) == ("*纸制品*示例复印纸", "A4 70g & 80g", "箱")
    assert (first.quantity, first.unit_price, str(first.amount)) == ("20", "50", "1000.00")
    assert (str(first.rate), first.tax, first.tax_code) == ("0.13", Decimal("130.00"), "9901010000000000001")
    assert (second.rate, second.treatment, second.role) == (Decimal("0.09"), Treatment.TAXED, LineRole.NORMAL)
    assert (invoice.total_amount, invoice.total_tax) == (Decimal("1192.66"), Decimal("147.34"))
    assert (invoice.total, invoice.total_words) == (Decimal("1340.00"), "壹仟叁佰肆拾元整")
    assert (invoice.clerk, invoice.remark, invoice.red) == ("郑示例", "示例订单 SL-00011", None)
    assert invoice.qr_text.startswith("01,32,,26992000000000000011,1340.00,20261123,,")


def test_details_inside_one_element_are_lines_of_their_own() -> None:
    invoice = read_invoice((INVOICES / "discount_in_item_detail.xml").read_bytes()).invoice
    assert invoice.kind is InvoiceKind.VAT_SPECIAL
    assert [line.role for line in invoice.lines] == [LineRole.DISCOUNTED, LineRole.DISCOUNT]
    assert [line.amount for line in invoice.lines] == [Decimal("1000.00"), Decimal("-50.00")]


def test_one_detail_in_each_element_is_a_line_too(xml: str) -> None:
    wrapped = xml.replace("<IssuItemInformation>", "<IssuItemInformation><ItemDetail>")
    wrapped = wrapped.replace("</IssuItemInformation>", "</ItemDetail></IssuItemInformation>")
    assert read_invoice(wrapped.encode()).invoice.lines == read_invoice(xml.encode()).invoice.lines


def test_red_exempt_invoice_takes_its_reference_from_the_remark() -> None:
    invoice = read_invoice((INVOICES / "red_exempt.xml").read_bytes()).invoice
    assert invoice.red is not None
    assert (invoice.red.blue_number, invoice.red.confirmation) == ("26992000000000000010", "99012607000000000001")
    assert invoice.remark.startswith("被红冲蓝字数电票号码：")
    (line,) = invoice.lines
    assert (line.treatment, line.rate, line.quantity) == (Treatment.EXEMPT, 0, "-5")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<?xml version="1.0" encoding="UTF-8"?>\n', ""),
        ('<?xml version="1.0" encoding="UTF-8"?>', "\ufeff<?xml version='1.0' encoding='utf8'?>"),
        ("<EInvoice>", "<!-- <!DOCTYPE x> --><EInvoice>"),
        ("<Amount>1000</Amount>", "<Amount>1000.000000</Amount>"),
        ("<Amount>1000</Amount>", "<Amount>10<!-- x -->00</Amount>"),
        ("<Amount>1000</Amount>", "<Amount><![CDATA[1000.0]]></Amount>"),
        ("<Amount>1000</Amount>", "<Amount>10<?x y?>&#48;0</Amount>"),
        ("<TaxRate>0.130000</TaxRate>", "<TaxRate>\n 0.13\n</TaxRate>"),
        ("<TaxRate>0.09</TaxRate>", "<TaxRate>0.090000</TaxRate>"),
        ("<LabelCode>01</LabelCode>", "<LabelCode>02</LabelCode>"),
        ("<IssueTime>2026-11-23</IssueTime>", "<IssueTime>2026-11-23 00:00:00</IssueTime>"),
        ("<IssueTime>2026-11-23</IssueTime>", "<IssueTime/>"),
        ("    <SpecificInformation/>\n", ""),
        ("</EInvoice>", "<TaxBureauSignature><a>x</a></TaxBureauSignature></EInvoice>"),
        ("</EInvoice>", "<ptbh/></EInvoice>"),
    ],
)
def test_other_spellings_of_the_same_document_are_read_alike(xml: str, old: str, new: str) -> None:
    assert old in xml
    read = read_invoice(xml.replace(old, new).encode())
    assert replace(read.invoice, source=None) == replace(read_invoice(xml.encode()).invoice, source=None)
    assert read.warnings == ()


def rule_of(data: bytes) -> str:
    with pytest.raises(MalformedInput) as caught:
        read_invoice(data)
    (fault,) = caught.value.faults
    return fault.rule


BOMB = "<!DOCTYPE EInvoice [{}]><EInvoice><Header><EIid>&e9;</EIid></Header></EInvoice>".format(
    '<!ENTITY e0 "ha">' + "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
)
OUTSIDE = '<!DOCTYPE EInvoice [<!ENTITY x SYSTEM "file:///etc/hostname">]><EInvoice>&x;</EInvoice>'


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (BOMB, "xml.doctype"),
        (OUTSIDE, "xml.doctype"),
        ("<!DOCTYPE EInvoice><EInvoice/>", "xml.doctype"),
        ('<!DOCTYPE EInvoice SYSTEM "http://127.0.0.1:9/x.dtd"><EInvoice/>', "xml.doctype"),
        ("<!doctype EInvoice><EInvoice/>", "xml.doctype"),
        ("<?xml version='1.0'?><!-- a --><?b c?>\n<!DOCTYPE EInvoice><EInvoice/>", "xml.doctype"),
        ('<!ENTITY % p SYSTEM "file:///etc/hostname"><EInvoice/>', "xml.doctype"),
        ("<EInvoice>&x;</EInvoice>", "xml.syntax"),
        ("<EInvoice>&#0;</EInvoice>", "xml.syntax"),
        ("<EInvoice><Header>", "xml.syntax"),
        ("<EInvoice/><EInvoice/>", "xml.syntax"),
        ("<EInvoice a='1' a='2'/>", "xml.syntax"),
        ("<!-- never closed", "xml.syntax"),
        ("<EInvoice>\0</EInvoice>", "xml.syntax"),
        ("<EInvoice>\ufffe</EInvoice>", "xml.syntax"),
        ("<", "xml.syntax"),
        ("<html/>", "xml.root"),
        ("<einvoice/>", "xml.root"),
        ('<EInvoice xmlns="urn:x"/>', "xml.root"),
        ("<eInvoice/>", "xml.root"),
        ("<EInvoice>" + "<a>" * 9 + "</a>" * 9 + "</EInvoice>", "xml.depth"),
        ("<EInvoice>" + "<a>" * 100_000 + "</a>" * 100_000 + "</EInvoice>", "xml.too_many_elements"),
        ("<EInvoice>" + "<a>" * 20_000 + "</a>" * 20_000 + "</EInvoice>", "xml.syntax"),
        ("<EInvoice>" + "<a/>" * MAX_TAGS + "</EInvoice>", "xml.too_many_elements"),
        ('<?xml version="1.0" encoding="GBK"?><EInvoice/>', "xml.encoding"),
        ('<?xml version="1.0" encoding="UTF-7"?><EInvoice/>', "xml.encoding"),
        ('<?xml version="1.0" encoding="UTF-16"?><EInvoice/>', "xml.encoding"),
    ],
)
def test_hostile_and_broken_documents_are_refused(text: str, rule: str) -> None:
    assert rule_of(text.encode()) == rule


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [OUTSIDE, "<EInvoice/>", '<?xml version="1.0" encoding="UTF-16"?><EInvoice/>'])
def test_other_encodings_without_a_mark_hide_nothing(text: str, encoding: str) -> None:
    with pytest.raises(MalformedInput):
        read_invoice(text.encode(encoding), Media.EINVOICE_XML)


def test_a_long_prolog_costs_no_more_than_its_length() -> None:
    assert rule_of(b"<!-- -->" * 50_000 + b"<!DOCTYPE x>") == "xml.doctype"
    assert rule_of(b"<?a " * 50_000) == "xml.syntax"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<EIid>26992000000000000011", "<EIid>26992000000000000012", {("number", "number.mismatch")}),
        ("<EIid>26992000000000000011</EIid>", "", {("number", "number.mismatch")}),
        ("<LabelCode>02</LabelCode>", "<LabelCode>03</LabelCode>", {("kind", "kind.unknown")}),
        ("<LabelCode>Y</LabelCode>", "<LabelCode>X</LabelCode>", {("red", "red.flag")}),
        ("<LabelCode>Y</LabelCode>", "", {("red", "red.flag")}),
        ("<SellerName>", "<SellerName><b/>", {("document", "xml.nested_value"), ("seller.name", "field.required")}),
        (
            "<Drawer>郑示例</Drawer>",
            "<Drawer>郑示例</Drawer><Drawer>王</Drawer>",
            {("document", "xml.repeated_element")},
        ),
        ("<Drawer>郑示例</Drawer>", "<Drawer/><Drawer>郑示例</Drawer>", {("document", "xml.repeated_element")}),
        ("</EInvoiceData>", "</EInvoiceData><EInvoiceData/>", {("document", "xml.repeated_element")}),
        (
            "<SpecificInformation/>",
            "<SpecificInformation><Toll><PlateNumber>示A00000</PlateNumber></Toll></SpecificInformation>",
            {("document", "xml.special_business")},
        ),
        (
            "<SpecificInformation/>",
            "<SpecificInformation>03</SpecificInformation>",
            {("document", "xml.special_business")},
        ),
        ("<Amount>1000</Amount>", "<Amount>1000.001</Amount>", {("lines[0].amount", "money.format")}),
        ("<Amount>1000</Amount>", "<Amount>1E3</Amount>", {("lines[0].amount", "money.format")}),
        ("<Amount>1000</Amount>", "<Amount>01000</Amount>", {("lines[0].amount", "money.format")}),
        ("<TaxRate>0.09</TaxRate>", "<TaxRate>9%</TaxRate>", {("lines[1].rate", "line.rate")}),
        ("<TaxRate>0.09</TaxRate>", "<TaxRate>免税</TaxRate>", {("lines[1].tax", "line.untaxed_tax")}),
        ("<ItemName>*纸制品*示例复印纸</ItemName>", "<ItemName> </ItemName>", {("lines[0].name", "field.required")}),
        ("郑示例", "郑示例\u3000", {("clerk", "text.outer_space")}),
        ("示例订单", "示例\u202e订单", {("remark", "text.forbidden_character")}),
        ("示例订单 ", "示例订单&#13;", {("remark", "text.forbidden_character")}),
        (
            "<IssueTime>2026-11-23<",
            "<IssueTime>23.11.2026<",
            {("issued", "issued.request_date"), ("issued", "issued.format")},
        ),
    ],
)
def test_what_contradicts_or_cannot_print_is_named(
    xml: str, faults_of: FaultsOf, old: str, new: str, expected: set[tuple[str, str]]
) -> None:
    assert old in xml
    assert faults_of(xml.replace(old, new, 1).encode()) >= expected
    with pytest.raises(InvoiceInvalid):
        read_invoice(xml.replace(old, new, 1).encode())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<Version>0.32</Version>", "<Version>9.9</Version>", ("document", "xml.version")),
        ("<Version>0.32</Version>", "", ("document", "xml.version")),
        ("<ItemName>", "<Colour>红</Colour><ItemName>", ("document", "xml.unknown_element")),
        ("</EInvoice>", "<Extra/></EInvoice>", ("document", "xml.unknown_element")),
        ("<RequestTime>2026-11-23", "<RequestTime>2026-11-22", ("issued", "issued.request_date")),
        (
            "<TotaltaxIncludedAmount>1130.00",
            "<TotaltaxIncludedAmount>1130.01",
            ("lines[0].amount", "line.with_tax"),
        ),
    ],
)
def test_what_is_strange_but_does_not_print_is_a_warning(
    xml: str, old: str, new: str, expected: tuple[str, str]
) -> None:
    assert old in xml
    (warning,) = read_invoice(xml.replace(old, new, 1).encode()).warnings
    assert (warning.path, warning.rule, warning.severity) == (*expected, Severity.WARNING)


def test_an_unknown_element_in_every_line_is_one_warning(xml: str) -> None:
    strange = xml.replace("<ItemName>", "<Colour>红</Colour><Colour/><ItemName>")
    assert [warning.rule for warning in read_invoice(strange.encode()).warnings] == ["xml.unknown_element"]


def test_lines_in_both_forms_at_once_are_refused(xml: str, faults_of: FaultsOf) -> None:
    mixed = xml.replace("<ItemName>", "<ItemDetail/><ItemName>", 1)
    assert ("lines", "xml.mixed_line") in faults_of(mixed.encode())


def test_a_red_invoice_without_a_reference_in_its_remark_is_refused(faults_of: FaultsOf) -> None:
    text = (INVOICES / "red_exempt.xml").read_text("utf-8")
    start, end = text.index("<Remark>"), text.index("</Remark>")
    assert faults_of((text[:start] + "<Remark>" + text[end:]).encode()) == {
        ("red.blue_number", "field.required"),
        ("red.confirmation", "field.required"),
    }


def test_a_number_that_runs_on_is_not_a_reference(faults_of: FaultsOf) -> None:
    text = (INVOICES / "red_exempt.xml").read_text("utf-8").replace("26992000000000000010", "269920000000000000100")
    assert faults_of(text.encode()) == {("red.blue_number", "field.required")}


def test_a_confirmation_that_runs_on_is_not_one(faults_of: FaultsOf) -> None:
    text = (INVOICES / "red_exempt.xml").read_text("utf-8").replace("99012607000000000001", "9" * 41)
    assert faults_of(text.encode()) == {("red.confirmation", "field.required")}


def test_a_lump_sum_on_a_red_invoice_is_no_discount() -> None:
    text = (INVOICES / "red_exempt.xml").read_text("utf-8")
    text = text.replace("<Quantity>-5</Quantity>", "").replace("<UnPrice>16.00</UnPrice>", "")
    (line,) = read_invoice(text.encode()).invoice.lines
    assert (line.role, line.amount) == (LineRole.NORMAL, Decimal("-80.00"))


def test_a_negative_zero_is_no_discount(sample: Callable[[str], dict[str, Any]]) -> None:
    document = sample("not_taxed")
    document["lines"].append(document["lines"][0] | {"amount": "0.00"})
    written = write_einvoice(read_invoice(json.dumps(document).encode()).invoice)
    signed = written.replace(b"<Amount>0.00", b"<Amount>-0.00")
    assert signed != written
    assert [line.role for line in read_invoice(signed).invoice.lines] == [LineRole.NORMAL, LineRole.NORMAL]
