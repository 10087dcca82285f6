"""The CMS structure: what is written, and that nothing else is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core, x509
from signing_samples import NOW, make_signer

from render.errors import KaipiaoError, KeyRejected, MalformedInput, SigningError
from render.sign import der, oids
from render.sign.cms import ContentTypes, sign_digest, signed_attributes
from render.sign.cms_reader import read_signed_data
from render.sign.curve import encode_signature
from render.sign.sm2 import verify
from render.sign.sm3 import sm3

DIGEST = sm3(b"document")


@dataclass(frozen=True)
class CannedSigner:
    """Gives a fixed answer in place of a signature."""

    answer: bytes
    certificate_der: bytes = make_signer().certificate_der
    serial: str = "5eed"

    def sign_raw(self, message: bytes) -> bytes:
        return self.answer


@pytest.fixture(params=list(ContentTypes))
def content_types(request):
    return request.param


def test_a_signature_reads_back_as_it_was_written(content_types):
    signer = make_signer()
    signed = read_signed_data(sign_digest(DIGEST, signer, NOW, content_types))
    assert signed.content_types is content_types
    assert signed.digest == DIGEST
    assert signed.signing_time == NOW
    assert signed.certificate.der == signer.certificate_der
    assert signed.certificate_digest == (oids.SM3, sm3(signer.certificate_der))
    assert signed.message == signed_attributes(DIGEST, signer.certificate_der, NOW, content_types)
    assert verify(signed.certificate.public_key, signed.message, signed.signature)


def test_another_reader_finds_one_signer_and_its_certificate_and_writes_the_same_der():
    data = sign_digest(DIGEST, make_signer(), NOW)
    parsed = asn1_cms.ContentInfo.load(data, strict=True)
    signed_data = parsed["content"]
    (signer,) = signed_data["signer_infos"]
    (certificate,) = signed_data["certificates"]
    assert parsed["content_type"].native == "signed_data"
    assert signed_data["encap_content_info"]["content_type"].native == "data"
    assert signed_data["encap_content_info"]["content"].native is None
    assert signer["digest_algorithm"]["algorithm"].dotted == "1.2.156.10197.1.401"
    assert signer["signature_algorithm"]["algorithm"].dotted == "1.2.156.10197.1.501"
    assert signer["sid"].chosen["serial_number"].native == 0x5EED
    assert certificate.chosen.dump() == make_signer().certificate_der
    assert {
        attribute["type"].native: attribute["values"][0].native for attribute in signer["signed_attrs"]
    }.items() >= {
        "content_type": "data",
        "message_digest": DIGEST,
        "signing_time": NOW,
    }.items()
    assert parsed.dump(force=True) == data


def test_the_identifiers_of_gbt_35275_are_a_setting():
    data = sign_digest(DIGEST, make_signer(), NOW, ContentTypes.GBT35275)
    assert core.ObjectIdentifier.load(der.read_all(der.read(data).content)[0].raw).dotted == "1.2.156.10197.6.1.4.2.2"
    assert der.oid("1.2.156.10197.6.1.4.2.1") in data
    assert der.oid("1.2.840.113549.1.7.1") not in data


def test_the_signing_time_is_written_in_utc_and_survives_2050():
    signer = make_signer()
    china = timezone(timedelta(hours=8))
    for moment in (datetime(2026, 11, 23, 1, 2, 3, 999, china), datetime(2051, 1, 1, tzinfo=UTC)):
        signed = read_signed_data(sign_digest(DIGEST, signer, moment))
        assert signed.signing_time == moment.replace(microsecond=0)


def test_signatures_in_any_order_carry_each_its_own_certificate_time_and_identifiers():
    signers = [make_signer(), make_signer(name="另一测试主体")]
    times = [NOW, NOW + timedelta(seconds=1), datetime(2051, 1, 1, tzinfo=UTC)]
    cases = [(signer, moment, kind) for signer in signers for moment in times for kind in ContentTypes]
    for number, (signer, moment, kind) in enumerate((*cases, *reversed(cases))):
        digest = sm3(b"%d" % number)
        data = sign_digest(digest, signer, moment, kind)
        signed = read_signed_data(data)
        found = (signed.digest, signed.signing_time, signed.content_types, signed.certificate.der)
        assert found == (digest, moment, kind, signer.certificate_der)
        assert signed.certificate_digest == (oids.SM3, sm3(signer.certificate_der))
        assert verify(signed.certificate.public_key, signed.message, signed.signature)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_what_is_no_digest_is_never_signed(size):
    with pytest.raises(SigningError, match="32 bytes"):
        sign_digest(bytes(size), make_signer(), NOW)


def test_a_signing_time_without_zone_is_refused():
    with pytest.raises(SigningError, match="time zone"):
        sign_digest(DIGEST, make_signer(), NOW.replace(tzinfo=None))


@pytest.mark.parametrize("answer", [b"", bytes(64), b"\x30\x00", encode_signature(0, 1), bytes(5000)])
def test_a_signer_that_answers_nonsense_makes_no_signature(answer):
    with pytest.raises(SigningError, match="no SM2 signature"):
        sign_digest(DIGEST, CannedSigner(answer), NOW)


def test_a_signer_without_a_readable_certificate_is_rejected():
    with pytest.raises(KeyRejected):
        sign_digest(DIGEST, CannedSigner(encode_signature(1, 1), certificate_der=b"\x30\x00"), NOW)


def rewritten(**changes: object) -> bytes:
    """Return a SignedData with some of its fields replaced, through asn1crypto."""
    info = asn1_cms.ContentInfo.load(sign_digest(DIGEST, make_signer(), NOW))
    signed_data = info["content"]
    signer = signed_data["signer_infos"][0]
    for name, value in changes.items():
        (signer if name in ("signature_algorithm", "unsigned_attrs", "signed_attrs") else signed_data)[name] = value
    signed_data["signer_infos"] = changes.get("signer_infos", [signer])
    return info.dump(force=True)


def test_structures_that_say_more_than_one_thing_are_refused():
    info = asn1_cms.ContentInfo.load(sign_digest(DIGEST, make_signer(), NOW))
    signer = info["content"]["signer_infos"][0]
    other = x509.Certificate.load(make_signer(name="OTHER").certificate_der)
    own = x509.Certificate.load(make_signer().certificate_der)
    stamp = {"type": "1.2.3.4", "values": [core.OctetString(b"x")]}
    refused = {
        "version 3": rewritten(version="v3"),
        "content": rewritten(encap_content_info={"content_type": "data", "content": b"document"}),
        "no signer": rewritten(signer_infos=[]),
        "two signers": rewritten(signer_infos=[signer, signer.copy()]),
        "no certificate": rewritten(certificates=[]),
        "two certificates": rewritten(certificates=[own, other]),
        "another's certificate": rewritten(certificates=[other.copy()]),
        "RSA": rewritten(signature_algorithm={"algorithm": "rsassa_pkcs1v15"}),
        "another digest": rewritten(digest_algorithms=[{"algorithm": "sha256"}]),
        "unsigned attributes": rewritten(unsigned_attrs=[stamp]),
        "no signed attributes": rewritten(signed_attrs=[]),
    }
    assert read_signed_data(rewritten()).digest == DIGEST
    for name, data in refused.items():
        with pytest.raises(MalformedInput):
            pytest.fail(f"{name} was read: {read_signed_data(data)}")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x82" + b"\xff" * 10,
        b"\x30\x02" * 5000,
        bytes(200_000),
        der.sequence(der.oid(oids.PKCS7_SIGNED_DATA)),
        der.sequence(der.oid(oids.PKCS7_SIGNED_DATA), der.explicit(0, der.sequence())),
    ],
)
def test_what_is_no_signature_is_refused(data):
    with pytest.raises(MalformedInput):
        read_signed_data(data)


def test_no_octet_can_change_without_being_noticed(content_types):
    data = sign_digest(DIGEST, make_signer(), NOW, content_types)
    certificate = make_signer().certificate_der
    unnoticed = []
    for at in range(len(data)):
        for mask in (0x01, 0x02, 0x80):
            changed = bytearray(data)
            changed[at] ^= mask
            try:
                signed = read_signed_data(bytes(changed))
            except KaipiaoError:
                continue
            is_same = signed.digest == DIGEST and signed.certificate.der == certificate
            if is_same and verify(signed.certificate.public_key, signed.message, signed.signature):
                unnoticed.append((at, mask))
    assert unnoticed == []


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"\x02\x02\x00\x01", "padded integer"),
        (b"\x02\x00", "empty integer"),
        (b"\x01\x01\x01", "loose boolean"),
        (b"\x05\x01\x00", "null with content"),
        (b"\x03\x02\x01\x01", "unused bits that are set"),
        (b"\x03\x01\x08", "eight unused bits"),
        (b"\x04\x81\x01\x00", "long form of a short length"),
        (b"\x04\x82\x00\x81" + bytes(0x81), "padded length"),
        (b"\x24\x80\x00\x00", "indefinite length"),
        (b"\x1f\x81\x01\x00", "long tag"),
        (b"\x10\x00", "primitive sequence"),
        (b"\x04\x01\x00\x00", "octets left over"),
        (b"\x04\x02\x00", "cut short"),
        (b"\x30\x03\x04\x02\x00", "cut short inside"),
    ],
)
def test_der_with_two_spellings_is_refused(encoded, why):
    with pytest.raises(MalformedInput):
        der.check_canonical(encoded)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, -1, -128, -129, 2**256 - 1])
def test_integers_and_lengths_are_written_as_asn1crypto_writes_them(value):
    assert der.integer(value) == core.Integer(value).dump()
    content = bytes(abs(value) % 70_000)
    assert der.octet_string(content) == core.OctetString(content).dump()


def test_identifiers_are_written_as_asn1crypto_writes_them():
    for name, dotted in vars(oids).items():
        if name.isupper() and isinstance(dotted, str):
            assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()
