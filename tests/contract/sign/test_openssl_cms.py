"""``openssl cms -verify`` accepts our signatures wherever it knows SM2 in CMS; OpenSSL 3.0 does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from signing_samples import contents_span, signed_pdf

from render.sign import der

OPENSSL = shutil.which("openssl")
DISTID = "distid:1234567812345678"
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")


def succeeds(folder: Path, *arguments: str) -> bool:
    done = subprocess.run([str(OPENSSL), *arguments], capture_output=True, cwd=folder, check=False)
    return done.returncode == 0


def verifies(folder: Path, structure: str, document: str) -> bool:
    return succeeds(folder, "cms", "-verify", "-binary", "-inform", "der", "-in", structure, "-content", document,
                    "-noverify", "-out", "verified")  # fmt: skip


def knows_sm2(folder: Path) -> bool:
    """Tell whether this openssl makes and verifies a CMS of its own with SM2 and SM3."""
    (folder / "message").write_bytes(b"message")
    return (
        succeeds(folder, "genpkey", "-algorithm", "SM2", "-out", "key")
        and succeeds(folder, "req", "-x509", "-new", "-key", "key", "-sm3", "-sigopt", DISTID, "-subj", "/CN=T",
                     "-days", "9", "-out", "certificate")
        and succeeds(folder, "cms", "-sign", "-binary", "-in", "message", "-signer", "certificate", "-inkey", "key",
                     "-md", "sm3", "-keyopt", DISTID, "-outform", "der", "-out", "own")
        and verifies(folder, "own", "message")
    )  # fmt: skip


def test_openssl_cms_verifies_the_detached_signature(tmp_path):
    pdf = signed_pdf()
    start, end = contents_span(pdf)
    (tmp_path / "structure").write_bytes(der.read(bytes.fromhex(pdf[start + 1 : end - 1].decode())).raw)
    (tmp_path / "document").write_bytes(pdf[:start] + pdf[end:])
    (tmp_path / "changed").write_bytes(pdf[:start] + pdf[end:] + b"x")
    assert not verifies(tmp_path, "structure", "changed")
    if not verifies(tmp_path, "structure", "document") and not knows_sm2(tmp_path):
        pytest.skip("this openssl cannot verify even its own CMS with SM2; the raw signature is verified elsewhere")
    assert verifies(tmp_path, "structure", "document")
