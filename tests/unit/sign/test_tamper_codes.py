"""Every kind of tampering has a name of its own, which never changes: programs act on it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pikepdf
import pytest
from signing_samples import (
    NOW,
    SECRET,
    contents_span,
    empty_pdf,
    incremental_update,
    issue_certificate,
    make_signer,
    signed_pdf,
    signed_with,
)

from render.sign import findings
from render.sign.cms import assemble, signed_attributes
from render.sign.findings import Code
from render.sign.pdf import embed, prepare, reserve_bytes, sign_pdf
from render.sign.sm2 import PrivateKey
from render.sign.verify import Status, verify_pdf

SIGNER, STRANGER = make_signer(), make_signer(SECRET[::-1], "STRANGER")
TRUSTED = [SIGNER.certificate_der]
CATALOG = b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[5 0 R]>>/Names<</EmbeddedFiles 9 0 R>>"
START, END = contents_span(signed_pdf())


def codes(pdf: bytes) -> tuple[Code, ...]:
    found = verify_pdf(pdf, TRUSTED)
    assert found.status is not Status.VALID
    assert len(found.findings) == len(found.problems)
    return found.codes


def test_every_code_is_documented_and_spelt_like_its_name():
    for code in Code:
        assert code.value == code.name.lower()
    source = Path(findings.__file__).read_text(encoding="utf-8")
    for code in Code:
        assert re.search(rf'{code.name} = "{code.value}"\n    """[^"]+"""', source), code


# The signed bytes


def test_changed_text_is_a_digest_mismatch():
    assert codes(signed_pdf().replace(b"(100.00)", b"(900.00)")) == (Code.DIGEST_MISMATCH,)


def test_an_attachment_changed_in_place_is_named_beside_the_digest():
    data = bytearray(signed_pdf())
    data[data.index(b"x\x9c") + 6] ^= 1
    assert codes(bytes(data)) == (Code.DIGEST_MISMATCH, Code.ATTACHMENT_CHECKSUM)


def test_a_cut_file_is_truncated():
    assert codes(signed_pdf()[:-1]) == (Code.TRUNCATED,)


@pytest.mark.parametrize("added", [b"\n", b"%%EOF\n", b"x" * 100])
def test_bytes_at_the_end_are_appended(added):
    assert codes(signed_pdf() + added)[0] is Code.APPENDED


# Updates after signing


@pytest.mark.parametrize(
    ("number", "body", "code"),
    [
        (4, b"<</Length 30>>stream\nBT /F 9 Tf (999.00) Tj ET     \nendstream", Code.PAGE_CHANGED_LATER),
        (3, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<<>>/Contents 4 0 R/Annots[5 0 R]>>",
         Code.PAGE_CHANGED_LATER),
        (2, b"<</Type/Pages/Kids[3 0 R]/Count 1/Rotate 90>>", Code.PAGE_CHANGED_LATER),
        (7, b"<</Type/EmbeddedFile/Length 12>>stream\n<EInvoice2/>\nendstream", Code.ATTACHMENT_CHANGED_LATER),
        (8, b"<</Type/Filespec/F(b.xml)/UF(b.xml)/EF<</F 7 0 R>>>>", Code.ATTACHMENT_CHANGED_LATER),
        (9, b"<</Names[(b.xml)8 0 R]>>", Code.ATTACHMENT_CHANGED_LATER),
        (1, b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[5 0 R]>>>>", Code.ATTACHMENT_CHANGED_LATER),
        (5, b"<</Type/Annot/Subtype/Widget/FT/Sig/T(Signature1)/Rect[0 0 9 9]/F 132/P 3 0 R/V 6 0 R>>",
         Code.FORM_CHANGED_LATER),
        (1, CATALOG + b"/OpenAction 4 0 R>>", Code.OBJECT_CHANGED_LATER),
        (1, CATALOG + b"/Metadata 4 0 R>>", Code.DESCRIPTION_CHANGED_LATER),
    ],
)  # fmt: skip
def test_an_update_is_named_for_what_it_changes(number, body, code):
    """The page content of a signed file is exchanged behind its back: the shadow attack, and its kin."""
    updated = incremental_update(signed_pdf(), (number, body))
    found = verify_pdf(updated, TRUSTED)
    assert found.status is Status.CHANGED
    assert found.codes[:2] == (Code.APPENDED, code)
    assert [finding.code for finding in found.signatures[0].later] == [code]


def test_content_that_was_hidden_when_it_was_signed_and_shown_by_an_update_is_named():
    """The other shadow attack: what will be shown lies in the signed file already, and nothing refers to it yet."""
    hidden = incremental_update(
        empty_pdf(10)[0], (20, b"<</Length 30>>stream\nBT /F 9 Tf (999.00) Tj ET     \nendstream")
    )
    from render.sign.countersign import countersign_pdf

    signed = countersign_pdf(hidden, SIGNER, NOW)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>/Contents 20 0 R/Annots[5 0 R 21 0 R]>>"
    assert Code.PAGE_CHANGED_LATER in codes(incremental_update(signed, (3, page)))


def test_an_attachment_swapped_by_a_program_that_saves_the_file_anew_moves_the_signature():
    with pikepdf.open(io.BytesIO(signed_pdf())) as pdf:
        pdf.attachments["a.xml"] = pikepdf.AttachedFileSpec(pdf, b"<EInvoice>forged and longer</EInvoice>")
        saved = io.BytesIO()
        pdf.save(saved)
    assert codes(saved.getvalue())[0] is Code.CONTENTS_ELSEWHERE


def test_a_signature_removed_by_an_update_leaves_traces():
    removed = incremental_update(signed_pdf(), (1, b"<</Type/Catalog/Pages 2 0 R>>"))
    assert codes(removed) == (Code.UNSIGNED, Code.SIGNATURE_REMOVED)


# The signature replaced


def test_the_signature_of_another_document_is_a_digest_mismatch():
    other = sign_other(SIGNER)
    assert codes(signed_pdf()[:START] + other + signed_pdf()[END:]) == (Code.DIGEST_MISMATCH,)


def test_a_strangers_signature_of_another_document_is_one_as_well():
    assert codes(signed_pdf()[:START] + fit(sign_other(STRANGER)) + signed_pdf()[END:]) == (Code.DIGEST_MISMATCH,)


def test_a_strangers_signature_of_the_same_document_is_that_of_a_stranger():
    pdf, span = empty_pdf(reserve_bytes(STRANGER))
    assert codes(sign_pdf(pdf, span, STRANGER, NOW)) == (Code.SIGNER_UNTRUSTED,)


def test_a_strangers_signature_value_under_the_signers_certificate_is_a_mismatch():
    assert codes(with_attributes(STRANGER.sign_raw)) == (Code.SIGNATURE_MISMATCH,)


def test_a_strangers_certificate_around_the_signers_value_is_a_mismatch():
    pdf, span = empty_pdf(1000)
    attributes = signed_attributes(prepare(pdf, span).digest, SIGNER.certificate_der, NOW)
    forged = assemble(STRANGER.certificate_der, attributes, SIGNER.sign_raw(attributes))
    assert codes(embed(prepare(pdf, span), forged)) == (Code.SIGNATURE_MISMATCH, Code.CERTIFICATE_EXCHANGED)


def test_what_fills_the_room_behind_the_signature_is_named():
    pdf, span = empty_pdf(1000)
    padded = sign_pdf(pdf, span, SIGNER, NOW)
    assert codes(padded[: span[1] - 3] + b"01" + padded[span[1] - 1 :]) == (Code.PADDING_CHANGED,)


@pytest.mark.parametrize(("certificate", "code"), [
    (lambda key: issue_certificate("T", key, usage=b"\x03\x08"), Code.KEY_USAGE),
    (lambda key: issue_certificate("T", key, issuer_key=PrivateKey(SECRET[::-1])), Code.CERTIFICATE_FORGED),
])  # fmt: skip
def test_certificates_that_are_not_in_order_are_named(certificate, code):
    assert codes(signed_with(certificate(PrivateKey(SECRET)))) == (code,)


def test_a_structure_that_cannot_be_read_is_malformed():
    pdf, span = empty_pdf(1000)
    assert codes(embed(prepare(pdf, span), b"\x30\x03\x02\x01\x01")) == (Code.STRUCTURE_MALFORMED,)
    assert codes(signed_pdf().replace(b"adbe.pkcs7.detached", b"adbe.pkcs7.sha1    ")) == (Code.FORMAT_UNKNOWN,)


# ByteRange


def ranged(*numbers: int, pdf: bytes = b"") -> bytes:
    """Return the file with other numbers in /ByteRange, of the same length."""
    data = pdf or signed_pdf()
    found = re.search(rb"/ByteRange\[([^\]]*)\]", data)
    assert found
    spelt = b" ".join(b"%d" % number for number in numbers).ljust(len(found[1]))
    return data[: found.start(1)] + spelt + data[found.end(1) :]


REST = len(signed_pdf()) - END


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ((0, START - 50, END, REST), Code.BYTE_RANGE_GAP),
        ((0, START, END + 50, REST - 50), Code.BYTE_RANGE_GAP),
        ((0, START - 1, END + 1, REST - 1), Code.BYTE_RANGE_GAP),
        ((0, START + 2, END, REST), Code.BYTE_RANGE_GAP),
        ((0, START, END - 2, REST + 2), Code.BYTE_RANGE_GAP),
        ((0, END, START, len(signed_pdf()) - START), Code.BYTE_RANGE_OVERLAP),
        ((0, START, START, len(signed_pdf()) - START), Code.BYTE_RANGE_OVERLAP),
        ((0, 0, END, REST), Code.BYTE_RANGE_OVERLAP),
        ((1, START - 1, END, REST), Code.BYTE_RANGE_START),
        ((9, START, END, REST), Code.BYTE_RANGE_START),
        ((0, START, END, -1), Code.BYTE_RANGE_MALFORMED),
        ((0, START, END), Code.BYTE_RANGE_MALFORMED),
        ((0, START, END, REST, END, 0), Code.BYTE_RANGE_MALFORMED),
        ((0, START, 9 * END, REST), Code.BYTE_RANGE_MALFORMED),
        ((0, START, END, REST + 1), Code.TRUNCATED),
        ((0, START, END, REST - 1), Code.DIGEST_MISMATCH),
    ],
)
def test_games_with_the_byte_range_are_named(numbers, code):
    assert codes(ranged(*numbers))[0] is code


def test_a_gap_around_another_copy_of_the_signature_is_named():
    """The attacker keeps the old signature where ByteRange points, and puts the real /Contents elsewhere."""
    text = signed_pdf()[START:END]
    copied = signed_pdf().replace(b"/Contents" + text, b"/Contentz" + text)
    moved = incremental_update(copied, (6, b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/adbe.pkcs7.detached/ByteRange"
                                           b"[0 %d %d %d]/Contents<3000>>>" % (START, END, REST)))  # fmt: skip
    assert codes(moved)[0] is Code.CONTENTS_ELSEWHERE


def test_a_gap_that_moved_away_from_the_signature_is_named():
    at = signed_pdf().index(b"/CheckSum<") + len(b"/CheckSum")
    end = signed_pdf().index(b">", at) + 1
    assert codes(ranged(0, at, end, len(signed_pdf()) - end))[0] is Code.CONTENTS_ELSEWHERE
    assert codes(ranged(0, 10, 20, len(signed_pdf()) - 20))[0] is Code.CONTENTS_ELSEWHERE


def sign_other(signer) -> bytes:
    """Return the filled place of a signature of another document."""
    pdf, span = empty_pdf(reserve_bytes(signer), text="555.55")
    return sign_pdf(pdf, span, signer, NOW)[slice(*span)]


def fit(place: bytes) -> bytes:
    """Return a filled place with as much padding as the file's own has."""
    digits = place[1:-1].rstrip(b"0")
    return b"<" + digits.ljust(END - START - 2, b"0") + b">"


def with_attributes(sign_raw) -> bytes:
    pdf, span = empty_pdf(1000)
    attributes = signed_attributes(prepare(pdf, span).digest, SIGNER.certificate_der, NOW)
    return embed(prepare(pdf, span), assemble(SIGNER.certificate_der, attributes, sign_raw(attributes)))
