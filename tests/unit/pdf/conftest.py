import pdf_samples
import pytest

from render.pdf.writer import PdfWriter


@pytest.fixture(scope="session")
def book():
    return pdf_samples.load_book()


@pytest.fixture(scope="session")
def samples(book):
    return pdf_samples.Samples(book)


@pytest.fixture(scope="session")
def writer(samples):
    return PdfWriter(samples.resources)


@pytest.fixture(scope="session")
def pdf(samples, writer):
    """One page with everything on it, and an attachment."""
    return writer.write(samples.document(), 0, pdf_samples.info(), [pdf_samples.attachment()]).data
