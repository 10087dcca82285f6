"""The compiled backgrounds stand where published forms of the tax platform do, to 0.3 mm. Numbers are theirs, in mm."""

import pytest

from render.display.list import Kind
from render.templates.registry import TemplateRegistry
from render.templates.spec import PageKind

TOLERANCE_MM = 0.3
KINDS = ("vat_special", "vat_ordinary")
LABEL = (128, 0, 0)

# Boundary x, y and the path inside it, added up: start and end of each rule.
RULES = [
    (65.5, 18.0, 138.5, 18.0),
    (65.5, 19.0, 138.5, 19.0),
    (4.5, 30.0, 205.5, 30.0),
    (4.5, 52.0, 205.5, 52.0),
    (4.5, 96.0, 205.5, 96.0),
    (4.5, 104.0, 205.5, 104.0),
    (4.5, 124.0, 205.5, 124.0),
    (4.5, 30.0, 4.5, 124.0),
    (205.5, 30.0, 205.5, 124.0),
    (10.7, 30.0, 10.7, 52.0),
    (105.2, 30.0, 105.2, 52.0),
    (111.2, 30.0, 111.2, 52.0),
    (10.7, 104.0, 10.7, 124.0),
    (56.5, 96.0, 56.5, 104.0),
]

# Boundary x, y; offset of the first baseline point within it (scaled by 0.89 where the form condenses); text; size.
CAPTIONS = [
    (154, 11, 0.5265, 3.0163, "发票号码：", 3.3),
    (154, 17, 0.5265, 3.0163, "开票日期：", 3.3),
    (5.5, 32.5, 0.4686, 3.0163, "购", 3.175),
    (5.5, 36, 0.4686, 3.0163, "买", 3.175),
    (5.5, 39.5, 0.4686, 3.0163, "方", 3.175),
    (5.5, 43, 0.4686, 3.0163, "信", 3.175),
    (5.5, 46.5, 0.4686, 3.0163, "息", 3.175),
    (11, 44, 0.4686, 3.0163, "统一社会信用代码/纳税人识别号：", 3.175),
    (106, 32.5, 0.4686, 3.0163, "销", 3.175),
    (106, 36, 0.4686, 3.0163, "售", 3.175),
    (106, 39.5, 0.4686, 3.0163, "方", 3.175),
    (106, 43, 0.4686, 3.0163, "信", 3.175),
    (106, 46.5, 0.4686, 3.0163, "息", 3.175),
    (111.5, 44, 0.4686, 3.0163, "统一社会信用代码/纳税人识别号：", 3.175),
    (11, 33.5, 0.5265, 3.0163, "名称：", 3.175),
    (111.5, 33.5, 0.5265, 3.0163, "名称：", 3.175),
    (15.5, 53, 0.5265, 3.0163, "项目名称", 3.175),
    (41.6, 53, 0.5265, 3.0163, "规格型号", 3.175),
    (66.5, 53, 0.5265, 3.0163, "单 位", 3.175),
    (92.5, 53, 0.5265, 3.0163, "数 量", 3.175),
    (117.5, 53, 0.5265, 3.0163, "单 价", 3.175),
    (143, 53, 0.5265, 3.0163, "金 额", 3.175),
    (157, 53, 0.5265, 3.0163, "税率/征收率", 3.175),
    (194, 53, 0.5265, 3.0163, "税 额", 3.175),
    (16.4068, 98.5, 0.5265, 3.0163, "价税合计（大写）", 3.175),
    (143, 98.5, 0.5265, 3.0163, "（小写）", 3.175),
    (5.5, 109, 0.5265, 3.0163, "备", 3.175),
    (5.5, 115, 0.5265, 3.0163, "注", 3.175),
    (19, 129.5, 0.5265, 3.0163, "开票人：", 3.175),
]


@pytest.fixture(scope="module", params=KINDS)
def template(request, fonts):
    return TemplateRegistry().load(request.param, fonts=fonts)


@pytest.fixture
def background(template):
    return template.resources.bases[template.bases[PageKind.SINGLE]]


def near(expected):
    return pytest.approx([mm * 1000 for mm in expected], abs=TOLERANCE_MM * 1000)


def items(display, kind, prefix):
    return [
        (item, int(display.item_ref[item]))
        for item in range(display.n_items)
        if display.item_kind[item] == kind and display.tag_of(item).startswith(prefix)
    ]


def test_the_page_is_210_by_140_mm(background):
    assert background.page_size_um.tolist() == [[210_000, 140_000]]


def test_every_rule_is_where_the_form_has_it_and_there_is_no_other(background):
    drawn = [background.line_um[ref].tolist() for _, ref in items(background, Kind.LINE, "rule.")]
    assert len(drawn) == len(RULES)
    for line, expected in zip(sorted(drawn), sorted(RULES), strict=True):
        assert line == near(expected)
    assert set(background.line_width_um.tolist()) == {250}


def test_every_caption_begins_where_the_form_has_it(background):
    drawn = [
        (background.run_text(ref), background.run_origin_um[ref].tolist(), int(background.run_size_um[ref]))
        for _, ref in items(background, Kind.GLYPHS, "caption.")
    ]
    for x, y, dx, dy, text, size in CAPTIONS:
        close = [origin for found, origin, um in drawn if found == text and um == size * 1000]
        assert near((x + dx, y + dy)) in close, text


def test_no_rules_stand_between_the_columns_of_the_item_table(background):
    inside = [line for line in background.line_um.tolist() if 52_000 < line[1] < 96_000 or 52_000 < line[3] < 96_000]
    assert inside == []


def test_captions_and_rules_are_dark_red(background):
    for kind, prefix in ((Kind.GLYPHS, "caption."), (Kind.LINE, "rule.")):
        assert items(background, kind, prefix)
        for item, _ in items(background, kind, prefix):
            assert tuple(background.paint_rgba[background.item_paint[item]][:3].tolist()) == LABEL


def test_captions_of_the_parties_codes_are_condensed_to_89_percent(background):
    scales = {
        background.run_text(ref): int(background.run_xscale[ref])
        for _, ref in items(background, Kind.GLYPHS, "caption.")
    }
    assert scales["统一社会信用代码/纳税人识别号："] == scales["购"] == scales["息"] == 890
    assert scales["名称："] == scales["备"] == 1000


def test_slashes_advance_by_1_6_mm_as_in_the_form(background):
    for text, place, scale in (("税率/征收率", 2, 1.0), ("统一社会信用代码/纳税人识别号：", 8, 0.89)):
        refs = [ref for _, ref in items(background, Kind.GLYPHS, "caption.") if background.run_text(ref) == text]
        for ref in refs:
            x = background.glyph_x_um[background.run_glyph_off[ref] : background.run_glyph_off[ref + 1]].tolist()
            assert x[place + 1] - x[place] == pytest.approx(1_600 * scale, abs=1)
            assert x[1] - x[0] == pytest.approx(3_175 * scale, abs=1)


def test_the_title_of_special_invoices_begins_and_advances_as_in_the_form(fonts):
    template = TemplateRegistry().load("vat_special", fonts=fonts)
    background = template.resources.bases[template.bases[PageKind.SINGLE]]
    ((_, ref),) = items(background, Kind.GLYPHS, "caption.title")
    assert background.run_text(ref) == template.title == "电子发票（增值税专用发票）"
    assert background.run_origin_um[ref].tolist() == near((56 + 1.061, 8 + 6.0854))
    assert background.run_size_um[ref] == 7_073
    x = background.glyph_x_um[background.run_glyph_off[ref] : background.run_glyph_off[ref + 1]]
    assert x[-1] - x[0] == pytest.approx(12 * 7_069.6, abs=12)


def test_the_titles_of_both_kinds_have_the_same_middle(fonts):
    middles = []
    for kind in KINDS:
        template = TemplateRegistry().load(kind, fonts=fonts)
        background = template.resources.bases[template.bases[PageKind.SINGLE]]
        ((item, _),) = items(background, Kind.GLYPHS, "caption.title")
        left, _, right, _ = background.item_bbox_um[item].tolist()
        middles.append((left + right) / 2)
    assert middles[0] == pytest.approx(middles[1], abs=TOLERANCE_MM * 1000)


def test_the_right_edge_has_the_two_tones_of_the_copy_mark(background):
    strips = {
        background.tag_of(item): (
            background.rect_um[background.rectset_off[ref]].tolist(),
            tuple(background.paint_rgba[background.item_paint[item]][:3].tolist()),
        )
        for item, ref in items(background, Kind.RECTS, "rule.strip")
    }
    light, dark = strips["rule.strip_light"], strips["rule.strip_dark"]
    assert light == (near((205.584, 29.8, 206.124, 76.8)), (246, 237, 225))
    assert dark == (near((205.584, 76.854, 206.124, 124.0)), (118, 89, 84))


def test_the_mark_before_the_words_lies_in_its_box(background):
    ((item, _),) = items(background, Kind.PATH, "rule.mark")
    left, top, right, bottom = background.item_bbox_um[item].tolist()
    assert 57_950 <= left < right <= 62_950
    assert 97_000 <= top < bottom <= 102_000


def test_cells_of_values_are_where_the_form_prints_them(template):
    cells, table = template.spec.cells, template.spec.table
    left = {"number": 170, "issued": 170, "buyer.name": 20, "seller.name": 120, "buyer.tax_id": 54}
    left |= {"seller.tax_id": 154.5, "total_words": 62.95, "total": 155.5, "remark": 11.1, "clerk": 32}
    assert [cells[name].box_um[0] for name in left] == near(left.values())
    assert (table.top_um, table.row_pitch_um) == (56_000, 4_500)
    right = {"quantity": 102.5, "unit_price": 127.5, "amount": 153, "tax": 205}
    assert [table.columns[name].box_um[2] for name in right] == near(right.values())
    assert template.spec.qr_box_um == (6_500, 6_000, 26_500, 26_000)
    assert template.spec.seal_box_um == (90_000, 8_000, 120_000, 28_000)
