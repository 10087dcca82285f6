"""Everyday invoices of one form as display lists, for what is measured below the pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.corpus import typical
from render.config import RenderSettings
from render.display.list import DisplayList
from render.fonts.registry import load_fonts
from render.layout.engine import layout_batch
from render.model.invoice import Invoice, InvoiceKind
from render.templates.registry import Template, TemplateRegistry

_SEED = 21


@dataclass(frozen=True, slots=True)
class EverydayPages:
    """Pages of the corpus on the form of ordinary invoices."""

    template: Template

    @classmethod
    def load(cls) -> EverydayPages:
        """Compile the form with the fonts of this machine.

        Raises:
            ConfigError: fonts or templates are missing.
        """
        settings = RenderSettings.from_mapping({**os.environ, "KAIPIAO_SIGNING": "off"})
        registry = TemplateRegistry(settings.templates)
        return cls(registry.load(InvoiceKind.VAT_ORDINARY.value, fonts=load_fonts(settings.fonts)))

    def of(self, count: int) -> DisplayList:
        """Return so many pages, first and further ones, the same ones each time.

        Raises:
            KaipiaoError: an invoice cannot be laid out.
            ValueError: the corpus has too few of this form.
        """
        # About half of the corpus is of this form.
        everyday = [document.invoice for document in typical(3 * count + 16, _SEED)]
        candidates = [invoice for invoice in everyday if invoice.kind is InvoiceKind.VAT_ORDINARY]
        chosen, left = [], count
        for invoice, n_pages in zip(candidates, np.diff(self._lay_out(candidates).doc_page_off), strict=True):
            if n_pages <= left:
                chosen.append(invoice)
                left -= int(n_pages)
        if left:
            raise ValueError(f"the corpus has no {count} pages of this form")
        return self._lay_out(chosen)

    def _lay_out(self, invoices: Sequence[Invoice]) -> DisplayList:
        display, errors = layout_batch(invoices, self.template)
        for error in errors:
            if error is not None:
                raise error
        if display is None:
            raise ValueError("there is nothing to lay out")
        return display
