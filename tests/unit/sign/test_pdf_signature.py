"""Signing a PDF and verifying it: what is valid, and how everything else is named."""

from __future__ import annotations

import io
import resource
import zlib
from datetime import UTC, datetime, timedelta

import pikepdf
import pytest
from signing_samples import (
    KEY_AGREEMENT,
    NOW,
    SECRET,
    SIGN_CERTIFICATES,
    contents_span,
    empty_pdf,
    incremental_update,
    issue_certificate,
    make_signer,
    signed_pdf,
    signed_with,
    with_second_signature,
)

from render.errors import ConfigError, OutputInvalid, SignatureTooLarge, SigningError
from render.sign.cms import ContentTypes, assemble, signed_attributes
from render.sign.curve import encode_signature
from render.sign.pdf import embed, prepare, reserve_bytes, sign, sign_pdf
from render.sign.sm2 import PrivateKey
from render.sign.sm3 import sm3
from render.sign.verify import Status, verify_pdf

TRUSTED = [make_signer().certificate_der]


def status(pdf: bytes, trusted=()) -> Status:
    return verify_pdf(pdf, trusted).status


@pytest.mark.parametrize("content_types", list(ContentTypes))
def test_a_signed_file_is_valid_and_says_who_signed(content_types):
    found = verify_pdf(signed_pdf(content_types), TRUSTED)
    assert found.status is Status.VALID
    assert found.is_intact
    assert found.covers_whole_file
    assert found.problems == ()
    assert (found.signer, found.serial, found.signing_time) == ("CN=KAIPIAO TEST ONLY", "5eed", NOW)
    assert found.signatures[0].field == "Signature1"


def test_without_trust_a_signed_file_is_intact_but_untrusted():
    found = verify_pdf(signed_pdf())
    assert found.status is Status.VALID_UNTRUSTED
    assert found.is_intact


def test_signing_changes_nothing_but_the_zeros_of_the_placeholder():
    signer = make_signer()
    pdf, (start, end) = empty_pdf(reserve_bytes(signer))
    signed = sign_pdf(pdf, (start, end), signer, NOW)
    assert len(signed) == len(pdf)
    assert (signed[: start + 1], signed[end - 1 :]) == (pdf[: start + 1], pdf[end - 1 :])
    assert set(signed[start + 1 : end - 1]) <= set(b"0123456789abcdef")


def test_the_dry_run_reserves_enough_without_touching_the_key():
    class SilentSigner:
        certificate_der, serial = TRUSTED[0], "5eed"

        def sign_raw(self, message: bytes) -> bytes:
            raise AssertionError("the key was used")

    reserved = reserve_bytes(SilentSigner())
    largest = signed_attributes(bytes(32), TRUSTED[0], datetime(2051, 1, 1, tzinfo=UTC))
    assert reserved == len(assemble(TRUSTED[0], largest, encode_signature(2**255, 2**255)))


def test_the_prepared_file_holds_the_digest_of_all_but_the_signature():
    pdf, (start, end) = empty_pdf(700)
    prepared = prepare(pdf, (start, end))
    assert prepared.digest == sm3(pdf[:start] + pdf[end:])
    assert prepared.byte_ranges == ((0, start), (end, len(pdf) - end))
    assert prepared.capacity == 700


def test_a_signature_that_exceeds_its_place_is_refused_before_anything_is_written():
    signer = make_signer()
    pdf, span = empty_pdf(reserve_bytes(signer) - 10)
    prepared = prepare(pdf, span)
    with pytest.raises(SignatureTooLarge, match="were reserved"):
        embed(prepared, sign(prepared, signer, NOW))


def test_a_signature_that_fits_exactly_is_embedded():
    pdf, span = empty_pdf(5)
    assert embed(prepare(pdf, span), b"\xab" * 5)[slice(*span)] == b"<ababababab>"


def test_a_place_that_is_none_is_refused():
    pdf, (start, end) = empty_pdf(700)
    for span in ((start + 1, end), (start, end - 1), (start - 1, end), (0, 10), (end, start), (start, len(pdf) + 5),
                 (-5, -2), (start, start + 2)):  # fmt: skip
        with pytest.raises(OutputInvalid):
            prepare(pdf, span)


def test_a_place_that_is_already_filled_is_refused():
    with pytest.raises(OutputInvalid, match="no string of zeros"):
        prepare(signed_pdf(), contents_span(signed_pdf()))


@pytest.mark.parametrize("written", [b"/ByteRange[1 ", b"/ByteRangf[0 ", b"/ByteRange[- ", b"/ByteRange[00"])
def test_a_file_that_states_another_byte_range_is_refused(written):
    pdf, span = empty_pdf(700)
    changed = pdf.replace(b"/ByteRange[0 ", written)
    assert len(changed) == len(pdf)
    with pytest.raises(OutputInvalid, match="ByteRange"):
        prepare(changed, span)


def test_a_file_that_grew_after_its_byte_range_was_written_is_refused():
    pdf, span = empty_pdf(700)
    with pytest.raises(OutputInvalid, match="the true one is"):
        prepare(pdf + b"\n", span)


def test_a_signing_time_without_zone_is_refused():
    pdf, span = empty_pdf(1000)
    with pytest.raises(SigningError, match="time zone"):
        sign_pdf(pdf, span, make_signer(), NOW.replace(tzinfo=None))


# What happened is named for what it is


def test_changed_text_is_named():
    found = verify_pdf(signed_pdf().replace(b"(100.00)", b"(900.00)"), TRUSTED)
    assert found.status is Status.CHANGED
    assert "signed bytes changed after signing" in found.problems[0]
    assert found.signer == "CN=KAIPIAO TEST ONLY"


def test_a_changed_attachment_is_named():
    data = bytearray(signed_pdf())
    data[data.index(b"x\x9c") + 6] ^= 1
    found = verify_pdf(bytes(data))
    assert found.status is Status.CHANGED
    assert "attachment a.xml no longer matches its checksum." in found.problems


def test_a_file_that_was_cut_short_is_named():
    found = verify_pdf(signed_pdf()[:-1])
    assert found.status is Status.CHANGED
    assert "cut short" in found.problems[0]


@pytest.mark.parametrize("added", [b"\n", b" ", b"%", b"%%EOF\n"])
def test_bytes_behind_the_end_are_named(added):
    found = verify_pdf(signed_pdf() + added, TRUSTED)
    assert found.status is Status.CHANGED
    assert not found.covers_whole_file
    assert f"extended after signing: {len(added)} bytes" in found.problems[0]


def test_an_incremental_update_is_named():
    page = b"<</Length 30>>stream\nBT /F 9 Tf (999.00) Tj ET     \nendstream"
    found = verify_pdf(incremental_update(signed_pdf(), (4, page)), TRUSTED)
    assert found.status is Status.CHANGED
    assert "extended after signing" in found.problems[0]
    assert found.signatures[0].status is Status.VALID


def test_a_signature_removed_by_an_update_is_named():
    catalog = b"<</Type/Catalog/Pages 2 0 R>>"
    found = verify_pdf(incremental_update(signed_pdf(), (1, catalog)))
    assert found.status is Status.UNSIGNED
    assert "traces of a signature" in found.problems[1]


def test_a_signature_of_another_document_is_named():
    signer = make_signer()
    pdf, span = empty_pdf(reserve_bytes(signer), text="555.55")
    other = sign_pdf(pdf, span, signer, NOW)
    start, end = contents_span(signed_pdf())
    found = verify_pdf(signed_pdf()[:start] + other[start:end] + signed_pdf()[end:], TRUSTED)
    assert found.status is Status.CHANGED
    assert "taken from another document" in found.problems[0]


def with_cms(cms: bytes) -> bytes:
    """Put any bytes into the place of the signature, as an attacker can."""
    pdf, span = empty_pdf(2000)
    return embed(prepare(pdf, span), cms)


def digest_of_sample() -> bytes:
    return prepare(*empty_pdf(2000)).digest


def test_a_signature_value_of_another_key_is_named():
    signer = make_signer()
    attributes = signed_attributes(digest_of_sample(), signer.certificate_der, NOW)
    forged = PrivateKey(SECRET[::-1]).sign(attributes)
    found = verify_pdf(with_cms(assemble(signer.certificate_der, attributes, forged)), TRUSTED)
    assert found.status is Status.INVALID
    assert found.problems == (
        "the signature value does not belong to the certificate and the signed attributes: it was changed or replaced.",
    )


def test_a_document_signed_anew_by_somebody_else_is_untrusted():
    stranger = make_signer(SECRET[::-1], "SOMEBODY ELSE")
    pdf, span = empty_pdf(1000)
    found = verify_pdf(sign_pdf(pdf, span, stranger, NOW), TRUSTED)
    assert found.status is Status.VALID_UNTRUSTED
    assert found.signer == "CN=SOMEBODY ELSE"


def test_an_exchanged_certificate_of_the_same_key_is_named():
    signer, renamed = make_signer(), make_signer(SECRET, "RENAMED")
    attributes = signed_attributes(digest_of_sample(), signer.certificate_der, NOW)
    cms = assemble(renamed.certificate_der, attributes, signer.sign_raw(attributes))
    found = verify_pdf(with_cms(cms), TRUSTED)
    assert found.status is Status.INVALID
    assert "not the one that the signer stated" in found.problems[0]


@pytest.mark.parametrize("days", [-2, 31])
def test_a_certificate_that_was_not_valid_at_the_signing_time_is_named(days):
    signer = make_signer()
    pdf, span = empty_pdf(1000)
    found = verify_pdf(sign_pdf(pdf, span, signer, NOW + timedelta(days=days)), TRUSTED)
    assert found.status is Status.INVALID
    assert "not valid at the signing time" in found.problems[0]


def test_a_key_that_is_not_meant_for_signatures_is_named():
    found = verify_pdf(signed_with(issue_certificate("TEST", PrivateKey(SECRET), usage=KEY_AGREEMENT)))
    assert found.status is Status.INVALID
    assert found.problems == ("the certificate's key is not meant for signatures.",)


def test_a_signer_is_trusted_through_the_authority_that_issued_its_certificate():
    own, authority = PrivateKey(SECRET), PrivateKey(SECRET[::-1])
    root = issue_certificate("AUTHORITY", authority, usage=SIGN_CERTIFICATES, is_authority=True)
    not_an_authority = issue_certificate("AUTHORITY", authority)
    impostor = issue_certificate("AUTHORITY", own, usage=SIGN_CERTIFICATES, is_authority=True)
    signed = signed_with(issue_certificate("SIGNER", own, issuer="AUTHORITY", issuer_key=authority))
    assert status(signed, [root]) is Status.VALID
    assert status(signed, [TRUSTED[0], root]) is Status.VALID
    assert status(signed) is Status.VALID_UNTRUSTED
    assert status(signed, [not_an_authority]) is Status.VALID_UNTRUSTED
    assert status(signed, [impostor]) is Status.VALID_UNTRUSTED


def test_a_certificate_whose_own_signature_is_wrong_is_named():
    forged = issue_certificate("TEST", PrivateKey(SECRET), issuer_key=PrivateKey(SECRET[::-1]))
    found = verify_pdf(signed_with(forged), TRUSTED)
    assert found.status is Status.INVALID
    assert "does not carry its own signature" in found.problems[0]


def test_a_trusted_certificate_that_cannot_be_read_is_a_configuration_error():
    with pytest.raises(ConfigError, match="trusted certificate"):
        verify_pdf(signed_pdf(), [b"nonsense"])


# Several signatures


def test_a_second_signature_covers_the_first():
    second = make_signer(SECRET[::-1], "SECOND")
    twice = with_second_signature(signed_pdf(), second)
    found = verify_pdf(twice, [*TRUSTED, second.certificate_der])
    assert found.status is Status.VALID
    assert found.signer == "CN=SECOND"
    assert [report.covers_whole_file for report in found.signatures] == [False, True]
    assert found.problems == ()
    assert status(twice, TRUSTED) is Status.VALID_UNTRUSTED


def test_of_two_signatures_the_broken_one_is_named():
    twice = bytearray(with_second_signature(signed_pdf(), make_signer(SECRET[::-1], "SECOND")))
    start, _ = contents_span(signed_pdf())
    twice[start + 200] ^= 1
    found = verify_pdf(bytes(twice))
    assert not found.is_intact
    assert any(problem.startswith("Signature1: ") for problem in found.problems)
    assert any(problem.startswith("Signature2: ") for problem in found.problems)


# Hostile files


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"/SubFilter/adbe.pkcs7.detached", b"/SubFilter/adbe.pkcs7.sha1    "),
        (b"/SubFilter/adbe.pkcs7.detached", b"/SubFilter/GM.sm2seal         "),
        (b"/SubFilter/adbe.pkcs7.detached", b"/SubFilter (adbe.x509)        "),
        (b"/ByteRange[0 ", b"/ByteRange[1 "),
        (b"/ByteRange[0 ", b"/ByteRange[-0"),
        (b"/ByteRange[0 ", b"/ByteRange[. "),
        (b"/ByteRange[0 ", b"/ByteRange([)"),
        (b"/ByteRange[0 ", b"/ByteRang[  ["),
        (b"/V 6 0 R", b"/V 5 0 R"),
        (b"/V 6 0 R", b"/V 99999"),
        (b"/Fields[5 0 R]", b"/Fields[1 0 R]"),
        (b"/Fields[5 0 R]", b"/Fields 5 0 R "),
        (b"/Root 1 0 R", b"/Root 6 0 R"),
        (b"/T(Signature1)", b"/Kids[5 0 R]  "),
        (b"/FT/Sig", b"/FT/Tx "),
    ],
)
def test_a_signature_dictionary_that_was_tampered_with_is_not_valid(before, after):
    changed = signed_pdf().replace(before, after)
    assert changed != signed_pdf()
    found = verify_pdf(changed, TRUSTED)
    assert not found.is_intact
    assert found.problems


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"\0" * 100, b"%PDF-1.7\n" + b"[" * 50_000, b"%PDF-1.7\n%%EOF"])
def test_what_is_no_pdf_is_unreadable(data):
    found = verify_pdf(data)
    assert found.status is Status.UNREADABLE
    assert found.problems
    assert "0x" not in found.problems[0]


def test_a_pdf_without_a_signature_is_unsigned():
    pdf = pikepdf.new()
    pdf.add_blank_page()
    plain = io.BytesIO()
    pdf.save(plain)
    found = verify_pdf(plain.getvalue())
    assert found.status is Status.UNSIGNED
    assert found.problems == ("the document is not signed.",)


def test_an_encrypted_pdf_is_unreadable():
    pdf = pikepdf.new()
    pdf.add_blank_page()
    locked = io.BytesIO()
    pdf.save(locked, encryption=pikepdf.Encryption(owner="a", user="b"))
    found = verify_pdf(locked.getvalue())
    assert found.status is Status.UNREADABLE
    assert "encrypted" in found.problems[0]


def test_a_form_that_runs_in_a_ring_or_never_ends_is_refused():
    ring = incremental_update(signed_pdf(), (5, b"<</T(a)/FT/Sig/V 6 0 R/Kids[5 0 R 5 0 R]>>"))
    assert not verify_pdf(ring, TRUSTED).is_intact
    endless = incremental_update(signed_pdf(), (5, b"<</Kids[" + b"<</T(x)>>" * 5000 + b"]>>"))
    assert verify_pdf(endless).status is Status.UNREADABLE
    many = incremental_update(signed_pdf(), (5, b"<</Kids[" + b"<</FT/Sig/V 6 0 R>>" * 40 + b"]>>"))
    assert verify_pdf(many).status is Status.UNREADABLE


def test_a_small_file_cannot_unpack_to_hundreds_of_megabytes():
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    bomb = b"<</Type/ObjStm/N 1/First 5/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(packed), packed)
    file = b"%%PDF-1.7\n1 0 obj\n%s\nendobj\n" % bomb
    entries = b"".join((b"\x00" * 7, b"\x01\x00\x00\x00\x09\x00\x00", b"\x02\x00\x00\x00\x01\x00\x00"))
    table = b"<</Type/XRef/W[1 4 2]/Size 3/Root 2 0 R/Length %d>>stream\n%s\nendstream" % (len(entries), entries)
    file += b"3 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table, len(file))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert verify_pdf(file).status is Status.UNREADABLE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_a_whitespace_or_foreign_character_in_the_hex_is_refused():
    start, end = contents_span(signed_pdf())
    digits = signed_pdf()[start + 1 : end - 1]
    for changed in (
        digits[:-1] + b" ",
        digits[:-2] + b"\n0",
        digits[:300].upper() + digits[300:],
        digits[:-1] + b"1",
        digits[:-1] + b"g",
        digits[:-1] + b">",
        b"<" + digits[1:],
    ):
        data = signed_pdf()[: start + 1] + changed + signed_pdf()[end - 1 :]
        assert status(data, TRUSTED) not in (Status.VALID, Status.VALID_UNTRUSTED)


def test_upper_case_hex_as_other_writers_have_it_is_accepted():
    start, end = contents_span(signed_pdf())
    data = signed_pdf()[:start] + signed_pdf()[start:end].upper() + signed_pdf()[end:]
    assert status(data, TRUSTED) is Status.VALID
