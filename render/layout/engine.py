"""Lays an invoice out on a template: every value is placed once, and every output reads the same display list."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from render.display.builder import DisplayListBuilder
from render.display.list import DisplayList
from render.errors import ContentOverflow, Fault, GlyphMissing, KaipiaoError
from render.layout.bounds import page_kind
from render.layout.cell import YEN, Setting
from render.layout.paging import Fragment, paginate
from render.layout.plan import Plan, line_tags, plan_of
from render.layout.qr import qr_rects
from render.layout.wording import (
    UNTAXED,
    date_text,
    is_taxed,
    line_texts,
    money_text,
    remark_text,
)
from render.model.invoice import Invoice, Line, LineRole
from render.templates.registry import Template
from render.templates.spec import PageKind

_BLACK = (0, 0, 0)


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
    plan = plan_of(template)
    builder = DisplayListBuilder(template.resources.fonts)
    _Layout(invoice, template, plan, builder).run()
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
    plan = plan_of(template)
    builder = DisplayListBuilder(template.resources.fonts)
    errors: list[KaipiaoError | None] = []
    for invoice in invoices:
        mark = builder.mark()
        try:
            builder.document()
            _Layout(invoice, template, plan, builder).run()
            errors.append(None)
        except KaipiaoError as error:
            builder.rewind(mark)
            errors.append(error)
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


class _Layout:
    """The layout of one invoice: first every text is set in its cell, then pages are drawn in paint order."""

    def __init__(self, invoice: Invoice, template: Template, plan: Plan, builder: DisplayListBuilder) -> None:
        self._invoice = invoice
        self._spec = template.spec
        self._plan = plan
        self._builder = builder
        self._ink = builder.paint(*_BLACK)
        self._paints = [builder.paint(*color) for color in plan.colors]
        self._faults: list[Fault] = []

    def run(self) -> None:
        invoice, spec, builder = self._invoice, self._spec, self._builder
        qr = qr_rects(invoice.qr_text, spec.qr_box_um)
        lines = [self._set_line(index, line) for index, line in enumerate(invoice.lines)]
        pages = paginate(
            [max([len(setting[1]) for setting in line if setting is not None], default=1) for line in lines],
            [line.role is LineRole.DISCOUNT for line in invoice.lines],
            spec.paging,
        )
        for index, page in enumerate(pages):
            kind = page_kind(index, len(pages))
            builder.page(*spec.page_um, base=self._plan.bases[kind])
            builder.rects(qr, paint=self._ink, tag="qr_text")
            self._draw_head()
            if len(pages) > 1:
                self._draw("page_number", f"共{len(pages)}页 第{index + 1}页")
            for fragment in page:
                self._draw_fragment(fragment, lines[fragment.line])
            if kind is not PageKind.SINGLE:
                self._draw_subtotal(kind, page)
            if kind is not PageKind.MIDDLE:
                self._draw_sums()
            self._draw("clerk", invoice.clerk)
        if self._faults:
            # A value on every page is reported once.
            faults = tuple(dict.fromkeys(self._faults))
            raise ContentOverflow("the invoice does not fit its form.", faults=faults)

    def _draw_head(self) -> None:
        invoice = self._invoice
        self._draw("number", invoice.number)
        self._draw("issued", date_text(invoice.issued))
        self._draw("buyer.name", invoice.buyer.name)
        self._draw("buyer.tax_id", invoice.buyer.tax_id)
        self._draw("seller.name", invoice.seller.name)
        self._draw("seller.tax_id", invoice.seller.tax_id)

    def _draw_sums(self) -> None:
        invoice = self._invoice
        self._draw_money("total_amount", invoice.total_amount)
        if is_taxed(invoice.lines):
            self._draw_money("total_tax", invoice.total_tax)
        else:
            self._draw("total_tax", UNTAXED)
        self._draw("total_words", invoice.total_words)
        self._draw_money("total", invoice.total)
        self._draw("remark", remark_text(invoice))

    def _draw_subtotal(self, kind: PageKind, page: Sequence[Fragment]) -> None:
        """Print 小计, the sums of the lines that begin on this page."""
        lines = [self._invoice.lines[fragment.line] for fragment in page if fragment.first_row == 0]
        cell = f"subtotal_{kind.value}"
        self._draw_money(f"{cell}.amount", sum((line.amount for line in lines), Decimal(0)))
        if is_taxed(lines):
            self._draw_money(f"{cell}.tax", sum((line.tax for line in lines), Decimal(0)))
        else:
            self._draw(f"{cell}.tax", UNTAXED)

    def _set_line(self, index: int, line: Line) -> list[Setting | None]:
        """Set a line's values in the columns of the table; None where there is nothing to print."""
        settings: list[Setting | None] = []
        for column, (setter, text) in enumerate(zip(self._plan.columns, line_texts(line), strict=True)):
            setting = setter.set(text) if text else None
            if setting is None and text:
                self._faults.append(setter.overflow(line_tags(index)[column], text))
            settings.append(setting)
        return settings

    def _draw_fragment(self, fragment: Fragment, line: Sequence[Setting | None]) -> None:
        table, builder = self._spec.table, self._builder
        first_row, last_row = fragment.first_row, fragment.first_row + fragment.rows
        top, pitch = table.top_um + fragment.at_row * table.row_pitch_um, table.row_pitch_um
        for setter, setting, tag in zip(self._plan.columns, line, line_tags(fragment.line), strict=True):
            if setting is None:
                continue
            placement, texts = setting
            paint, baseline = self._paints[setter.color], top + placement.baseline_um
            for text in texts[first_row:last_row]:
                builder.place(placement.style, setter.anchor_um, baseline, text, paint, tag)
                baseline += pitch

    def _draw(self, name: str, text: str) -> None:
        """Print a value in its cell."""
        setter, builder = self._plan.cells[name], self._builder
        setting = setter.set(text)
        if setting is None:
            self._faults.append(setter.overflow(setter.tag, text))
            return
        placement, texts = setting
        paint, baseline = self._paints[setter.color], placement.baseline_um
        for line in texts:
            builder.place(placement.style, setter.anchor_um, baseline, line, paint, setter.tag)
            baseline += placement.pitch_um

    def _draw_money(self, name: str, amount: Decimal) -> None:
        """Print a sum with its ¥ sign directly before it."""
        setter, builder, text = self._plan.cells[name], self._builder, money_text(amount)
        setting = setter.set(text)
        if setting is None:
            self._faults.append(setter.overflow(setter.tag, text))
            return
        placement, _ = setting
        symbol_x, number_x = setter.money_anchors(text, placement)
        paint, baseline = self._paints[setter.color], placement.baseline_um
        builder.place(placement.symbol, symbol_x, baseline, YEN, paint, setter.tag)
        builder.place(placement.style, number_x, baseline, text, paint, setter.tag)
