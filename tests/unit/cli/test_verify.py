"""`kaipiao verify` ends with 0 for a sound file of a trusted signer, and for nothing else."""

import json
from datetime import UTC, datetime

import pytest

from render.sign.keys import load_identity
from render.sign.pdf import reserve_bytes, sign_pdf
from tests.unit.sign.signing_samples import SECRET, empty_pdf, make_signer, signed_pdf


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed_pdf())
    return path


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "signer.der"
    path.write_bytes(make_signer().certificate_der)
    return path


def test_a_trusted_signer_is_named_with_time_and_certificate(kaipiao, document, certificate):
    ended = kaipiao("verify", document, "--trust", certificate)
    assert ended.code == 0
    for part in ("KAIPIAO TEST ONLY", "2026-11-23T08:30:00+00:00", make_signer().serial, "the whole file"):
        assert part in ended.words


def test_a_stranger_is_not_enough_unless_that_was_said(kaipiao, document):
    refused = kaipiao("verify", document)
    assert refused.code == 1
    assert "the signer is a stranger" in refused.words
    assert kaipiao("verify", document, "--any-signer").code == 0


def test_this_machines_own_certificate_is_trusted(kaipiao, identity, tmp_path):
    signer = load_identity(identity)
    pdf, span = empty_pdf(reserve_bytes(signer))
    path = tmp_path / "own.pdf"
    path.write_bytes(sign_pdf(pdf, span, signer, datetime(2026, 2, 1, tzinfo=UTC)))
    ended = kaipiao("verify", path)
    assert ended.code == 0, ended.words
    assert "by a signer that you trust" in ended.words


@pytest.mark.parametrize("option", [[], ["--any-signer"]])
def test_a_changed_file_fails_however_lenient_the_question(kaipiao, document, certificate, option):
    document.write_bytes(document.read_bytes().replace(b"(100.00)", b"(900.00)"))
    ended = kaipiao("verify", document, "--trust", certificate, *option)
    assert ended.code == 1
    assert "CHANGED" in ended.words


def test_one_bad_file_among_good_ones_decides(kaipiao, document, certificate, tmp_path):
    unsigned = tmp_path / "unsigned.pdf"
    unsigned.write_bytes(b"%PDF-1.7\n")
    ended = kaipiao("verify", document, unsigned, tmp_path / "none.pdf", "--trust", certificate, "--json")
    records = json.loads(ended.out)
    assert ended.code == 2
    assert [record["valid"] for record in records] == [True, False, False]
    assert records[0]["status"] == "valid"
    assert records[2]["error"]["code"] == "input_malformed"


def test_a_certificate_that_is_none_is_an_error_not_a_verdict(kaipiao, document, tmp_path):
    (tmp_path / "no.pem").write_text("nothing")
    for path in (tmp_path / "no.pem", tmp_path / "none.pem"):
        ended = kaipiao("verify", document, "--trust", path)
        assert ended.code == 1
        assert "config_invalid" in ended.words


def test_another_key_with_the_same_name_is_a_stranger(kaipiao, document, tmp_path):
    other = tmp_path / "other.der"
    other.write_bytes(make_signer(SECRET[::-1]).certificate_der)
    assert kaipiao("verify", document, "--trust", other).code == 1
