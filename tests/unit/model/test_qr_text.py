from datetime import date
from decimal import Decimal

import pytest

from render.model.faults import Findings
from render.model.invoice import InvoiceKind
from render.model.qr import check_qr_text, crc, qr_text

CHECKED = "01,31,,24312000000000000001,1130.00,20240528,,"
TEXT = CHECKED + "49EE"


def test_checksum_of_a_known_text() -> None:
    assert crc(CHECKED) == "49EE"


def test_checksum_is_the_catalogued_one() -> None:
    # The check value that catalogues of CRCs give for CRC-16/UMTS.
    assert crc("123456789") == "FEE8"


def test_text_has_eight_fields_and_the_amount_with_tax() -> None:
    made = qr_text(InvoiceKind.VAT_SPECIAL, "24312000000000000001", Decimal("1130.00"), date(2024, 5, 28))
    assert made == TEXT


def test_ordinary_and_red_invoices_have_their_own_fields() -> None:
    made = qr_text(InvoiceKind.VAT_ORDINARY, "26312000000000000006", Decimal("-0.50"), date(2026, 1, 2))
    assert made.startswith("01,32,,26312000000000000006,-0.50,20260102,,")


def rules(text: str) -> set[str]:
    findings = Findings()
    check_qr_text(text, TEXT, findings)
    assert findings.has_errors == any(fault.severity == "error" for fault in findings.all())
    return {fault.rule for fault in findings.all()}


def sealed(checked: str) -> str:
    return checked + crc(checked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, set()),
        (CHECKED, {"qr.crc_missing"}),
        (CHECKED + "49EF", {"qr.crc"}),
        (CHECKED + "49ee", {"qr.crc"}),
        (TEXT + ",", {"qr.format"}),
        (CHECKED[:-1], {"qr.format"}),
        ("\uff10" + TEXT[1:], {"qr.format"}),
        ("0" * 101, {"qr.format"}),
        (sealed("02,31,,24312000000000000001,1130.00,20240528,,"), {"qr.version"}),
        (sealed("01,32,,24312000000000000001,1130.00,20240528,,"), {"qr.kind"}),
        (sealed("01,31,,24312000000000000002,1130.00,20240528,,"), {"qr.number"}),
        (sealed("01,31,,24312000000000000001,1000.00,20240528,,"), {"qr.total"}),
        (sealed("01,31,,24312000000000000001,1130.00,20240529,,"), {"qr.date"}),
        (sealed("01,31,1,24312000000000000001,1130.00,20240528,,"), {"qr.format"}),
        (sealed("01,31,,24312000000000000001,1130.00,20240528,1,"), {"qr.format"}),
        ("01,32,,24312000000000000002,1,2,,0000", {"qr.kind", "qr.number", "qr.total", "qr.date", "qr.crc"}),
    ],
)
def test_a_given_text_is_compared_field_by_field(text: str, expected: set[str]) -> None:
    assert rules(text) == expected
