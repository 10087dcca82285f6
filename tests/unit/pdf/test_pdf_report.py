"""Files of any origin: what they are, and what mending does to them."""

import io

import pikepdf
import pypdfium2
import pytest
from pdf_samples import attachment, info, value_texts
from reportlab.pdfgen.canvas import Canvas

from render.errors import InputError, MalformedInput
from render.pdf.inspect import forbidden_in
from render.pdf.repair import repair
from render.pdf.report import describe


@pytest.fixture
def ours(samples, writer):
    return writer.write(samples.document(pages=2), 0, info(), [attachment()]).data


def _foreign():
    """Return a file as old printer drivers made them: no embedded font, a link, a script that runs on opening."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=(595.2756, 396.8504), invariant=1)
    canvas.setFont("Helvetica", 12)
    canvas.drawString(50, 300, "Invoice 24312000000000000001")
    canvas.linkURL("http://example.invalid/", (50, 290, 200, 310))
    canvas.showPage()
    canvas.save()
    with pikepdf.open(io.BytesIO(target.getvalue())) as pdf:
        pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        changed = io.BytesIO()
        pdf.save(changed, static_id=True)
    return changed.getvalue()


def test_our_own_file_is_described_and_nothing_is_wrong_with_it(ours):
    report = describe(ours)
    assert (report.version, report.pdf_a, report.language, report.is_tagged) == ("1.7", "3B", "zh-CN", True)
    assert report.page_mm == ((210.0, 140.0), (210.0, 140.0))
    assert [name for name, _ in report.attachments] == ["24312000000000000001.xml"]
    assert {font.name[7:] for font in report.fonts} >= {"LXGWWenKai-Regular", "LiberationMono"}
    assert all(font.is_embedded and font.can_extract for font in report.fonts)
    assert (report.signatures, report.forbidden, report.problems) == (0, (), ())


def test_a_foreign_file_is_described_with_all_its_faults():
    report = describe(_foreign())
    assert (report.pdf_a, report.is_tagged, report.attachments) == ("", False, ())
    assert [(font.name, font.is_embedded) for font in report.fonts] == [("Helvetica", False)]
    assert any("/OpenAction" in line for line in report.forbidden)
    assert any("URI" in line for line in report.forbidden)


def test_mending_takes_out_what_is_forbidden_and_leaves_the_pages():
    mended = repair(_foreign())
    left = forbidden_in(mended.data)
    assert left
    assert all("not embedded" in line for line in left)
    assert any("/OpenAction" in change for change in mended.changes)
    with pypdfium2.PdfDocument(mended.data) as pdf:
        assert "Invoice 24312000000000000001" in pdf[0].get_textpage().get_text_range()
    assert repair(_foreign()).data == mended.data


def test_a_file_whose_table_is_gone_is_rebuilt_with_all_its_text(ours):
    broken = ours[: ours.rindex(b"startxref")] + b"startxref\n99999999\n%%EOF\n"
    assert any("xref not found" in problem for problem in describe(broken).problems)
    assert describe(broken) == describe(broken)
    mended = repair(broken)
    assert any(change.startswith("structure rebuilt") for change in mended.changes)
    assert describe(mended.data).problems == ()
    with pypdfium2.PdfDocument(mended.data) as pdf:
        text = pdf[0].get_textpage().get_text_range()
    assert all(value in text for _, _, _, _, value, _, _ in value_texts())


def test_a_sound_file_needs_no_change(ours):
    assert repair(ours).changes == ()


def test_a_signed_file_is_not_touched(samples, writer):
    data = writer.write(samples.document(), 0, info(), [], 900).data
    assert describe(data).signatures == 1
    with pytest.raises(InputError, match="signed") as caught:
        repair(data)
    assert caught.value.faults[0].rule == "pdf.signed"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_what_is_no_pdf_is_refused(data):
    for function in (describe, repair):
        with pytest.raises(MalformedInput):
            function(data)


def test_a_file_with_a_password_is_refused(ours):
    with pikepdf.open(io.BytesIO(ours)) as pdf:
        target = io.BytesIO()
        pdf.save(target, encryption=pikepdf.Encryption(owner="o", user="u", R=6))
    with pytest.raises(MalformedInput, match="password"):
        describe(target.getvalue())
