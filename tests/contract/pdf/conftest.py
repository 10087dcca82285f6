import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "pdf"))

import pdf_samples

from render.pdf.writer import PdfWriter
from render.sign import pdf as pdf_signature
from render.sign.keys import load_identity

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def samples(fonts):
    return pdf_samples.Samples(fonts)


@pytest.fixture(scope="session")
def files(samples, identity, tmp_path_factory):
    """Files by name: unsigned and signed, of one and of many pages, with no attachment and with several."""
    writer, signer = PdfWriter(samples.resources), load_identity(identity)
    one, many = samples.document(), samples.document(pages=60)
    xml, note = (
        pdf_samples.attachment(),
        pdf_samples.attachment(name="说明.txt", media_type="text/plain", relationship="Data"),
    )
    info = pdf_samples.info()
    written = {
        "plain": writer.write(one, 0, info),
        "attached": writer.write(one, 0, info, [xml]),
        "pages": writer.write(many, 0, info, [note, xml]),
        "bare": writer.write(one, 0, pdf_samples.info(author="", subject="", keywords="", document_id="urn:x:1")),
    }
    data = {name: file.data for name, file in written.items()}
    reserve = pdf_signature.reserve_bytes(signer)
    for name, display in {"signed": one, "signed-pages": many}.items():
        file = writer.write(display, 0, info, [xml], reserve)
        data[name] = pdf_signature.sign_pdf(file.data, file.signature_span, signer, NOW)
    folder = tmp_path_factory.mktemp("pdf")
    for name, content in data.items():
        (folder / f"{name}.pdf").write_bytes(content)
    return {name: folder / f"{name}.pdf" for name in data}
