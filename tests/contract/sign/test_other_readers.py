"""Signatures, certificates and keys as OpenSSL's own program and pure gmssl see them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import pem
from signing_samples import NOW, contents_span, empty_pdf

from render.sign import der
from render.sign.backend import load_backend
from render.sign.certificate import public_key_info
from render.sign.cms import ContentTypes
from render.sign.cms_reader import read_signed_data
from render.sign.curve import decode_signature
from render.sign.keyfiles import read_passphrase
from render.sign.keys import load_identity, set_up_test_identity
from render.sign.options import SignatureOptions
from render.sign.pdf import reserve_bytes, sign_pdf
from render.sign.pkcs8 import decrypt_private_key
from render.sign.verify import Status, verify_pdf

OPENSSL = shutil.which("openssl")
DISTID = "distid:1234567812345678"
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run([str(OPENSSL), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return set_up_test_identity(tmp_path_factory.mktemp("home"), now=NOW)


@pytest.fixture(scope="module", params=list(ContentTypes))
def signed(request, identity):
    signer, options = load_identity(identity), SignatureOptions(request.param)
    pdf, span = empty_pdf(reserve_bytes(signer, options))
    return sign_pdf(pdf, span, signer, NOW, options)


def cms_of(pdf: bytes) -> bytes:
    start, end = contents_span(pdf)
    return der.read(bytes.fromhex(pdf[start + 1 : end - 1].decode())).raw


def test_openssl_verifies_the_signature_over_the_signed_attributes(signed, tmp_path):
    found = read_signed_data(cms_of(signed))
    for name, content in (("message", found.message), ("signature", found.signature)):
        (tmp_path / name).write_bytes(content)
    key = tmp_path / "key.pem"
    key.write_bytes(pem.armor("PUBLIC KEY", public_key_info(found.certificate.public_key)))
    verified = openssl("dgst", "-sm3", "-verify", key, "-sigopt", DISTID, "-signature", tmp_path / "signature",
                       tmp_path / "message")  # fmt: skip
    assert verified == "Verified OK\n"


def test_openssl_digests_the_document_as_we_do(signed, tmp_path):
    start, end = contents_span(signed)
    document = tmp_path / "document"
    document.write_bytes(signed[:start] + signed[end:])
    assert openssl("dgst", "-sm3", "-r", document).split()[0] == read_signed_data(cms_of(signed)).digest.hex()


def test_openssl_finds_one_signer_in_the_structure(identity, tmp_path):
    signer = load_identity(identity)
    pdf, span = empty_pdf(reserve_bytes(signer))
    (tmp_path / "cms.der").write_bytes(cms_of(sign_pdf(pdf, span, signer, NOW)))
    printed = openssl("cms", "-cmsout", "-print", "-inform", "der", "-in", tmp_path / "cms.der")
    assert printed.count("d.issuerAndSerialNumber") == 1
    assert "algorithm: SM2-with-SM3 (1.2.156.10197.1.501)" in printed
    assert "UTCTIME:Nov 23 08:30:00 2026 GMT" in printed
    assert "eContent: <ABSENT>" in " ".join(printed.split())


def test_pure_gmssl_verifies_the_signature(signed):
    from gmssl import sm2, sm3

    found = read_signed_data(cms_of(signed))
    machine = sm2.CryptSM2(private_key="", public_key="")
    machine.public_key = found.certificate.public_key[1:].hex()
    r, s = decode_signature(found.signature)
    assert machine.verify_with_sm3(f"{r:064x}{s:064x}", found.message)
    assert not machine.verify_with_sm3(f"{r:064x}{s:064x}", found.message + b"x")
    start, end = contents_span(signed)
    assert sm3.sm3_hash(list(signed[:start] + signed[end:])) == found.digest.hex()


def test_a_verifier_that_shares_no_code_accepts_the_file_and_refuses_a_changed_one(signed):
    independent = pytest.importorskip("bench.signature_check")
    assert independent.problems_of(signed) == []
    assert independent.problems_of(signed.replace(b"(100.00)", b"(900.00)")) != []


def test_openssl_reads_and_verifies_the_certificate(identity):
    text = openssl("x509", "-in", identity.certificate, "-noout", "-text", "-nameopt", "utf8")
    for expected in (
        "Version: 3 (0x2)",
        "Signature Algorithm: SM2-with-SM3",
        "Subject: CN=KAIPIAO TEST ONLY 测试证书 不具法律效力",
        "ASN1 OID: SM2",
        "Digital Signature, Non Repudiation",
        "CA:FALSE",
        "Not Before: Nov 22 08:30:00 2026 GMT",
    ):
        assert expected in text
    moment = str(int(NOW.timestamp()))
    verified = openssl("verify", "-CAfile", identity.certificate, "-vfyopt", DISTID, "-attime", moment,
                       identity.certificate)  # fmt: skip
    assert verified.endswith(": OK\n")


def test_openssl_opens_our_key_with_its_passphrase(identity):
    text = openssl("pkey", "-in", identity.key, "-passin", f"file:{identity.passphrase}", "-noout", "-text")
    secret = decrypt_private_key(identity.key.read_bytes(), read_passphrase(identity.passphrase)).reveal()
    printed = "".join(line.strip() for line in text.split("priv:")[1].split("pub:")[0].splitlines())
    assert bytes.fromhex(printed.replace(":", "")) == secret
    assert "ASN1 OID: SM2" in text


def test_we_sign_with_a_key_and_certificate_that_openssl_made(tmp_path):
    plain, key, certificate, passphrase = (tmp_path / name for name in ("plain", "key", "certificate", "passphrase"))
    passphrase.write_text("secret\n")
    openssl("genpkey", "-algorithm", "SM2", "-out", plain)
    openssl("pkcs8", "-topk8", "-v2", "sm4-cbc", "-v2prf", "hmacWithSHA256", "-in", plain, "-passout",
            f"file:{passphrase}", "-out", key)  # fmt: skip
    openssl("req", "-x509", "-new", "-key", plain, "-sm3", "-sigopt", DISTID, "-subj", "/CN=OPENSSL TEST", "-days", "9",
            "-addext", "keyUsage=digitalSignature", "-out", certificate)  # fmt: skip
    for path in (key, passphrase):
        path.chmod(0o600)
    from render.sign.certificate import read_certificate
    from render.sign.keys import IdentityPaths

    signer = load_identity(IdentityPaths(key, certificate, passphrase))
    pdf, span = empty_pdf(reserve_bytes(signer))
    begin = read_certificate(signer.certificate_der).not_before
    found = verify_pdf(sign_pdf(pdf, span, signer, begin), [certificate.read_bytes()])
    assert found.status is Status.VALID
    assert found.signer == "CN=OPENSSL TEST"


def test_our_libraries_verify_what_the_openssl_program_signed(tmp_path):
    key, message, signature = (tmp_path / name for name in ("key", "message", "signature"))
    openssl("genpkey", "-algorithm", "SM2", "-out", key)
    message.write_bytes(b"signed by another program")
    openssl("dgst", "-sm3", "-sign", key, "-sigopt", DISTID, "-out", signature, message)
    openssl("pkey", "-in", key, "-pubout", "-outform", "der", "-out", tmp_path / "public")
    public = (tmp_path / "public").read_bytes()[-65:]
    for name in ("openssl", "gmssl"):
        assert load_backend(name).sm2_verify(public, message.read_bytes(), signature.read_bytes())
