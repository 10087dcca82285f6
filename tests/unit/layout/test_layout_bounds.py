"""The check for misplaced items finds what is misplaced."""

import layout_samples as samples
import pytest

from render.display.builder import DisplayListBuilder
from render.layout.bounds import find_misplaced
from render.templates.spec import PageKind


@pytest.fixture
def page(fonts):
    form = samples.template("vat_special", fonts)
    builder = DisplayListBuilder(fonts)
    builder.page(*form.spec.page_um, base=form.bases[PageKind.SINGLE])
    ink = builder.paint(0, 0, 0)

    def place(x_um, baseline_um, text, tag):
        builder.text("song", 3_175, x_um, baseline_um, text, paint=ink, tag=tag)

    return place, lambda: find_misplaced(builder.freeze(), form)


def test_a_value_in_its_cell_is_fine(page):
    place, problems = page
    place(170_000, 13_941, "26312000000000000001", "number")
    assert problems() == ()


def test_a_value_one_micrometre_outside_is_found(page):
    place, problems = page
    place(169_999, 13_941, "2", "number")
    (problem,) = problems()
    assert "number" in problem
    assert "leaves its cell" in problem


def test_a_value_outside_its_column_is_found(page):
    place, problems = page
    place(100_000, 60_000, "10000.00", "lines[0].quantity")
    assert any("lines[0].quantity" in problem and "leaves its cell" in problem for problem in problems())


def test_values_over_one_another_are_found(page):
    place, problems = page
    place(41_400, 60_000, "甲", "lines[0].spec")
    place(41_400, 62_000, "乙", "lines[1].spec")
    (problem,) = problems()
    assert "lines[0].spec" in problem
    assert "overlaps lines[1].spec" in problem


def test_a_value_over_a_rule_or_a_caption_is_found(page):
    place, problems = page
    place(41_400, 57_000, "甲", "lines[0].spec")
    assert any("overlaps caption.lines.spec" in problem for problem in problems())


def test_a_tag_that_no_cell_has_is_an_error(page):
    place, problems = page
    place(50_000, 50_000, "甲", "payee")
    with pytest.raises(KeyError):
        problems()
