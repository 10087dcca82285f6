"""Documents of the PDF writer, signed: what verification says after each kind of tampering."""

from __future__ import annotations

import io

import pdf_samples
import pikepdf
import pytest
from signing_samples import NOW, contents_span, incremental_update, make_signer

from render.errors import SignatureTooLarge
from render.pdf.writer import PdfWriter
from render.sign.findings import Code
from render.sign.pdf import reserve_bytes, sign_pdf
from render.sign.verify import Status, verify_pdf

pytestmark = pytest.mark.fonts
TRUSTED = [make_signer().certificate_der]


@pytest.fixture(scope="module")
def written(fonts):
    """Return the writer and a document of one page."""
    samples = pdf_samples.Samples(fonts)
    return PdfWriter(samples.resources), samples.document()


@pytest.fixture(scope="module")
def signed(written):
    writer, display = written
    signer = make_signer()
    file = writer.write(display, 0, pdf_samples.info(), [pdf_samples.attachment()], reserve_bytes(signer))
    return sign_pdf(file.data, file.signature_span, signer, NOW)


def test_a_written_and_signed_document_is_valid(signed):
    found = verify_pdf(signed, TRUSTED)
    assert (found.status, found.problems) == (Status.VALID, ())
    assert found.covers_whole_file


def test_too_little_room_is_an_error_before_anything_is_written(written):
    writer, display = written
    signer = make_signer()
    file = writer.write(display, 0, pdf_samples.info(), [], 100)
    with pytest.raises(SignatureTooLarge):
        sign_pdf(file.data, file.signature_span, signer, NOW)


@pytest.mark.parametrize(
    "place",
    [b"%PDF-", b"/Sig/", b"/SubFilter", b"/ByteRange", b"/Contents<", b"/EmbeddedFile", b"/CheckSum", b"/Metadata",
     b"/ObjStm", b"/XRef", b"/Filter", b"stream\n", b"endstream", b"endobj", b"startxref", b"%%EOF"],
)  # fmt: skip
def test_one_flipped_byte_at_every_structural_place_fails(signed, place):
    for at in (signed.index(place), signed.index(place) + len(place), signed.rindex(place)):
        changed = bytearray(signed)
        changed[min(at, len(signed) - 1)] ^= 0x01
        found = verify_pdf(bytes(changed), TRUSTED)
        assert not found.is_intact
        assert found.problems


def test_one_flipped_byte_anywhere_in_the_body_fails(signed):
    start, end = contents_span(signed)
    for at in (*range(0, start, 211), *range(start, end, 13), *range(end, len(signed), 211), len(signed) - 1):
        changed = bytearray(signed)
        changed[at] ^= 0x10
        assert not verify_pdf(bytes(changed), TRUSTED).is_intact


def embedded_file(pdf: bytes) -> tuple[int, int]:
    """Return offset and length of the attached XML as it lies in the file."""
    start = pdf.index(b"stream\n", pdf.index(b"/EmbeddedFile/")) + 7
    return start, pdf.index(b"\nendstream", start) - start


def test_an_attachment_that_changed_is_named(signed):
    start, size = embedded_file(signed)
    changed = bytearray(signed)
    changed[start + size // 2] ^= 0x01
    found = verify_pdf(bytes(changed), TRUSTED)
    assert found.status is Status.CHANGED
    assert found.problems[-1] == f"attachment {pdf_samples.NUMBER}.xml no longer matches its checksum."


def test_an_attachment_swapped_by_an_update_is_named(signed):
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        number = pdf.attachments[f"{pdf_samples.NUMBER}.xml"].obj.EF.F.objgen[0]
        root, size = pdf.Root.objgen[0], int(pdf.trailer.Size)
    other = b"<</Type/EmbeddedFile/Length 11>>stream\n<EInvoice/>\nendstream"
    updated = incremental_update(signed, (number, other), root=root, size=size)
    found = verify_pdf(updated, TRUSTED)
    assert found.status is Status.CHANGED
    assert found.codes == (Code.APPENDED, Code.ATTACHMENT_CHANGED_LATER)


@pytest.mark.parametrize("kind", ["/Page", "/Metadata", "/Filespec"])
def test_an_update_of_a_packed_object_is_named_for_what_it_changes(signed, kind):
    """Our objects lie in object streams; whatever replaces one is compared with what it was."""
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        found = next(item for item in pdf.objects if getattr(item, "Type", None) == kind)
        (number, _), root = found.objgen, pdf.Root.objgen[0]
        body = b"<</Type%s/Changed true/Length 0>>stream\n\nendstream" % kind.encode()
        if not isinstance(found, pikepdf.Stream):
            found.Changed = True
            body = found.unparse(resolved=True)
    expected = {
        "/Page": Code.PAGE_CHANGED_LATER,
        "/Metadata": Code.DESCRIPTION_CHANGED_LATER,
        "/Filespec": Code.ATTACHMENT_CHANGED_LATER,
    }
    verdict = verify_pdf(incremental_update(signed, (number, body), root=root), TRUSTED)
    assert [finding.code for finding in verdict.signatures[0].later] == [expected[kind]]


def test_an_attachment_swapped_by_a_program_is_named(signed):
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        pdf.attachments[f"{pdf_samples.NUMBER}.xml"] = pikepdf.AttachedFileSpec(pdf, b"<EInvoice>forged</EInvoice>")
        saved = io.BytesIO()
        pdf.save(saved)
    assert verify_pdf(saved.getvalue(), TRUSTED).codes == (Code.CONTENTS_ELSEWHERE,)


def test_a_file_saved_anew_by_a_program_is_named(signed):
    with pikepdf.open(io.BytesIO(signed)) as pdf:
        pdf.docinfo["/Title"] = "other"
        saved = io.BytesIO()
        pdf.save(saved)
    found = verify_pdf(saved.getvalue(), TRUSTED)
    assert not found.is_intact
    assert found.problems


def test_a_signature_of_another_invoice_is_named(written, signed):
    writer, display = written
    signer = make_signer()
    file = writer.write(display, 0, pdf_samples.info(title="other"), [pdf_samples.attachment()], reserve_bytes(signer))
    other = sign_pdf(file.data, file.signature_span, signer, NOW)
    theirs, ours = contents_span(other), contents_span(signed)
    moved = signed[: ours[0]] + other[slice(*theirs)] + signed[ours[1] :]
    found = verify_pdf(moved, TRUSTED)
    assert found.status is Status.CHANGED
    assert found.codes == (Code.DIGEST_MISMATCH,)
