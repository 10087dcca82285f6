"""A counter-signature leaves a PDF/A-3 file what it is, and other readers see both signatures."""

from __future__ import annotations

import shutil
import subprocess

import pdf_samples
import pytest
from signing_samples import NOW, SECRET, make_signer

from render.pdf.writer import PdfWriter
from render.sign.countersign import countersign_pdf
from render.sign.pdf import reserve_bytes, sign_pdf
from render.sign.verify import Status, verify_pdf
from tests.contract.pdf.test_pdf_verapdf import _validate as validate

FIRST, SECOND = make_signer(), make_signer(SECRET[::-1], "SECOND")
TRUSTED = [FIRST.certificate_der, SECOND.certificate_der]
pytestmark = pytest.mark.fonts


@pytest.fixture(scope="module")
def countersigned(fonts, tmp_path_factory):
    """Return paths of files of the PDF writer with one, two and three signatures."""
    samples = pdf_samples.Samples(fonts)
    file = PdfWriter(samples.resources).write(
        samples.document(), 0, pdf_samples.info(), [pdf_samples.attachment()], reserve_bytes(FIRST)
    )
    data = sign_pdf(file.data, file.signature_span, FIRST, NOW)
    folder = tmp_path_factory.mktemp("countersigned")
    paths = [folder / f"signed-{count}.pdf" for count in (1, 2, 3)]
    for path in paths:
        path.write_bytes(data)
        data = countersign_pdf(data, SECOND, NOW)
    return paths


def test_our_own_documents_take_further_signatures(countersigned):
    for count, path in enumerate(countersigned, 1):
        found = verify_pdf(path.read_bytes(), TRUSTED)
        assert (found.status, found.findings, len(found.signatures)) == (Status.VALID, (), count)
        assert path.read_bytes().startswith(countersigned[0].read_bytes())


@pytest.mark.java
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_verapdf_finds_pdf_a_3b_as_before(libraries, countersigned):
    assert validate(libraries, countersigned) == {path.stem: [] for path in countersigned}


@pytest.mark.skipif(shutil.which("qpdf") is None, reason="the qpdf program is not installed")
def test_qpdf_finds_no_fault(countersigned):
    for path in countersigned:
        done = subprocess.run(["qpdf", "--check", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="pdfsig (poppler-utils) is not installed")
def test_poppler_lists_every_signature_and_the_last_covers_the_file(countersigned):
    for count, path in enumerate(countersigned, 1):
        done = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, text=True, check=False)
        assert done.stdout.count("Signature Field Name") == count
        assert done.stdout.count("Total document signed") == 1
        assert done.stdout.count("Not total document signed") == count - 1


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_the_text_is_the_same_with_every_signature(countersigned):
    texts = {subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True).stdout
             for path in countersigned}  # fmt: skip
    assert len(texts) == 1
    assert texts.pop().strip()
