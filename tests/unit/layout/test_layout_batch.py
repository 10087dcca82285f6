"""Many invoices in one list: each as it would be alone, and none lost for another's fault."""

from decimal import Decimal

import numpy as np
import pytest
from layout_samples import KINDS, lay_out, line, sample, template

from render.display.batch import concat
from render.display.list import ARRAY_COLUMNS, TABLE_COLUMNS
from render.errors import ContentOverflow, GlyphMissing, InvoiceInvalid
from render.layout import engine, typesetting
from render.layout.engine import layout_batch
from render.layout.kernels import setting


def _same(one, two):
    assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ARRAY_COLUMNS)
    assert all(getattr(one, name) == getattr(two, name) for name in TABLE_COLUMNS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_the_documents_one_behind_the_other(fonts, kind):
    invoices = [sample(kind), sample(kind, remark="又一"), sample(kind, lines=(line(),) * 30), sample(kind)]
    batch, errors = layout_batch(invoices, template(kind, fonts))
    assert errors == [None] * 4
    _same(batch, concat([lay_out(invoice, fonts) for invoice in invoices]))


def test_what_cannot_be_laid_out_is_named_and_left_out(fonts):
    good, other = sample(), sample(remark="又一")
    too_long = sample(clerk="很长的名字" * 900)
    unprintable = sample(remark="\U0002fa1d\U000323af")
    batch, errors = layout_batch([good, too_long, unprintable, other], template("vat_special", fonts))
    assert [type(error) for error in errors] == [type(None), ContentOverflow, GlyphMissing, type(None)]
    assert errors[1].faults[0].path == "clerk"
    assert errors[2].faults[0].path == "remark"
    _same(batch, concat([lay_out(good, fonts), lay_out(other, fonts)]))


def test_a_batch_of_nothing_but_faults_has_no_list(fonts):
    form = template("vat_special", fonts)
    assert layout_batch([sample(clerk="很长的名字" * 900)], form)[0] is None
    batch, errors = layout_batch([sample(remark="\U000323af")] * 2, form)
    assert batch is None
    assert [type(error) for error in errors] == [GlyphMissing] * 2


def test_one_fault_costs_no_second_layout_of_the_others(fonts, monkeypatch):
    made = []
    original = engine.sheets_of
    monkeypatch.setattr(engine, "sheets_of", lambda invoices, *rest: made.extend(invoices) or original(invoices, *rest))
    layout_batch([sample(), sample(clerk="很长的名字" * 900), sample()], template("vat_special", fonts))
    assert len(made) == 3


def test_all_that_does_not_fit_is_named_in_a_batch_as_alone(fonts):
    too_long = sample(clerk="很长的名字" * 900, lines=(*[line()] * 40, line(amount=Decimal("9" * 90 + ".00"))))
    batch, errors = layout_batch([sample(), too_long, sample(qr_text="")], template("vat_special", fonts))
    assert batch.n_docs == 1
    assert [fault.path for fault in errors[1].faults] == ["lines[40].amount", "clerk", "subtotal.amount"]
    assert isinstance(errors[2], InvoiceInvalid)
    with pytest.raises(ContentOverflow) as caught:
        lay_out(too_long, fonts)
    assert caught.value.faults == errors[1].faults


def test_texts_are_placed_the_same_compiled_and_not(fonts, monkeypatch):
    invoices = [sample(remark="一二三四五。" * 40), sample(lines=(line(name="*示例*很长的名称" * 9), *[line()] * 40))]
    form = template("vat_special", fonts)
    compiled, _ = layout_batch(invoices, form)
    monkeypatch.setattr(typesetting, "set_texts", setting.set_texts_scalar)
    monkeypatch.setattr(typesetting, "place_texts", setting.place_texts_scalar)
    _same(compiled, layout_batch(invoices, form)[0])
