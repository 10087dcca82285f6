"""The text of an invoice's QR code: eight fields, the last a checksum over the others."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from render.model.faults import Findings
from render.model.invoice import InvoiceKind
from render.model.text import quote

KIND_CODES: Final = {InvoiceKind.VAT_SPECIAL: "31", InvoiceKind.VAT_ORDINARY: "32"}
"""The second field of the QR text."""

MAX_LENGTH: Final = 100
_FIELDS = 8
_PATH = "qr_text"
_POLYNOMIAL = 0x8005
_COPY = "Copy the QR text as it was issued, or leave it out: it is computed then."


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        register = byte << 8
        for _ in range(8):
            register = (register << 1) ^ (_POLYNOMIAL if register & 0x8000 else 0)
        entries.append(register & 0xFFFF)
    return tuple(entries)


_TABLE = _table()


def crc(text: str) -> str:
    """Return the CRC-16/UMTS of an ASCII text as four upper-case hexadecimal digits.

    Polynomial 0x8005, register starts at 0, nothing reflected, no final inversion. It finds misreadings, not forgeries.

    Raises:
        UnicodeEncodeError: a character is not ASCII.
    """
    register = 0
    for byte in text.encode("ascii"):
        register = (register << 8 & 0xFF00) ^ _TABLE[register >> 8 ^ byte]
    return f"{register:04X}"


def qr_text(kind: InvoiceKind, number: str, total: Decimal, issued: date) -> str:
    """Return the QR text (二维码) of an invoice.

    Args:
        kind: which form.
        number: 20 digits.
        total: amount with tax (价税合计), 2 decimals; legacy invoices state it without tax, these do not.
        issued: day of issue.
    """
    checked = f"01,{KIND_CODES[kind]},,{number},{total:.2f},{issued.isoformat().replace('-', '')},,"
    return checked + crc(checked)


def check_qr_text(text: str, expected: str, findings: Findings) -> None:
    """Compare a given QR text with the one that the invoice asks for, field by field.

    Args:
        text: as given; an empty eighth field is seen on genuine invoices and only warned about.
        expected: what :func:`qr_text` makes of the invoice.
        findings: takes a fault for each field that differs.
    """
    if text == expected:
        return
    if not text.isascii() or len(text) > MAX_LENGTH:
        findings.error(_PATH, "qr.format", f"The QR text is not ASCII of at most {MAX_LENGTH} characters.", _COPY)
        return
    given = text.split(",")
    if len(given) != _FIELDS:
        findings.error(_PATH, "qr.format", f"The QR text has {len(given)} fields instead of {_FIELDS}.", _COPY)
        return
    wanted = expected.split(",")
    for place, name in ((0, "version"), (1, "kind"), (3, "number"), (4, "total"), (5, "date")):
        if given[place] != wanted[place]:
            findings.error(
                _PATH,
                f"qr.{name}",
                f"The {name} in the QR text is {quote(given[place])}, the invoice asks for {wanted[place]}.",
                "Correct whichever is wrong; the QR text is printed as given.",
            )
    if given[2] or given[6]:
        findings.error(_PATH, "qr.format", "The third and the seventh field of the QR text are not empty.", _COPY)
    if not given[7]:
        findings.warning(_PATH, "qr.crc_missing", "The QR text has no checksum.", _COPY)
    elif given[7] != (found := crc(text[: -len(given[7])])):
        findings.error(_PATH, "qr.crc", f"The checksum of the QR text is {quote(given[7])}, not {found}.", _COPY)
