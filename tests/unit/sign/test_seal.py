"""Seal signatures of GB/T 38540 in PDF files: their structure, and that nothing in them changes unnoticed."""

from __future__ import annotations

import io
from datetime import timedelta

import pikepdf
import pytest
from asn1crypto import core, x509
from seal_samples import (
    MAKER,
    SIGNER,
    STRANGER,
    TRUSTED,
    Extension,
    SealSignatureStructure,
    SealStructure,
    picture,
    sample_seal,
    sealed_with,
)
from signing_samples import NOW, contents_span, empty_pdf, incremental_update, signed_pdf

from render.errors import ConfigError, InputError, KaipiaoError, KeyRejected, MalformedInput, SigningError
from render.sign import der
from render.sign.countersign import append_signature_field, countersign_pdf
from render.sign.findings import Code
from render.sign.options import SignatureOptions
from render.sign.pdf import embed, prepare, reserve_bytes, sign_pdf
from render.sign.sample_seal import SAMPLE_NAME, make_sample_seal
from render.sign.seal import sign_with_seal
from render.sign.seal_reader import read_seal, read_seal_signature
from render.sign.sm2 import verify
from render.sign.sm3 import sm3
from render.sign.verify import Status, verify_pdf

SEAL = sample_seal()


def structure_of(pdf: bytes) -> bytes:
    start, end = contents_span(pdf)
    return der.read(bytes.fromhex(pdf[start + 1 : end - 1].decode())).raw


def test_a_sealed_file_is_valid_and_names_signer_and_seal():
    found = verify_pdf(sealed_with(SEAL), TRUSTED)
    assert (found.status, found.findings) == (Status.VALID, ())
    assert (found.signer, found.signing_time) == ("CN=KAIPIAO TEST ONLY", NOW)
    assert found.signatures[0].seal == SAMPLE_NAME
    assert found.signatures[0].sub_filter == "GM.sm2seal"


@pytest.mark.parametrize("trusted", [[], TRUSTED[:1], TRUSTED[1:]])
def test_signer_and_maker_of_the_seal_must_both_be_trusted(trusted):
    assert verify_pdf(sealed_with(SEAL), trusted).codes == (Code.SIGNER_UNTRUSTED,)


def test_another_declaration_of_the_standard_reads_every_field_and_writes_the_same_der():
    pdf = sealed_with(SEAL)
    start, end = contents_span(pdf)
    parsed = SealSignatureStructure.load(structure_of(pdf), strict=True)
    to_sign, info = parsed["to_sign"], parsed["to_sign"]["eseal"]["seal_info"]
    assert to_sign["version"].native == info["header"]["version"].native == 4
    assert info["header"]["id"].native == "ES"
    assert "TEST-ONLY" in info["header"]["vid"].native
    assert info["es_id"].native.startswith("TEST-")
    assert "TEST ONLY" in info["property"]["name"].native
    assert info["property"]["cert_list_type"].native == 1
    assert info["property"]["cert_list"].native == [SIGNER.certificate_der]
    assert info["property"]["valid_end"].native == NOW + timedelta(days=9)
    assert info["picture"].native == {"type": "png", "data": picture(), "width": 30, "height": 20}
    assert to_sign["time_info"].native == NOW
    assert bytes(to_sign["data_hash"]) == sm3(pdf[:start] + pdf[end:])
    assert to_sign["property_info"].native == f"[0 {start} {end} {len(pdf) - end}]"
    assert parsed["signature_alg_id"].native == "1.2.156.10197.1.501"
    assert parsed["cert"].native == SIGNER.certificate_der
    assert parsed.dump(force=True) == structure_of(pdf)


def test_both_signatures_verify_over_what_the_standard_says():
    parsed = SealSignatureStructure.load(structure_of(sealed_with(SEAL)), strict=True)
    seal = parsed["to_sign"]["eseal"]
    for certificate, message, signature in (
        (parsed["cert"].native, parsed["to_sign"].dump(), bytes(parsed["signature"])),
        (seal["cert"].native, seal["seal_info"].dump(), bytes(seal["signed_value"])),
    ):
        key = x509.Certificate.load(certificate)["tbs_certificate"]["subject_public_key_info"]["public_key"]
        assert verify(bytes(key.contents[1:]), message, signature)


def test_no_octet_of_the_structure_can_change_without_being_noticed():
    data, digest = structure_of(sealed_with(SEAL)), read_seal_signature(structure_of(sealed_with(SEAL))).signed.digest
    unnoticed = []
    for at in range(len(data)):
        for mask in (0x01, 0x80):
            changed = bytearray(data)
            changed[at] ^= mask
            try:
                found = read_seal_signature(bytes(changed))
            except KaipiaoError:
                continue
            signed, seal = found.signed, found.seal
            if (
                signed.digest == digest
                and seal.is_of(signed.certificate.der)
                and verify(signed.certificate.public_key, signed.message, signed.signature)
                and verify(seal.maker.public_key, seal.info, seal.signature)
            ):
                unnoticed.append((at, mask))
    assert unnoticed == []


def test_changed_text_and_another_documents_seal_signature_are_a_digest_mismatch():
    assert verify_pdf(sealed_with(SEAL).replace(b"(100.00)", b"(900.00)")).codes == (Code.DIGEST_MISMATCH,)
    other, own = sealed_with(SEAL, text="555.55"), sealed_with(SEAL)
    start, end = contents_span(own)
    assert verify_pdf(own[:start] + other[start:end] + own[end:]).codes == (Code.DIGEST_MISMATCH,)


def embedded(structure: bytes) -> bytes:
    pdf, span = empty_pdf(4000, sub_filter="GM.sm2seal")
    return embed(prepare(pdf, span), structure)


def resigned(change) -> bytes:
    """Return a file whose seal signature was changed and signed anew by its signer, as a dishonest one can."""
    pdf, span = empty_pdf(4000, sub_filter="GM.sm2seal")
    prepared = prepare(pdf, span)
    seal = read_seal(sample_seal(SIGNER.certificate_der, STRANGER.certificate_der))
    parsed = SealSignatureStructure.load(sign_with_seal(prepared.digest, seal, SIGNER, NOW, "x"))
    change(parsed)
    parsed["signature"] = core.OctetBitString(SIGNER.sign_raw(parsed["to_sign"].dump(force=True)))
    return embed(prepared, parsed.dump(force=True))


def rename_seal(parsed) -> None:
    parsed["to_sign"]["eseal"]["seal_info"]["property"]["name"] = "forged"


def take_seal_of_another(parsed) -> None:
    parsed["to_sign"]["eseal"] = SealStructure.load(sample_seal(STRANGER.certificate_der))


def take_expired_seal(parsed) -> None:
    parsed["to_sign"]["eseal"] = SealStructure.load(sample_seal(SIGNER.certificate_der, days=-1))


def add_extension(parsed) -> None:
    parsed["to_sign"]["ext_datas"] = [Extension({"id": "1.2.3", "value": b"x"})]


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda parsed: None, ()),
        (add_extension, ()),
        (rename_seal, (Code.SEAL_FORGED,)),
        (take_seal_of_another, (Code.SEAL_NOT_OF_SIGNER,)),
        (take_expired_seal, (Code.SEAL_EXPIRED,)),
    ],
)
def test_what_is_wrong_with_the_seal_is_named(change, codes):
    assert verify_pdf(resigned(change), TRUSTED).codes == codes


def test_a_strangers_signature_under_the_signers_certificate_is_a_mismatch():
    parsed = SealSignatureStructure.load(structure_of(sealed_with(SEAL)))
    parsed["signature"] = core.OctetBitString(STRANGER.sign_raw(parsed["to_sign"].dump()))
    pdf = sealed_with(SEAL)
    start, end = contents_span(pdf)
    room = parsed.dump(force=True).hex().encode().ljust(end - start - 2, b"0")
    assert verify_pdf(pdf[: start + 1] + room + pdf[end - 1 :]).codes == (Code.SIGNATURE_MISMATCH,)


def age(parsed) -> None:
    parsed["to_sign"]["version"] = 3


def cut_digest(parsed) -> None:
    parsed["to_sign"]["data_hash"] = core.OctetBitString(bytes(31))


@pytest.mark.parametrize(("change", "code"), [(age, Code.STRUCTURE_MALFORMED), (cut_digest, Code.DIGEST_MISMATCH)])
def test_another_version_and_another_digest_are_named(change, code):
    assert verify_pdf(resigned(change), TRUSTED).codes == (code,)


def test_a_time_stamp_is_refused_since_nothing_would_notice_its_change():
    parsed = SealSignatureStructure.load(structure_of(sealed_with(SEAL)))
    parsed["time_stamp"] = core.BitString((1,) * 8)
    assert verify_pdf(embedded(parsed.dump(force=True))).codes == (Code.STRUCTURE_MALFORMED,)


def test_a_cms_in_the_place_of_a_seal_signature_and_the_reverse_are_malformed():
    assert verify_pdf(embedded(structure_of(signed_pdf()))).codes == (Code.STRUCTURE_MALFORMED,)
    pdf, span = empty_pdf(4000)
    assert verify_pdf(embed(prepare(pdf, span), structure_of(sealed_with(SEAL)))).codes == (Code.STRUCTURE_MALFORMED,)


def test_a_seal_that_lists_digests_is_of_the_certificates_that_have_them():
    seal = SealStructure.load(SEAL)
    pair = der.sequence(der.tlv(0x13, b"SM3"), der.octet_string(sm3(SIGNER.certificate_der)))
    properties = seal["seal_info"]["property"]
    listed = der.sequence(
        der.integer(3), properties["name"].dump(), der.integer(2), der.sequence(pair),
        *(properties[name].dump() for name in ("create_date", "valid_start", "valid_end")),
    )  # fmt: skip
    info = der.sequence(
        seal["seal_info"]["header"].dump(), seal["seal_info"]["es_id"].dump(), listed,
        seal["seal_info"]["picture"].dump(),
    )  # fmt: skip
    digests = der.sequence(info, seal["cert"].dump(), seal["sign_alg_id"].dump(), der.bit_string(MAKER.sign_raw(info)))
    assert read_seal(digests).is_of(SIGNER.certificate_der)
    assert not read_seal(digests).is_of(STRANGER.certificate_der)
    assert verify_pdf(sealed_with(digests), TRUSTED).status is Status.VALID


def test_nobody_signs_with_the_seal_of_another_or_with_an_expired_one():
    seal = read_seal(SEAL)
    with pytest.raises(KeyRejected, match="does not list"):
        sign_with_seal(bytes(32), seal, STRANGER, NOW, "x")
    with pytest.raises(KeyRejected, match="not valid at the signing time"):
        sign_with_seal(bytes(32), seal, SIGNER, NOW + timedelta(days=10), "x")
    with pytest.raises(SigningError, match="time zone"):
        sign_with_seal(bytes(32), seal, SIGNER, NOW.replace(tzinfo=None), "x")


def test_the_room_is_enough_for_any_signature_and_no_more_than_needed():
    options = SignatureOptions(seal=read_seal(SEAL))
    longest = max(len(structure_of(sealed_with(SEAL))) for _ in range(20))
    assert longest <= reserve_bytes(SIGNER, options) <= longest + 50


def test_a_sample_seal_needs_a_user_a_size_and_zones():
    validity = (NOW, NOW + timedelta(days=1))
    for holders, size, times in (
        ((), (1, 1), validity),
        ((b"x",), (0, 1), validity),
        ((b"x",), (1, 1), tuple(moment.replace(tzinfo=None) for moment in validity)),
    ):
        with pytest.raises(ConfigError):
            make_sample_seal(MAKER, holders, b"", size_mm=size, validity=times)


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"\x30\x80\x00\x00", bytes(100), b"\x30\x02" * 9, bytes(2_000_000)])
def test_what_is_no_seal_is_refused(data):
    for read in (read_seal, read_seal_signature):
        with pytest.raises(MalformedInput):
            read(data)


# As a counter-signature


def test_a_seal_can_be_the_second_signature_of_a_file_that_claims_nothing():
    twice = countersign_pdf(signed_pdf(), SIGNER, NOW, SignatureOptions(seal=read_seal(SEAL)))
    found = verify_pdf(twice, TRUSTED)
    assert (found.status, found.findings) == (Status.VALID, ())
    assert [each.seal for each in found.signatures] == ["", SAMPLE_NAME]


def test_a_seal_is_never_added_to_a_pdf_a_file():
    claim = b"<x xmlns:pdfaid='http://www.aiim.org/pdfa/ns/id/'/>"
    metadata = b"<</Type/Metadata/Subtype/XML/Length %d>>stream\n%s\nendstream" % (len(claim), claim)
    catalog = b"<</Type/Catalog/Pages 2 0 R/Metadata 10 0 R/AcroForm<</SigFlags 3/Fields[5 0 R]>>>>"
    pdf = incremental_update(empty_pdf(10)[0], (1, catalog), (10, metadata))
    options = SignatureOptions(seal=read_seal(SEAL))
    with pytest.raises(InputError, match="claims to be PDF/A"):
        append_signature_field(pdf, 4000, options)
    assert append_signature_field(pdf, 4000).field == "Signature2"
    assert not options.allows_pdf_a


def test_the_field_of_a_seal_names_format_and_handler():
    extended = append_signature_field(empty_pdf(10)[0], 40_000, SignatureOptions(seal=read_seal(SEAL)))
    with pikepdf.open(io.BytesIO(extended.data)) as document:
        value = document.Root.AcroForm.Fields[1].V
        assert (value.SubFilter, value.Filter) == ("/GM.sm2seal", "/Gomain.GMPkiLite")
        assert len(bytes(value.Contents)) == 40_000


def test_signing_into_too_little_room_is_an_error():
    options = SignatureOptions(seal=read_seal(SEAL))
    pdf, span = empty_pdf(reserve_bytes(SIGNER, options) // 2, sub_filter="GM.sm2seal")
    with pytest.raises(SigningError, match="were reserved"):
        sign_pdf(pdf, span, SIGNER, NOW, options)
