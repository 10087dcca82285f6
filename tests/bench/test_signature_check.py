"""The independent verifier must accept what is right and name what is not: checks that accept all check nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms as cms_module
from asn1crypto import x509

from bench import signature_check
from render.sign import pdf as pdf_signature
from render.sign.keys import KeyFileSigner, create_test_identity
from render.sign.passphrase import Passphrase

NOW = datetime(2026, 11, 23, tzinfo=UTC)
HEAD, TAIL = b"%PDF-1.7\n<< /Type /Sig /ByteRange [%s] /Contents ", b" >>\n%%EOF\n"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> KeyFileSigner:
    folder: Path = tmp_path_factory.mktemp("identity")
    return create_test_identity(folder, passphrase=Passphrase("correct horse"), now=NOW, iterations=1000)


@pytest.fixture(scope="module")
def signed(signer: KeyFileSigner) -> bytes:
    digits = 2 * pdf_signature.reserve_bytes(signer)
    width = 40
    start = len(HEAD) - 2 + width
    end = start + digits + 2
    numbers = f"0 {start} {end} {len(TAIL)}".encode().ljust(width)
    pdf = HEAD.replace(b"%s", numbers) + b"<" + b"0" * digits + b">" + TAIL
    return pdf_signature.sign_pdf(pdf, (start, end), signer, NOW)


def test_a_signed_file_is_accepted(signed: bytes) -> None:
    assert signature_check.problems_of(signed) == []


def test_a_changed_byte_outside_the_signature_is_named(signed: bytes) -> None:
    changed = signed.replace(b"%PDF-1.7", b"%PDF-1.6")
    assert signature_check.problems_of(changed) == ["the document is not the one that was signed"]


def test_an_appended_update_is_named(signed: bytes) -> None:
    problems = signature_check.problems_of(signed + b"more")
    assert problems == ["the signature cannot be read: the byte range does not reach from the first byte to the last"]


def test_a_file_without_a_signature_is_named() -> None:
    assert signature_check.problems_of(b"%PDF-1.7\n") == ["the signature cannot be read: 0 byte ranges instead of one"]


def test_no_changed_byte_of_certificate_attributes_and_signature_is_accepted(signed: bytes) -> None:
    cms = signature_check.extract(signed).cms_der
    place = signed.index(cms.hex().encode())
    data = cms_module.ContentInfo.load(cms)["content"]
    signer = data["signer_infos"][0]
    # Algorithm names that stand twice and lengths around these parts are signed by nobody: that is CMS.
    parts = [data["certificates"][0].chosen["tbs_certificate"], signer["signed_attrs"], signer["signature"]]
    for part in parts:
        start, length = cms.index(part.contents), len(part.contents)
        # gmssl takes 10 ms for a verification, so not every byte.
        for offset in range(start, start + length, max(1, length // 12)):
            at = place + 2 * offset
            flipped = b"%02x" % (cms[offset] ^ 1)
            assert signature_check.problems_of(signed[:at] + flipped + signed[at + 2 :]), offset


def test_a_signature_by_another_key_is_refused(tmp_path: Path) -> None:
    keys = [
        create_test_identity(tmp_path / name, passphrase=Passphrase(name), now=NOW, iterations=1000)
        for name in ("one", "other")
    ]
    points = [bytes(x509.Certificate.load(key.certificate_der).public_key["public_key"].contents[1:]) for key in keys]
    message = b"message"
    signature = keys[0].sign_raw(message)
    assert signature_check.is_sm2_signature(points[0], message, signature)
    assert not signature_check.is_sm2_signature(points[1], message, signature)
    assert not signature_check.is_sm2_signature(points[0], message + b"!", signature)
    assert not signature_check.is_sm2_signature(b"\x04" + bytes(64), message, signature)
