"""Invoices for pictures: every template in blue and in red with one line and with forty, and pages of given lines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bench.corpus import with_lines
from bench.lines import negative
from render.model.invoice import Invoice, InvoiceKind, Line, RedReference
from render.model.qr import qr_text
from render.model.red import remark_with_reference
from render.model.words import amount_in_words

LINES = (1, 40)
KINDS = (InvoiceKind.VAT_ORDINARY, InvoiceKind.VAT_SPECIAL)

_SEED, _SEED_STEP = 45, 1000
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


def with_lines_of_one_row(count: int, n: int, seed: int, fits: Callable[[Invoice], bool]) -> list[Invoice]:
    """Return everyday invoices of ``count`` lines of one printed row each, of every kind in turn.

    Args:
        count: lines of an invoice.
        n: how many invoices.
        seed: the same invoices for the same one.
        fits: tells of an invoice with one line whether that takes one row; asked once for each name of goods.

    Raises:
        ValueError: no goods fit.
    """
    rows: dict[str, bool] = {}
    made: list[Invoice] = []
    spare: list[Line] = []
    for turn in itertools.count():
        for document in with_lines(count, n, seed + turn * _SEED_STEP):
            invoice = document.invoice
            for line in invoice.lines:
                if line.name not in rows:
                    rows[line.name] = fits(_of_lines(invoice, [line]))
                if rows[line.name]:
                    spare.append(line)
            if len(spare) >= count and len(made) < n:
                own, spare = spare[:count], spare[count:]
                made.append(_of_kind(_of_lines(invoice, own), KINDS[len(made) % len(KINDS)]))
        if len(made) == n:
            break
        if not any(rows.values()):
            raise ValueError("no goods have a name of one row")
    return made


def _of_lines(invoice: Invoice, lines: Sequence[Line]) -> Invoice:
    amount, tax = sum(line.amount for line in lines), sum(line.tax for line in lines)
    total = Decimal(amount + tax)
    return replace(
        invoice,
        lines=tuple(lines),
        total_amount=Decimal(amount),
        total_tax=Decimal(tax),
        total=total,
        total_words=amount_in_words(total),
        qr_text=qr_text(invoice.kind, invoice.number, total, invoice.issued),
    )


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
