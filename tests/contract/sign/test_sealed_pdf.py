"""Documents of the PDF writer with a seal signature: valid, whole for other readers, and no PDF/A by their own word."""

from __future__ import annotations

import io
import os
import shutil
import subprocess

import pdf_samples
import pikepdf
import pytest
from seal_samples import MAKER, SIGNER, TRUSTED, sample_seal
from signing_samples import NOW

from bench import corpus
from render.config import RenderSettings
from render.errors import ConfigError, InputError, KeyRejected, OutputInvalid
from render.pdf.writer import PdfWriter
from render.pipeline import Renderer, RenderRequest
from render.sign.countersign import countersign_pdf
from render.sign.keys import load_identity
from render.sign.options import SignatureOptions
from render.sign.pdf import reserve_bytes, sign_pdf
from render.sign.seal_reader import read_seal
from render.sign.verify import Status, verify_pdf
from workers.cli.commands import load_command

pytestmark = pytest.mark.fonts
OPTIONS = SignatureOptions(seal=read_seal(sample_seal()))
UNCLAIMED = {"claims_pdf_a": False, "signature_format": OPTIONS.sub_filter}


@pytest.fixture(scope="module")
def write(fonts):
    samples = pdf_samples.Samples(fonts)
    writer, display = PdfWriter(samples.resources), samples.document()
    return lambda reserve, **info: writer.write(
        display, 0, pdf_samples.info(**info), [pdf_samples.attachment()], reserve
    )


@pytest.fixture(scope="module")
def sealed(write):
    file = write(reserve_bytes(SIGNER, OPTIONS), **UNCLAIMED)
    return sign_pdf(file.data, file.signature_span, SIGNER, NOW, OPTIONS)


def metadata_of(pdf: bytes) -> str:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return document.Root.Metadata.read_bytes().decode()


def test_a_sealed_document_is_valid_and_names_its_format(sealed):
    found = verify_pdf(sealed, TRUSTED)
    assert (found.status, found.findings) == (Status.VALID, ())
    assert b"/Filter/Gomain.GMPkiLite/SubFilter/GM.sm2seal" in sealed


def test_a_sealed_document_does_not_claim_to_be_pdf_a_and_any_other_does(sealed, write):
    assert "pdfaid" not in metadata_of(sealed)
    assert "dc:format" in metadata_of(sealed)
    assert "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>" in metadata_of(write(0).data)


def test_the_claim_and_the_format_exclude_each_other(write):
    with pytest.raises(InputError) as refused:
        pdf_samples.info(signature_format="GM.sm2seal")
    assert [fault.rule for fault in refused.value.faults] == ["pdf.signature_not_pdf_a"]
    with pytest.raises(InputError) as refused:
        pdf_samples.info(signature_format="adbe.x509.rsa_sha1", claims_pdf_a=False)
    assert [fault.rule for fault in refused.value.faults] == ["pdf.signature_format"]
    with pytest.raises(OutputInvalid):
        write(32_768)
    assert write(32_768, **UNCLAIMED).signature_span


def test_the_order_of_signatures_is_free_where_nothing_is_claimed(sealed):
    twice = countersign_pdf(countersign_pdf(sealed, SIGNER, NOW), SIGNER, NOW, OPTIONS)
    found = verify_pdf(twice, TRUSTED)
    assert (found.status, len(found.signatures)) == (Status.VALID, 3)


@pytest.mark.skipif(shutil.which("qpdf") is None, reason="the qpdf program is not installed")
def test_qpdf_finds_no_fault(sealed, tmp_path):
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed)
    done = subprocess.run(["qpdf", "--check", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="pdfsig (poppler-utils) is not installed")
def test_poppler_sees_the_field_and_says_that_it_does_not_know_the_format(sealed, tmp_path):
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed)
    done = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, text=True, check=False)
    assert "Signature Field Name: Signature1" in done.stdout
    assert "Total document signed" in done.stdout
    assert "Unable to validate this type of signature" in done.stderr


@pytest.fixture
def with_seal(identity, tmp_path):
    """Return what makes a renderer that signs with a seal of these bytes."""

    def renderer(seal: bytes) -> Renderer:
        path = tmp_path / "own.esl"
        path.write_bytes(seal)
        return Renderer(RenderSettings.from_mapping({**os.environ, "KAIPIAO_SIGNATURE_SEAL": str(path)}))

    return renderer


def test_the_renderer_signs_with_the_seal_of_its_settings(identity, with_seal, tmp_path):
    renderer = with_seal(sample_seal(load_identity(identity).certificate_der))
    (document,) = corpus.typical(1, 21)
    (result,) = renderer.render_batch([RenderRequest(document.data, signing_time=NOW, outputs=("pdf",))])
    assert result.error is None, result.error
    (output,) = result.outputs
    assert "pdfaid" not in metadata_of(output.data)
    assert b"/Filter/Gomain.GMPkiLite/SubFilter/GM.sm2seal" in output.data
    files = {"sealed.pdf": output.data, "changed.pdf": output.data.replace(b"%PDF-1.7", b"%PDF-1.6")}
    (tmp_path / "maker.der").write_bytes(MAKER.certificate_der)
    trust = ["--trust", identity.certificate, "--trust", tmp_path / "maker.der"]
    codes = {}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SystemExit) as ended:
            load_command("verify").main([str(argument) for argument in (tmp_path / name, *trust)])
        codes[name] = int(ended.value.code or 0)
    assert codes == {"sealed.pdf": 0, "changed.pdf": 1}


def test_a_seal_that_cannot_serve_is_refused_at_the_start(identity, with_seal, tmp_path):
    with pytest.raises(ConfigError, match="is no seal"):
        with_seal(b"\x89PNG")
    with pytest.raises(KeyRejected, match="does not list"):
        with_seal(sample_seal())
    missing = {**os.environ, "KAIPIAO_SIGNATURE_SEAL": str(tmp_path / "none.esl")}
    with pytest.raises(ConfigError, match="cannot be read"):
        Renderer(RenderSettings.from_mapping(missing))
