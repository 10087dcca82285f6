"""The structure tree: fields and lines in the order of reading, and a parent tree that leads back to them."""

import io
import re

import pikepdf
import pypdfium2
from pdf_samples import info

from render.display.builder import DisplayListBuilder
from render.display.resources import Resources
from render.pdf.writer import PdfWriter


def _document(book, samples=None):
    builder = DisplayListBuilder(book)
    ink = builder.paint(0, 0, 0)
    for page in range(2):
        builder.page(210_000, 140_000, samples.base.digest if samples else None)
        builder.rects([(0, 0, 9_000, 9_000)], paint=ink, tag="qr_text")
        y = 20_000
        for tag, text in (
            ("number", f"2431200000000000000{page}"),
            (f"lines[{page}].name", "甲乙"),
            (f"lines[{page}].name", "丙丁"),
            (f"lines[{page}].amount", "12.30"),
            (f"lines[{page + 10}].name", "戊己"),
            ("buyer.name", "买方"),
            ("buyer.tax_id", "91310000MA1K00000X"),
        ):
            builder.text("song", 3_000, 20_000, y, text, paint=ink, tag=tag)
            y += 5_000
    return builder.freeze()


def _open(data):
    return pikepdf.open(io.BytesIO(data))


def _marked_text(data, page, mark):
    """Return what pdfium reads in one marked content of a page."""
    raw = pypdfium2.raw
    with pypdfium2.PdfDocument(data) as pdf:
        opened = pdf[page]
        textpage = opened.get_textpage()
        found = []
        for thing in opened.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT]):
            if raw.FPDFPageObj_GetMarkedContentID(thing.raw) == mark:
                length = raw.FPDFTextObj_GetText(thing.raw, textpage.raw, None, 0)
                buffer = (raw.FPDF_WCHAR * length)()
                raw.FPDFTextObj_GetText(thing.raw, textpage.raw, buffer, length)
                found.append(bytes(buffer).decode("utf-16-le").rstrip("\0"))
        return "".join(found)


def test_elements_stand_for_fields_and_lines_in_reading_order(book):
    data = PdfWriter(Resources(book)).write(_document(book), 0, info()).data
    with _open(data) as pdf:
        assert pdf.Root.MarkInfo.Marked is True
        document = pdf.Root.StructTreeRoot.K
        assert document.S == "/Document"
        assert [str(element.S) for element in document.K] == ["/Figure", "/P", "/P", "/P", "/P", "/P"] * 2
        assert all(element.P.objgen == document.objgen for element in document.K)
        pages = [page.objgen for page in pdf.pages]
        found = [(pages.index(element.Pg.objgen), int(element.K)) for element in document.K]
    assert found == [(page, mark) for page in range(2) for mark in range(6)]
    texts = [_marked_text(data, page, mark) for page, mark in found]
    assert texts[:6] == ["", "24312000000000000000", "甲乙丙丁12.30", "戊己", "买方", "91310000MA1K00000X"]
    assert texts[7] == "24312000000000000001"


def test_the_parent_tree_leads_from_each_mark_to_its_element(book):
    with _open(PdfWriter(Resources(book)).write(_document(book), 0, info()).data) as pdf:
        numbers = list(pdf.Root.StructTreeRoot.ParentTree.Nums)
        assert [int(number) for number in numbers[::2]] == [0, 1]
        for page, parents in zip(pdf.pages, numbers[1::2], strict=True):
            assert int(page.StructParents) == int(numbers[2 * list(pdf.pages).index(page)])
            assert [int(element.K) for element in parents] == list(range(6))
            assert all(element.Pg.objgen == page.objgen for element in parents)


def test_an_element_may_hold_several_paints_and_shapes(book):
    builder = DisplayListBuilder(book)
    black, red = builder.paint(0, 0, 0), builder.paint(200, 0, 0)
    builder.page(210_000, 140_000)
    builder.text("song", 3_000, 20_000, 20_000, "甲", paint=black, tag="lines[0].name")
    builder.rects([(0, 0, 9_000, 9_000)], paint=black, tag="lines[0].name")
    builder.text("song", 3_000, 20_000, 25_000, "乙", paint=red, tag="lines[0].name")
    builder.line(0, 0, 9_000, 0, 100, paint=black, tag="rule")
    builder.text("song", 3_000, 20_000, 30_000, "丙", paint=red, tag="number")
    data = PdfWriter(Resources(book)).write(builder.freeze(), 0, info()).data
    with _open(data) as pdf:
        assert [str(element.S) for element in pdf.Root.StructTreeRoot.K.K] == ["/P", "/Figure", "/P"]
        content = pdf.pages[0].Contents.read_bytes()
    kept = re.findall(rb"BDC|EMC|BT| re|RG|rg|S\n", content)
    assert kept == [
        b"rg",
        b"BDC",
        b"BT",
        b" re",
        b"rg",
        b"BT",
        b"EMC",
        b"RG",
        b"BDC",
        b"S\n",
        b"EMC",
        b"BDC",
        b"BT",
        b"EMC",
    ]


def test_the_background_is_the_first_element_of_its_page(samples, book):
    display = _document(samples.fonts, samples)
    data = PdfWriter(samples.resources).write(display, 0, info()).data
    with _open(data) as pdf:
        assert [str(element.S) for element in pdf.Root.StructTreeRoot.K.K][:3] == ["/P", "/Figure", "/P"]
        content = pdf.pages[0].Contents.read_bytes()
    assert b"/P<</MCID 0>>BDC\n/B0 Do\nEMC\n0 0 0 rg\n/Figure<</MCID 1>>BDC\n" in content
    assert content.count(b"BDC") == content.count(b"EMC") == 7


def test_tags_can_be_left_out_and_cost_less_than_a_kilobyte(samples):
    display = _document(samples.fonts, samples)
    tagged = PdfWriter(samples.resources).write(display, 0, info()).data
    plain = PdfWriter(samples.resources, is_tagged=False).write(display, 0, info()).data
    with _open(plain) as pdf:
        assert "/StructTreeRoot" not in pdf.Root
        assert b"BDC" not in pdf.pages[0].Contents.read_bytes()
    assert 0 < len(tagged) - len(plain) < 1_000
