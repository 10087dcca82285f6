"""Every rule that an invoice must keep, checked in one pass that notes all faults and stops at none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from render.model import uscc
from render.model.faults import Findings
from render.model.fields import (
    CONFIRMATION,
    DATE,
    HEAD_REQUIRED,
    HEAD_TEXT_LENGTHS,
    LINE_TEXT_LENGTHS,
    MAX_LINES,
    NUMBER,
    PARTY_LENGTHS,
    TAX_ID,
)
from render.model.invoice import Invoice, InvoiceKind, Party, RedReference, Source
from render.model.line_checks import (
    RATE_SCALE,
    CheckedLine,
    check_discounts,
    check_line,
    limit_lengths,
    money,
    require,
)
from render.model.qr import check_qr_text, qr_text
from render.model.raw import RawInvoice, Strings
from render.model.red import find_blue_number, find_confirmation, remark_with_reference
from render.model.text import LINE_END, describe, find_forbidden, is_clean, quote
from render.model.words import amount_in_words, words_to_amount

TOTAL_TAX_TOLERANCE_FEN: Final = 127
"""The total tax may differ by 1.27 from the sum of amounts times rates."""

_KINDS = {kind.value: kind for kind in InvoiceKind}
_OLD_TAX_ID_LENGTHS = frozenset({15, 17, 18, 20})
_PARTY_REQUIRED = {"seller": ("name", "tax_id"), "buyer": ("name",)}
_NUMBER_HINT = "State the 20 digits of the invoice, ASCII 0 to 9 alone."


def check_invoice(raw: RawInvoice, source: Source, findings: Findings) -> Invoice | None:
    """Check an invoice by every rule.

    Args:
        raw: its values as a reader found them.
        source: the document that they come from.
        findings: takes every fault.

    Returns:
        The invoice; None where a fault leaves no value for a field. An invoice with faults is not to be used.
    """
    _check_texts(raw, findings)
    head = raw.head
    require(head, HEAD_REQUIRED, "", findings)
    limit_lengths(head, HEAD_TEXT_LENGTHS, "", findings)
    kind, issued = _kind(head, findings), _issued(head, findings)
    number = _number(head, issued, findings)
    seller, buyer = _party(raw.seller, "seller", findings), _party(raw.buyer, "buyer", findings)
    if seller is not None and buyer is not None:
        _check_tax_ids(seller, buyer, kind, findings)
    lines = _lines(raw, findings)
    totals = _totals(head, lines, findings, is_red=raw.is_red)
    red = _red(raw, number, findings)
    remark = _remark(head, red, findings)
    words = _words(head, totals, findings)
    if (
        kind is None
        or issued is None
        or totals is None
        or seller is None
        or buyer is None
        or lines is None
        or not number
        or (red is None and raw.is_red)
    ):
        return None
    return Invoice(
        kind=kind,
        number=number,
        issued=issued,
        seller=seller,
        buyer=buyer,
        lines=tuple([checked.line for checked in lines]),
        total_amount=totals[0],
        total_tax=totals[1],
        total=totals[2],
        total_words=words,
        qr_text=_qr_text(head, kind, number, totals[2], issued, findings),
        clerk=head.get("clerk", ""),
        remark=remark,
        red=red,
        source=source,
    )


def _check_texts(raw: RawInvoice, findings: Findings) -> None:
    """Look for forbidden characters and outer spaces: over everything at once, by field only where that finds some."""
    values = [*raw.head.values(), *(raw.seller or {}).values(), *(raw.buyer or {}).values()]
    for line in raw.lines:
        if line is not None:
            values += line.values()
    everything = f"|{'|'.join(values)}|"
    if is_clean(everything) and "| " not in everything and " |" not in everything:
        return
    for path, text in _texts(raw):
        # A remark may have lines; a printable stand-in of the same length keeps positions right.
        if (place := find_forbidden(text.replace(LINE_END, "|") if path == "remark" else text)) >= 0:
            findings.error(
                path,
                "text.forbidden_character",
                f"Character {place + 1} is {describe(text[place])}.",
                "Remove it, or write the standard character that was meant.",
            )
        elif text != text.strip():
            findings.error(path, "text.outer_space", "The text begins or ends with a space.", "Remove the space.")


def _texts(raw: RawInvoice) -> Iterator[tuple[str, str]]:
    for name in HEAD_TEXT_LENGTHS:
        yield name, raw.head.get(name, "")
    for name, party in (("seller", raw.seller), ("buyer", raw.buyer)):
        for field in PARTY_LENGTHS:
            if field != "tax_id":
                yield f"{name}.{field}", (party or {}).get(field, "")
    for place, line in enumerate(raw.lines):
        for field in LINE_TEXT_LENGTHS:
            yield f"lines[{place}].{field}", (line or {}).get(field, "")


def _kind(head: Strings, findings: Findings) -> InvoiceKind | None:
    text = head.get("kind", "")
    kind = _KINDS.get(text)
    if kind is None and text:
        message = f"{quote(text)} is not a kind of invoice that we print."
        findings.error("kind", "kind.unknown", message, f"Known are {', '.join(_KINDS)}.")
    return kind


def _issued(head: Strings, findings: Findings) -> date | None:
    text = head.get("issued", "")
    if not text:
        return None
    if DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            message = f"{text} is not a day of the calendar."
    else:
        message = f"{quote(text)} is not a date."
    if not findings.is_known("issued"):
        findings.error("issued", "issued.format", message, 'Write the day of issue as in "2026-11-23".')
    return None


def _number(head: Strings, issued: date | None, findings: Findings) -> str:
    """Return the number, which is safe as a file name, or nothing."""
    number = head.get("number", "")
    if not number:
        return ""
    if not NUMBER.fullmatch(number):
        findings.error("number", "number.format", f"{quote(number)} is not an invoice number.", _NUMBER_HINT)
        return ""
    if issued is not None and number[:2] != f"{issued.year:04d}"[2:]:
        message = f"The number is of the year {number[:2]}, the invoice was issued in {issued.year}."
        findings.error("number", "number.year", message, "Correct the number or the date.")
    return number


def _party(values: Strings | None, where: str, findings: Findings) -> Party | None:
    if values is None:
        return None
    require(values, _PARTY_REQUIRED[where], where, findings)
    limit_lengths(values, PARTY_LENGTHS, where, findings)
    tax_id = values.get("tax_id", "")
    if tax_id and not TAX_ID.fullmatch(tax_id) and not findings.is_known(f"{where}.tax_id"):
        hint = "Write digits and capital letters, ASCII alone, without spaces."
        findings.error(f"{where}.tax_id", "tax_id.format", "The tax number holds other characters.", hint)
    return Party(**{"name": "", **values})


def _check_tax_ids(seller: Party, buyer: Party, kind: InvoiceKind | None, findings: Findings) -> None:
    """Check both codes by GB/T 32100: the seller must have one, a buyer may be a person or have an older number."""
    code = seller.tax_id
    if code and not uscc.is_valid(code) and not findings.is_known("seller.tax_id"):
        rule = "tax_id.check_digit" if uscc.has_shape(code) else "tax_id.shape"
        message = "The seller's code does not pass GB/T 32100."
        findings.error("seller.tax_id", rule, message, "State the 18 characters of the code as registered.")
    code = buyer.tax_id
    if not code and kind is InvoiceKind.VAT_SPECIAL and not findings.is_known("buyer.tax_id"):
        message = "The buyer on a special VAT invoice has no tax number."
        findings.warning("buyer.tax_id", "tax_id.missing", message, "Without one the buyer cannot deduct the tax.")
    if code and not uscc.is_valid(code) and not findings.is_known("buyer.tax_id"):
        rule = "tax_id.check_digit" if uscc.has_shape(code) else "tax_id.shape"
        is_old = len(code) in _OLD_TAX_ID_LENGTHS
        message = "The buyer's tax number does not pass GB/T 32100."
        hint = (
            "It may be an older number; check it." if is_old else "Neither the old nor the new numbers are this long."
        )
        findings.warning("buyer.tax_id", rule, message, hint)


def _lines(raw: RawInvoice, findings: Findings) -> list[CheckedLine] | None:
    """Return the checked lines, or None where one has no value for a field."""
    if not raw.lines:
        if not findings.is_known("lines"):
            findings.error("lines", "lines.none", "The invoice has no lines.", "State at least one.")
        return None
    if len(raw.lines) > MAX_LINES:
        message = f"The invoice has more than {MAX_LINES} lines."
        findings.error("lines", "lines.too_many", message, "Issue several invoices.")
        return None
    lines = [
        None if line is None else check_line(line, place, findings, is_red=raw.is_red)
        for place, line in enumerate(raw.lines)
    ]
    check_discounts(lines, findings, is_red=raw.is_red)
    whole = [line for line in lines if line is not None]
    return whole if len(whole) == len(lines) else None


def _totals(
    head: Strings, lines: Sequence[CheckedLine] | None, findings: Findings, *, is_red: bool
) -> tuple[Decimal, Decimal, Decimal] | None:
    """Check that the totals are the exact sums of the lines, and the total tax near what the rates ask."""
    amount = money(head, "total_amount", "", findings)
    tax = money(head, "total_tax", "", findings)
    total = money(head, "total", "", findings)
    if lines is not None:
        for name, given, fen in (
            ("total_amount", amount, sum([line.amount_fen for line in lines])),
            ("total_tax", tax, sum([line.tax_fen for line in lines])),
        ):
            if given is not None and given[1] != fen:
                message = f"{given[0]} is stated, the lines make {_yuan(fen)}."
                findings.error(name, "total.lines", message, "Correct the total or the lines.")
    if lines is not None and tax is not None:
        asked = sum([line.amount_fen * line.rate_millionths for line in lines])
        if abs(asked - tax[1] * RATE_SCALE) > TOTAL_TAX_TOLERANCE_FEN * RATE_SCALE:
            message = f"{tax[0]} is stated, amounts times rates make {_yuan(round(asked / RATE_SCALE))}."
            findings.error("total_tax", "total.tax_arithmetic", message, "They may differ by 1.27.")
    if amount is None or tax is None or total is None:
        return None
    if amount[1] + tax[1] != total[1]:
        message = f"{total[0]} is stated, amount and tax make {_yuan(amount[1] + tax[1])}."
        findings.error("total", "total.sum", message, "Correct whichever is wrong.")
    if is_red and total[1] >= 0:
        findings.error("total", "red.sign", "The total of a red invoice is not negative.", "Correct it.")
    elif not is_red and total[1] < 0:
        message, hint = "The total of a blue invoice is negative.", 'A red invoice states "red".'
        findings.error("total", "total.sign", message, hint)
    return amount[0], tax[0], total[0]


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _red(raw: RawInvoice, number: str, findings: Findings) -> RedReference | None:
    if raw.red is None:
        return None
    require(raw.red, ("blue_number", "confirmation"), "red", findings)
    blue, confirmation = raw.red.get("blue_number", ""), raw.red.get("confirmation", "")
    if blue and not NUMBER.fullmatch(blue):
        message = f"{quote(blue)} is not an invoice number."
        findings.error("red.blue_number", "number.format", message, _NUMBER_HINT)
    elif blue and blue == number:
        message = "The invoice is said to reverse itself."
        findings.error("red.blue_number", "red.self", message, "State the number of the blue invoice.")
    if confirmation and not CONFIRMATION.fullmatch(confirmation):
        hint = "Write digits and Latin letters alone, at most 40."
        findings.error("red.confirmation", "red.confirmation", "The confirmation number has another form.", hint)
    return RedReference(blue, confirmation)


def _remark(head: Strings, red: RedReference | None, findings: Findings) -> str:
    """Return the remark; that of a red invoice names what it reverses, so it gets the reference where it lacks it."""
    remark = head.get("remark", "")
    if red is None or not (red.blue_number and red.confirmation):
        return remark
    for name, found, stated in (
        ("blue_number", find_blue_number(remark), red.blue_number),
        ("confirmation", find_confirmation(remark), red.confirmation),
    ):
        if found and found != stated:
            message = f"The remark names another {name} than the field."
            findings.error("remark", "red.remark", message, "Let both name the same, or leave it out of the remark.")
    whole = remark_with_reference(red, remark)
    if len(whole) > (limit := HEAD_TEXT_LENGTHS["remark"]) >= len(remark):
        message = f"The remark has no room for the reference to the blue invoice: {len(whole)} of {limit} characters."
        findings.error("remark", "red.remark_too_long", message, "Shorten the remark.")
    return whole


def _words(head: Strings, totals: tuple[Decimal, Decimal, Decimal] | None, findings: Findings) -> str:
    """Return the words as given, if they state the total, or as we write them."""
    given = head.get("total_words", "")
    if totals is None:
        return given
    expected = amount_in_words(totals[2])
    if not given or given == expected:
        return expected
    hint = f"Write {expected}, or leave the words out."
    try:
        stated = words_to_amount(given)
    except ValueError:
        message = f"{quote(given)} is not an amount in capitals."
        findings.error("total_words", "words.format", message, hint)
    else:
        if stated != totals[2]:
            message = f"The words state {stated}, the total is {totals[2]}."
            findings.error("total_words", "words.amount", message, hint)
    return given


def _qr_text(head: Strings, kind: InvoiceKind, number: str, total: Decimal, issued: date, findings: Findings) -> str:
    expected = qr_text(kind, number, total, issued)
    given = head.get("qr_text", "")
    if given:
        check_qr_text(given, expected, findings)
    return given or expected
