"""Many invoices in one list: each as it would be alone, and none lost for another's fault."""

import numpy as np
import pytest
from layout_samples import KINDS, lay_out, line, sample, template

from render.display.batch import concat
from render.display.list import ARRAY_COLUMNS, TABLE_COLUMNS
from render.errors import ContentOverflow, GlyphMissing
from render.layout import engine
from render.layout.engine import layout_batch


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
    runs = []
    original = engine._Layout.run
    monkeypatch.setattr(engine._Layout, "run", lambda self: runs.append(1) or original(self))
    layout_batch([sample(), sample(clerk="很长的名字" * 900), sample()], template("vat_special", fonts))
    assert len(runs) == 3
