"""Counter-signatures keep every byte, and verification tells them from any other later change."""

from __future__ import annotations

import io

import pikepdf
import pytest
from signing_samples import NOW, SECRET, empty_pdf, incremental_update, make_signer, signed_pdf

from render.errors import InputError, KaipiaoError, MalformedInput, OutputInvalid
from render.sign.countersign import append_signature_field, countersign_pdf
from render.sign.findings import Code
from render.sign.pdf import reserve_bytes
from render.sign.verify import Status, verify_pdf

FIRST, SECOND, THIRD = make_signer(), make_signer(SECRET[::-1], "SECOND"), make_signer(b"\x07" * 32, "THIRD")
TRUSTED = [signer.certificate_der for signer in (FIRST, SECOND, THIRD)]


def packed(pdf: bytes) -> bytes:
    """Return a file with object streams and a cross-reference stream that says the same."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        saved = io.BytesIO()
        document.save(saved, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return saved.getvalue()


def unsigned() -> bytes:
    with pikepdf.open(io.BytesIO(empty_pdf(10)[0])) as document:
        del document.Root["/AcroForm"], document.pages[0]["/Annots"]
        saved = io.BytesIO()
        document.save(saved)
    return saved.getvalue()


@pytest.fixture(params=["table", "stream"])
def first(request):
    """Return a file with one signature, its cross-references in either form."""
    pdf = unsigned() if request.param == "table" else packed(unsigned())
    return countersign_pdf(pdf, FIRST, NOW)


def test_every_byte_that_was_there_stays_and_both_signatures_are_valid(first):
    twice = countersign_pdf(first, SECOND, NOW)
    assert twice.startswith(first)
    found = verify_pdf(twice, TRUSTED)
    assert (found.status, found.findings) == (Status.VALID, ())
    assert (found.signer, found.covers_whole_file) == ("CN=SECOND", True)
    assert [(each.field, each.signer) for each in found.signatures] == [
        ("Signature1", "CN=KAIPIAO TEST ONLY"),
        ("Signature2", "CN=SECOND"),
    ]
    assert [each.is_countersigned for each in found.signatures] == [True, False]
    assert found.signatures[0].signed_bytes == len(first)


def test_a_third_signature_is_no_different(first):
    thrice = countersign_pdf(countersign_pdf(first, SECOND, NOW), THIRD, NOW)
    found = verify_pdf(thrice, TRUSTED)
    assert (found.status, found.findings) == (Status.VALID, ())
    assert [each.is_countersigned for each in found.signatures] == [True, True, False]


def test_one_stranger_among_the_signers_is_enough_to_say_so(first):
    found = verify_pdf(countersign_pdf(first, SECOND, NOW), TRUSTED[:1])
    assert found.status is Status.VALID_UNTRUSTED
    assert found.codes == (Code.SIGNER_UNTRUSTED,)
    assert [each.status for each in found.signatures] == [Status.VALID, Status.VALID_UNTRUSTED]


def test_the_same_file_gives_the_same_update_and_the_identifier_tells_versions_apart(first):
    updates = [append_signature_field(first, 900) for _ in range(2)]
    assert updates[0] == updates[1]
    with pikepdf.open(io.BytesIO(first)) as before, pikepdf.open(io.BytesIO(updates[0].data)) as after:
        assert after.trailer.ID[0] == before.trailer.ID[0]
        assert after.trailer.ID[1] != before.trailer.ID[1]


def test_the_tables_of_an_update_are_of_the_kind_that_the_file_has(first):
    update = append_signature_field(first, 900).data[len(first) :]
    assert (b"/Type/XRef" in update, b"\ntrailer\n" in update) in ((True, False), (False, True))
    at = int(first[first.rindex(b"startxref") + 9 :].split()[0])
    assert (b"\ntrailer\n" in update) == first[at:].startswith(b"xref")


@pytest.mark.parametrize(
    ("number", "catalog"),
    [
        (20, b"<</Type/Catalog/Pages 2 0 R/AcroForm 20 0 R/Names<</EmbeddedFiles 9 0 R>>>>"),
        (21, b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields 21 0 R>>/Names<</EmbeddedFiles 9 0 R>>>>"),
        (21, b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields 21 0 R>>/Names<</EmbeddedFiles 9 0 R>>>>"),
    ],
)
def test_forms_and_fields_of_their_own_are_extended_where_they_are(number, catalog):
    parts = {20: b"<</SigFlags 3/Fields[5 0 R]>>", 21: b"[5 0 R]"}
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>/Contents 4 0 R/Annots 22 0 R>>"
    field = b"<</Type/Annot/Subtype/Widget/FT/Sig/T(Signature1)/Rect[0 0 0 0]/F 132/P 3 0 R>>"
    pdf = incremental_update(
        empty_pdf(10)[0], (1, catalog), (3, page), (5, field), (number, parts[number]), (22, b"[5 0 R]")
    )
    twice = countersign_pdf(countersign_pdf(pdf, FIRST, NOW), SECOND, NOW)
    found = verify_pdf(twice, TRUSTED)
    assert (found.status, found.findings) == (Status.VALID, ())
    assert [each.field for each in found.signatures] == ["Signature2", "Signature3"]
    with pikepdf.open(io.BytesIO(twice)) as document:
        assert len(document.pages[0].Annots) == len(document.Root.AcroForm.Fields) == 3
        assert document.Root.AcroForm.SigFlags == 3


def test_an_empty_field_that_gets_its_signature_is_no_change():
    """As programs do that prepare fields for several signers."""
    prepared = append_signature_field(unsigned(), 10).data
    with pikepdf.open(io.BytesIO(prepared)) as document:
        del document.Root.AcroForm.Fields[0]["/V"]
        saved = io.BytesIO()
        document.save(saved)
    first = countersign_pdf(saved.getvalue(), FIRST, NOW)
    with pikepdf.open(io.BytesIO(first)) as document:
        field = document.Root.AcroForm.Fields[0]
        number, size, root = field.objgen[0], int(document.trailer.Size), document.Root.objgen[0]
        spelt = field.unparse(resolved=True)
    filled = incremental_update(
        first, (number, spelt[:-2] + b"/V %d 0 R>>" % size), (size, b"<</Type/Sig>>"), root=root
    )
    assert verify_pdf(filled).signatures[1].later == ()


def test_what_another_signer_changed_before_signing_is_named_for_the_first_one():
    page = b"<</Length 30>>stream\nBT /F 9 Tf (999.00) Tj ET     \nendstream"
    forged = countersign_pdf(incremental_update(signed_pdf(), (4, page)), SECOND, NOW)
    found = verify_pdf(forged, TRUSTED)
    assert found.status is Status.CHANGED
    assert found.codes == (Code.PAGE_CHANGED_LATER,)
    assert found.covers_whole_file
    assert found.problems[0].startswith("Signature1: what pages show")


@pytest.mark.parametrize(
    "widget",
    [
        b"/Rect[0 0 200 100]/AP<</N 4 0 R>>",
        b"/Rect[0 0 200 100]",
        b"/Rect[0 0 0 0]/AA<<>>",
        b"/Rect[0 0 0 0]/A<</S/JavaScript/JS(x)>>",
        b"/Rect[0 0]",
        b"/Rect[0 0 0 0]/Kids[5 0 R]",
    ],
)
def test_a_later_signature_that_shows_or_does_something_is_a_change(widget):
    body = b"<</Type/Annot/Subtype/Widget/FT/Sig/T(S)/F 132/V 11 0 R%s>>" % widget
    catalog = (
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[5 0 R 10 0 R]>>/Names<</EmbeddedFiles 9 0 R>>>>"
    )
    updated = incremental_update(signed_pdf(), (1, catalog), (10, body), (11, b"<</Type/Sig>>"))
    first = verify_pdf(updated).signatures[0]
    assert [finding.code for finding in first.later] == [Code.FORM_CHANGED_LATER]


def test_an_object_that_was_missing_when_it_was_signed_cannot_be_supplied_later():
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>/Contents[4 0 R 30 0 R]/Annots 22 0 R>>"
    first = countersign_pdf(incremental_update(empty_pdf(10)[0], (3, page), (22, b"[5 0 R]")), FIRST, NOW)
    assert verify_pdf(countersign_pdf(first, SECOND, NOW)).signatures[1].later == ()
    overlay = b"<</Length 20>>stream\nBT (999.00) Tj ET   \nendstream"
    forged = countersign_pdf(incremental_update(first, (30, overlay)), SECOND, NOW)
    found = verify_pdf(forged, TRUSTED)
    assert not found.is_intact
    assert found.signatures[1].later


def test_a_damaged_encrypted_or_foreign_file_is_refused():
    damaged = signed_pdf().replace(b"startxref\n", b"startxref\n9")
    locked = io.BytesIO()
    document = pikepdf.new()
    document.add_blank_page()
    document.save(locked, encryption=pikepdf.Encryption(owner="a", user="b"))
    for pdf in (damaged, locked.getvalue(), b"", b"%PDF-1.7\n"):
        with pytest.raises(MalformedInput):
            countersign_pdf(pdf, FIRST, NOW)


def test_a_document_whose_signer_forbade_changes_is_left_alone():
    catalog = (
        b"<</Type/Catalog/Pages 2 0 R/Perms<</DocMDP<</Reference[<</TransformParams<</P 1>>>>]>>>>"
        b"/AcroForm<</SigFlags 3/Fields[5 0 R]>>>>"
    )
    pdf = incremental_update(signed_pdf(), (1, catalog))
    with pytest.raises(InputError, match="certified that nothing may be added"):
        countersign_pdf(pdf, SECOND, NOW)


def test_the_number_of_signatures_and_their_size_are_bounded():
    pdf = signed_pdf()
    many = incremental_update(pdf, (5, b"<</Kids[" + b"<</FT/Sig/V 6 0 R>>" * 32 + b"]>>"))
    with pytest.raises(InputError, match="32 signatures"):
        append_signature_field(many, 100)
    for reserve in (0, -1, 32_768):
        with pytest.raises(OutputInvalid):
            append_signature_field(pdf, reserve)


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (1, b"<</Type/Catalog/Pages 2 0 R/AcroForm[]>>"),
        (1, b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields(x)>>>>"),
        (1, b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[5 0 R]/SigFlags/X>>>>"),
        (1, b"<</Type/Catalog/Pages 2 0 R/Perms 7>>"),
        (2, b"<</Type/Pages/Kids[]/Count 0>>"),
        (3, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Annots(x)>>"),
        (5, b"[[[1]]]"),
    ],
)
def test_hostile_forms_and_pages_give_an_error_of_ours_or_a_sound_file(number, body):
    pdf = incremental_update(signed_pdf(), (number, body))
    try:
        signed = countersign_pdf(pdf, SECOND, NOW)
    except KaipiaoError:
        return
    assert signed.startswith(pdf)
    assert verify_pdf(signed).signatures[-1].covers_whole_file


def test_the_room_is_what_the_signer_needs():
    extended = append_signature_field(signed_pdf(), reserve_bytes(SECOND))
    start, end = extended.contents_span
    assert extended.field == "Signature2"
    assert extended.data[start:end] == b"<" + b"00" * reserve_bytes(SECOND) + b">"
