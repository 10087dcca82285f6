"""Invoices that show all of every template: each kind in blue and in red, with one line and with forty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.corpus import with_lines
from bench.lines import negative
from render.model.invoice import Invoice, InvoiceKind, RedReference
from render.model.qr import qr_text
from render.model.red import remark_with_reference
from render.model.words import amount_in_words

LINES = (1, 40)
KINDS = (InvoiceKind.VAT_ORDINARY, InvoiceKind.VAT_SPECIAL)

_SEED = 45
_BLUE_NUMBER, _CONFIRMATION = "26312000000000000045", "31012601000000000045"


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the invoices.

    Attributes:
        name: such as ``vat_special.red_40``.
    """

    name: str
    invoice: Invoice


def samples() -> Iterator[Sample]:
    """Return every kind in both colours with each number of lines; the same each time."""
    for lines in LINES:
        (document,) = with_lines(lines, 1, _SEED)
        for kind in KINDS:
            blue = _of_kind(document.invoice, kind)
            yield Sample(f"{kind.value}.blue_{lines}", blue)
            yield Sample(f"{kind.value}.red_{lines}", _red(blue))


def _of_kind(invoice: Invoice, kind: InvoiceKind) -> Invoice:
    return replace(invoice, kind=kind, qr_text=qr_text(kind, invoice.number, invoice.total, invoice.issued))


def _red(blue: Invoice) -> Invoice:
    """Return the red invoice (红字发票) that reverses a blue one."""
    reference = RedReference(blue_number=_BLUE_NUMBER, confirmation=_CONFIRMATION)
    return replace(
        blue,
        lines=tuple(negative(blue.lines)),
        total_amount=-blue.total_amount,
        total_tax=-blue.total_tax,
        total=-blue.total,
        total_words=amount_in_words(-blue.total),
        qr_text=qr_text(blue.kind, blue.number, -blue.total, blue.issued),
        red=reference,
        remark=remark_with_reference(reference, blue.remark),
    )
