"""Lays invoices out on a template: every value is placed once, and every output reads the same display list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from render.display.builder import DisplayListBuilder
from render.display.list import DisplayList
from render.errors import ContentOverflow, GlyphMissing, KaipiaoError
from render.layout.kernels.setting import STEP_NUMBERS
from render.layout.plan import QR_TAG, plan_of
from render.layout.qr import QrSymbols
from render.layout.sheet import Sheet, sheets_of
from render.layout.typesetting import Typesetting
from render.model.invoice import Invoice
from render.templates.registry import Template

_BLACK_PAINT = 0


def layout_invoice(invoice: Invoice, template: Template) -> DisplayList:
    """Return the invoice laid out as one document.

    Args:
        invoice: one that passed every check of the model.
        template: compiled for the invoice's kind.

    Raises:
        ContentOverflow: values do not fit their cells even in the smallest size; one fault for each.
        GlyphMissing: characters that no font can print; one fault for each and its field.
        InvoiceInvalid: there is no text for the QR code.
    """
    builder, (error,) = _lay_out([invoice], template)
    if error is not None:
        raise error
    return builder.freeze()


def layout_batch(
    invoices: Sequence[Invoice], template: Template
) -> tuple[DisplayList | None, list[KaipiaoError | None]]:
    """Return invoices laid out as documents of one list, and for each what stood against it, if anything did.

    The list holds the others' documents in order; it is None where there is none.

    Args:
        invoices: each passed every check of the model.
        template: compiled for the kind of all of them.
    """
    builder, errors = _lay_out(invoices, template)
    if all(errors):
        return None, errors
    try:
        return builder.freeze(), errors
    except GlyphMissing:
        errors = [error or _error_of(invoice, template) for invoice, error in zip(invoices, errors, strict=True)]
        good = [invoice for invoice, error in zip(invoices, errors, strict=True) if error is None]
        return layout_batch(good, template)[0] if good else None, errors


def _error_of(invoice: Invoice, template: Template) -> KaipiaoError | None:
    """Return what stands against laying out one invoice."""
    try:
        layout_invoice(invoice, template)
    except KaipiaoError as error:
        return error
    return None


def _lay_out(invoices: Sequence[Invoice], template: Template) -> tuple[DisplayListBuilder, list[KaipiaoError | None]]:
    """Return the invoices recorded as documents, and for each what stood against it; that one is left out."""
    plan = plan_of(template)
    symbols = QrSymbols([invoice.qr_text for invoice in invoices], template.spec.qr_box_um)
    errors: list[KaipiaoError | None] = list(symbols.errors)
    setting = Typesetting(plan, template.resources.fonts)
    sheets = sheets_of(invoices, template, setting)
    if setting.overflows():
        for place, sheet in enumerate(sheets):
            faults = errors[place] is None and sheet.faults(setting)
            if faults:
                errors[place] = ContentOverflow("the invoice does not fit its form.", faults=faults)
    good = [place for place, error in enumerate(errors) if error is None]
    builder = DisplayListBuilder(template.resources.fonts)
    for color in plan.colors:
        builder.paint(*color)
    _record(builder, template, [(sheets[place], place) for place in good], symbols, setting)
    return builder, errors


def _record(
    builder: DisplayListBuilder,
    template: Template,
    sheets: Sequence[tuple[Sheet, int]],
    symbols: QrSymbols,
    setting: Typesetting,
) -> None:
    """Record pages in paint order, each the QR code first and then its texts."""
    steps = [sheet.steps for sheet, _ in sheets]
    placed = setting.place(np.concatenate(steps) if steps else np.zeros((0, STEP_NUMBERS), np.int64))
    for tag in placed.tags:
        builder.tag(tag)
    bases, (width_um, height_um) = template.bases, template.spec.page_um
    last_step = first_row = first_char = 0
    for sheet, place in sheets:
        builder.document()
        symbol = symbols.rects(place)
        for kind, n_steps in sheet.pages:
            last_step += n_steps
            builder.page(width_um, height_um, bases[kind])
            builder.rects(symbol, paint=_BLACK_PAINT, tag=QR_TAG, box_um=symbols.box_um(place))
            row, char = placed.step_ends[last_step - 1]
            builder.place_all(placed.rows[first_row:row], placed.text[first_char:char])
            first_row, first_char = row, char
