import dataclasses
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "pdf"))

import pdf_samples

from bench import corpus
from render.layout.engine import layout_invoice
from render.model.einvoice import write_einvoice
from render.model.invoice import InvoiceKind
from render.pdf.writer import PdfWriter
from render.sign import pdf as pdf_signature
from render.sign.keys import load_identity
from render.templates.registry import TemplateRegistry

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


@pytest.fixture(scope="session")
def write_invoice(fonts, identity, tmp_path_factory):
    """Write one made-up invoice, with its XML in it, and return the path and the display list."""
    signer, registry = load_identity(identity), TemplateRegistry()
    reserve = pdf_signature.reserve_bytes(signer)
    templates = {kind: registry.load(kind, fonts=fonts) for kind in registry.kinds()}
    writers = {kind: PdfWriter(template.resources) for kind, template in templates.items()}
    plain = {kind: PdfWriter(template.resources, is_tagged=False) for kind, template in templates.items()}
    folder = tmp_path_factory.mktemp("invoices")

    def write(document, name, *, kind=None, is_signed=True, is_tagged=True):
        kind = kind or document.invoice.kind.value
        invoice = dataclasses.replace(document.invoice, kind=InvoiceKind(kind))
        display = layout_invoice(invoice, templates[kind])
        xml = pdf_samples.attachment(name=f"{invoice.number}.xml", data=write_einvoice(invoice), relationship="Data")
        info = pdf_samples.info(title=f"电子发票 {invoice.number}", author=invoice.seller.name, keywords=invoice.number)
        writer = (writers if is_tagged else plain)[kind]
        file = writer.write(display, 0, info, [xml], reserve if is_signed else 0)
        path = folder / f"{name}.pdf"
        data = pdf_signature.sign_pdf(file.data, file.signature_span, signer, NOW) if is_signed else file.data
        path.write_bytes(data)
        return path, display

    write.kinds = tuple(templates)
    return write


@pytest.fixture(scope="session")
def invoices(write_invoice):
    """Signed files of made-up invoices by name, of every template and of one line to many pages."""
    documents = [*corpus.varied(14, 3), *corpus.with_lines(1, 1, 3), *corpus.with_lines(200, 1, 3)]
    paths = {}
    for place, document in enumerate(documents):
        name = f"{place:02d}-{document.name}"
        paths[name] = write_invoice(document, name)
    return paths
