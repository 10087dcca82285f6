"""An invoice laid out: where each value stands, and what happens to values that are too long."""

from dataclasses import replace
from decimal import Decimal

import layout_samples as samples
import pytest

from render.display.check import check
from render.errors import ContentOverflow, GlyphMissing
from render.layout.bounds import find_misplaced
from render.model.invoice import LineRole, Treatment
from render.templates.spec import PageKind

BIG = Decimal("-9999999999999999.99")


@pytest.fixture
def lay_out(fonts):
    """Lay out an invoice and see that the list is sound and everything stands in its cell."""

    def lay_out(invoice):
        display = samples.lay_out(invoice, fonts)
        check(display)
        assert find_misplaced(display, samples.template(invoice.kind.value, fonts)) == ()
        return display

    return lay_out


def with_lines(count, **changes):
    return samples.sample(lines=tuple(samples.line(**changes) for _ in range(count)))


def only_run(display, tag):
    (run,) = samples.runs(display, tag)
    return run


def test_head_values_stand_on_the_baselines_of_their_captions(lay_out):
    display = lay_out(samples.sample())
    origins = {
        "number": (170.0, 13.941),
        "issued": (170.0, 20.041),
        "buyer.name": (20.0, 36.529),
        "seller.name": (120.0, 36.529),
        "buyer.tax_id": (54.0, 47.016),
        "seller.tax_id": (154.5, 47.016),
    }
    for tag, (x, y) in origins.items():
        origin = display.run_origin_um[only_run(display, tag)].tolist()
        assert origin == pytest.approx([x * 1000, y * 1000], abs=1), tag


def test_values_read_as_given(lay_out):
    invoice = samples.sample()
    display = lay_out(invoice)
    read = {tag: "".join(samples.texts(display, tag)) for tag in display.tags}
    assert read["number"] == invoice.number
    assert read["issued"] == "2026年05月28日"
    assert read["buyer.tax_id"] == invoice.buyer.tax_id
    assert read["total_amount"] == "¥3700.00"
    assert read["total_tax"] == "¥411.00"
    assert read["total"] == "¥4111.00"
    assert read["total_words"] == "肆仟壹佰壹拾壹圆整"
    assert read["remark"] == "示例订单000001"
    assert read["clerk"] == "赵示例"
    assert read["lines[2].rate"] == "6%"


def test_tax_ids_are_set_in_mono_at_a_pitch_of_2_54_mm(lay_out, fonts):
    display = lay_out(samples.sample())
    run = only_run(display, "seller.tax_id")
    glyphs = display.glyph_x_um[display.run_glyph_off[run] : display.run_glyph_off[run + 1]]
    assert fonts.faces[display.run_font[run]] is fonts.face("mono")
    assert [x - 154_500 for x in glyphs.tolist()] == pytest.approx([2_540 * n for n in range(18)], abs=5)


def test_figures_end_at_the_right_edges_of_their_columns(lay_out):
    display = lay_out(samples.sample())
    edges = {"quantity": 102.5, "unit_price": 127.5, "amount": 153.0, "tax": 205.0}
    for column, edge in edges.items():
        ((_, _, right, _),) = samples.boxes(display, f"lines[0].{column}")
        assert right == edge, column
    assert samples.boxes(display, "total_amount")[-1][2] == 153.0
    assert samples.boxes(display, "total_tax")[-1][2] == 205.0


def test_rates_are_centred_in_their_column(lay_out):
    ((left, _, right, _),) = samples.boxes(lay_out(samples.sample()), "lines[0].rate")
    assert (left + right) / 2 == pytest.approx((154 + 179) / 2, abs=0.001)


def test_rows_follow_one_another_every_4_5_mm_from_56_mm(lay_out):
    display = lay_out(with_lines(8))
    tops = [display.run_origin_um[only_run(display, f"lines[{n}].amount"), 1] for n in range(8)]
    assert [int(top) - 59_641 for top in tops] == [4_500 * n for n in range(8)]


def test_the_yen_sign_is_mono_and_touches_the_number(lay_out, fonts):
    display = lay_out(samples.sample())
    for tag in ("total_amount", "total_tax", "total"):
        sign, _ = samples.runs(display, tag)
        assert display.run_text(sign) == "¥"
        assert fonts.faces[display.run_font[sign]] is fonts.face("mono")
        (_, _, end, _), (start, _, _, _) = samples.boxes(display, tag)
        assert start - end == pytest.approx(0, abs=0.002)


def test_a_long_item_name_wraps_at_row_pitch_and_the_next_line_starts_below(lay_out):
    name = "*示例大类*一个长得要分成三行才放得下的虚构商品名称甲乙丙"
    display = lay_out(samples.sample(lines=(samples.line(name=name), samples.line())))
    wrapped = samples.runs(display, "lines[0].name")
    assert "".join(samples.texts(display, "lines[0].name")) == name
    assert len(wrapped) == 3
    baselines = [int(display.run_origin_um[run, 1]) for run in wrapped]
    assert [b - baselines[0] for b in baselines] == [0, 4_500, 9_000]
    assert int(display.run_origin_um[only_run(display, "lines[1].amount"), 1]) == baselines[0] + 13_500


def test_a_long_price_shrinks_before_anything_is_lost(lay_out):
    display = lay_out(samples.sample(lines=(samples.line(unit_price="4197.16981132075"),)))
    run = only_run(display, "lines[0].unit_price")
    assert (display.run_text(run), int(display.run_size_um[run])) == ("4197.16981132075", 2_822)


def test_twenty_five_digits_still_fit(lay_out):
    figure = "0.12345678901234567890123"
    display = lay_out(samples.sample(lines=(samples.line(unit_price=figure, quantity=figure),)))
    assert samples.texts(display, "lines[0].quantity") == samples.texts(display, "lines[0].unit_price") == [figure]


def test_a_long_party_name_wraps_to_two_lines_and_then_shrinks(lay_out):
    two_lines = samples.sample()
    two_lines = replace(two_lines, buyer=replace(two_lines.buyer, name="虚构示例" * 12))
    display = lay_out(two_lines)
    sizes = {int(display.run_size_um[run]) for run in samples.runs(display, "buyer.name")}
    assert (len(samples.runs(display, "buyer.name")), sizes) == (2, {3_175})
    longer = replace(two_lines, buyer=replace(two_lines.buyer, name="虚构示例" * 20))
    display = lay_out(longer)
    assert max(display.run_size_um[samples.runs(display, "buyer.name")]) < 3_175


def test_names_of_150_characters_fit(lay_out):
    invoice = samples.sample()
    name = "虚构示例有限公司" * 18 + "第一分公司。"
    parties = {side: replace(getattr(invoice, side), name=name) for side in ("buyer", "seller")}
    display = lay_out(replace(invoice, **parties))
    assert "".join(samples.texts(display, "seller.name")) == name


def test_six_lines_of_remark_keep_their_size(lay_out):
    display = lay_out(samples.sample(remark="虚构备注" * 90))
    found = samples.runs(display, "remark")
    assert len(found) == 6
    assert set(display.run_size_um[found].tolist()) == {3_175}
    baselines = display.run_origin_um[found, 1]
    assert (baselines[1:] - baselines[:-1]).tolist() == [3_300] * 5


def test_a_remark_keeps_its_own_lines(lay_out):
    display = lay_out(samples.sample(remark="第一行\n\n第三行"))
    found = samples.runs(display, "remark")
    assert samples.texts(display, "remark") == ["第一行", "第三行"]
    top, bottom = display.run_origin_um[found, 1].tolist()
    assert bottom - top == 2 * 3_300


def test_a_remark_of_450_characters_fits_also_after_a_red_reference(lay_out):
    remark = ("虚构备注" * 113)[:450]
    display = lay_out(samples.sample(remark=remark, red=samples.RED))
    printed = samples.texts(display, "remark")
    assert printed[0].startswith("被红冲蓝字数电发票号码：26312000000000000009 ")
    assert "".join(printed[1:]) == remark


def test_the_largest_red_sums_keep_their_signs(lay_out):
    big = samples.line(amount=BIG, tax=BIG)
    display = lay_out(samples.sample(lines=(big,), total_amount=BIG, total_tax=BIG, total=BIG))
    for tag in ("total_amount", "total_tax", "total"):
        assert samples.texts(display, tag) == ["¥", "-9999999999999999.99"]
    assert samples.texts(display, "lines[0].amount") == ["-9999999999999999.99"]


def test_an_invoice_without_taxed_lines_has_no_total_tax(lay_out):
    untaxed = samples.line(treatment=Treatment.EXEMPT, rate=Decimal(0), tax=Decimal(0))
    display = lay_out(samples.sample(lines=(untaxed,), total_tax=Decimal(0)))
    assert samples.texts(display, "total_tax") == ["***"]
    assert samples.texts(display, "lines[0].tax") == ["***"]


def test_one_taxed_line_is_enough_for_a_total_tax(lay_out):
    display = lay_out(samples.sample("vat_ordinary"))
    assert samples.texts(display, "total_tax") == ["¥", "9.00"]


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (8, 1), (9, 2), (40, 6), (100, 13), (2000, 251)])
def test_any_number_of_lines_is_paged(lay_out, fonts, count, pages):
    if count <= 100:
        display = lay_out(with_lines(count))
    else:
        display = samples.lay_out(with_lines(count), fonts)
        check(display)
    assert display.n_pages == pages
    assert len([tag for tag in display.tags if tag.endswith("].amount")]) == count


def test_every_page_repeats_the_head_counts_and_sums(lay_out, fonts):
    lines = tuple(samples.line(amount=Decimal(n), tax=Decimal(n) / 10) for n in range(1, 18))
    display = lay_out(samples.sample(lines=lines))
    bases = samples.template("vat_special", fonts).bases
    kinds = [PageKind.MIDDLE, PageKind.MIDDLE, PageKind.LAST]
    assert [display.bases[base] for base in display.page_base] == [bases[kind] for kind in kinds]
    for page in range(3):
        for tag in ("number", "issued", "buyer.name", "seller.tax_id", "clerk"):
            assert len(samples.texts(display, tag, page)) == 1, tag
        assert samples.texts(display, "page_number", page) == [f"共3页 第{page + 1}页"]
    assert [samples.texts(display, "subtotal.amount", page)[1] for page in range(3)] == ["36.00", "100.00", "17.00"]
    assert [samples.texts(display, "subtotal.tax", page)[1] for page in range(3)] == ["3.60", "10.00", "1.70"]


def test_sums_words_and_remark_stand_on_the_last_page_alone(lay_out):
    display = lay_out(with_lines(9))
    for tag in ("total_amount", "total_tax", "total", "total_words", "remark"):
        assert samples.texts(display, tag, 0) == []
        assert samples.texts(display, tag, 1) != []


def test_a_single_page_has_neither_counter_nor_subtotal(lay_out):
    display = lay_out(with_lines(8))
    assert not {"page_number", "subtotal.amount", "subtotal.tax"} & set(display.tags)


def test_a_discount_is_never_parted_from_its_line(lay_out):
    lines = [samples.line() for _ in range(7)] + [samples.line(role=LineRole.DISCOUNTED)]
    lines.append(samples.line(role=LineRole.DISCOUNT, amount=Decimal("-1.00")))
    display = lay_out(samples.sample(lines=tuple(lines)))
    assert samples.texts(display, "lines[7].amount", 1) == ["100.00"]
    assert samples.texts(display, "lines[8].amount", 1) == ["-1.00"]


def test_a_name_of_600_characters_continues_on_further_pages(lay_out):
    name = "虚构商品名称" * 100
    display = lay_out(samples.sample(lines=(samples.line(name=name),)))
    assert display.n_pages == 7
    assert "".join(samples.texts(display, "lines[0].name")) == name
    assert len(samples.texts(display, "lines[0].amount")) == 1


def test_all_values_that_do_not_fit_are_named_at_once(fonts):
    lines = (samples.line(quantity="1" * 40), samples.line(unit_price="1" * 40))
    invoice = samples.sample(clerk="某" * 900, lines=lines)
    with pytest.raises(ContentOverflow) as caught:
        samples.lay_out(invoice, fonts)
    assert [fault.path for fault in caught.value.faults] == ["lines[0].quantity", "lines[1].unit_price", "clerk"]
    assert "1111" not in str(caught.value)


def test_characters_without_a_glyph_are_named_with_their_field(fonts):
    invoice = samples.sample(clerk="\ue123")
    with pytest.raises(GlyphMissing) as caught:
        samples.lay_out(replace(invoice, buyer=replace(invoice.buyer, name="甲\U0003fffd乙")), fonts)
    assert {fault.path for fault in caught.value.faults} == {"buyer.name", "clerk"}
    assert "U+E123" in str(caught.value)


@pytest.mark.parametrize("char", "㛃𠅤〇喆堃·䶮𬭊鿏")
def test_rare_characters_of_names_print(lay_out, char):
    invoice = samples.sample()
    display = lay_out(replace(invoice, buyer=replace(invoice.buyer, name=f"示例{char}商行")))
    assert "".join(samples.texts(display, "buyer.name")) == f"示例{char}商行"


def test_a_private_buyer_prints_no_tax_id(lay_out):
    display = lay_out(samples.sample("vat_ordinary"))
    assert "buyer.tax_id" not in display.tags


def test_the_same_invoice_gives_the_same_list(fonts):
    assert samples.lay_out(samples.sample(), fonts).digest == samples.lay_out(samples.sample(), fonts).digest
