"""Where text stands on the page and what extracts from it."""

import io

import pikepdf
import pypdfium2
import pytest
from pdf_samples import NUMBER, info, value_texts

from render.display.builder import DisplayListBuilder
from render.display.resources import Resources
from render.pdf.writer import PdfWriter

_UM_PER_PT = 25_400 / 72


def _display(book, *texts):
    builder = DisplayListBuilder(book)
    builder.page(210_000, 140_000)
    black = builder.paint(0, 0, 0)
    for role, size, x, y, text, options in texts:
        builder.text(role, size, x, y, text, paint=black, tag="t", **options)
    return builder.freeze()


def _characters(book, display):
    """Return (character, origin x, origin y from the top) of each character, in µm, as pdfium reads them."""
    data = PdfWriter(Resources(book)).write(display, 0, info()).data
    with pypdfium2.PdfDocument(data) as pdf:
        page = pdf[0].get_textpage()
        found = []
        for index in range(page.count_chars()):
            # Wide letter spacing reads as a space, which no item of the page prints.
            if pypdfium2.raw.FPDFText_IsGenerated(page, index):
                continue
            x, y = pypdfium2.raw.c_double(), pypdfium2.raw.c_double()
            assert pypdfium2.raw.FPDFText_GetCharOrigin(page, index, x, y)
            char = chr(pypdfium2.raw.FPDFText_GetUnicode(page, index))
            found.append((char, x.value * _UM_PER_PT, 140_000 - y.value * _UM_PER_PT))
    return found


@pytest.mark.parametrize(
    ("role", "options"),
    [
        ("song", {}),
        ("kai", {}),
        ("mono", {}),
        ("kai", {"xscale": 890}),
        ("kai", {"steps_um": [7_070] * 10}),
        ("kai", {"steps_um": [3_175, 3_175, 1_600, 4_860, 3_175, 5_300], "xscale": 890}),
        ("song", {"steps_um": [2_000] * 10}),
    ],
)
@pytest.mark.parametrize("size", [900, 3_175, 7_073])
def test_each_glyph_stands_where_the_display_list_says(book, role, options, size):
    text = "Ab12345" if role == "mono" else "代码1/纳W税"
    display = _display(book, (role, size, 12_345, 67_891, text, options))
    found = _characters(book, display)
    assert [char for char, _, _ in found] == list(text)
    assert [x for _, x, _ in found] == pytest.approx(display.glyph_x_um.tolist(), abs=2.6)
    assert [y for _, _, y in found] == pytest.approx([67_891] * len(text), abs=0.5)


def test_plain_runs_need_no_adjustment(book):
    display = _display(book, ("song", 3_175, 10_000, 10_000, "普通文字 AB 12.30 “引号”" * 3, {}))
    assert "]TJ" not in _operators(book, display)


def test_even_letter_spacing_is_one_operator(book):
    display = _display(book, ("kai", 7_073, 10_000, 20_000, "电子发票（普通发票）", {"steps_um": [7_500] * 9}))
    operators = _operators(book, display)
    assert " 427 Tc" in operators
    assert "]TJ" not in operators


def test_state_is_set_again_only_where_it_changes(book):
    run = ("song", 3_000, 5_000)
    display = _display(book, *[(*run, 5_000 + 4_000 * line, f"第{line}行", {}) for line in range(6)])
    operators = _operators(book, display)
    assert operators.count(" Tf") == operators.count(" Tz") == operators.count(" Tc") == 1
    assert operators.count("Tj") == 6


def _operators(book, display):
    data = PdfWriter(Resources(book)).write(display, 0, info()).data
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return pdf.pages[0].Contents.read_bytes().decode("ascii")


def test_state_is_set_again_on_each_page(book, samples, writer):
    data = writer.write(samples.document(pages=2), 0, info()).data
    with pypdfium2.PdfDocument(data) as pdf:
        pages = [pdf[index].get_textpage().get_text_range() for index in range(2)]
    assert NUMBER in pages[0]
    assert str(int(NUMBER) + 1) in pages[1]


def test_every_value_extracts_exactly_and_in_order(pdf):
    with pypdfium2.PdfDocument(pdf) as opened:
        text = opened[0].get_textpage().get_text_range()
    places = [text.find(value) for _, _, _, _, value, _, _ in value_texts()]
    assert -1 not in places
    assert places == sorted(places)
    assert "电子发票（增值税专用发票）" in text
    assert "统一社会信用代码/纳税人识别号：" in text


def test_a_page_without_text_can_be_written(book):
    builder = DisplayListBuilder(book)
    builder.page(210_000, 140_000)
    builder.rects([(0, 0, 10_000, 10_000)], paint=builder.paint(0, 0, 0), tag="mark")
    assert _characters(book, builder.freeze()) == []
