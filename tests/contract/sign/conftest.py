"""Lets these tests use the samples of the unit tests."""

import sys
from pathlib import Path

UNIT = Path(__file__).parents[2] / "unit"
sys.path[:0] = [str(UNIT / "sign"), str(UNIT / "pdf")]

from tests.contract.pdf.test_pdf_verapdf import libraries  # noqa: E402, F401 the validator, a fixture
