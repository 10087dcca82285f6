import pdf_samples
import pytest

from render.pdf.writer import PdfWriter


@pytest.fixture(scope="session")
def book(fonts):
    return fonts


@pytest.fixture(scope="session")
def samples(fonts):
    return pdf_samples.Samples(fonts)


@pytest.fixture(scope="session")
def writer(samples):
    return PdfWriter(samples.resources)


@pytest.fixture(scope="session")
def pdf(samples, writer):
    """One page with everything on it, and an attachment."""
    return writer.write(samples.document(), 0, pdf_samples.info(), [pdf_samples.attachment()]).data
