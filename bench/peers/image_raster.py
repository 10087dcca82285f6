"""Libraries that draw the first page of a PDF file: pdfium, MuPDF and poppler.

Each opens the file anew, as it must for every invoice, and gives its picture to the caller, who lets it go. MuPDF is
under the AGPL: it is measured where it is installed and nothing here depends on it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers.pdf_peer import PeerMissing, version_of

U1 = NDArray[np.uint8]

KEYS = ("pdfium", "mupdf", "poppler")

_POINTS_AN_INCH = 72
_RGB = 3
_WAIT_S = 60.0
_NETPBM_LINES = 3


@dataclass(frozen=True, slots=True)
class RasterPeer:
    """A library that is here.

    Attributes:
        name: with its version.
        draw: the file, dots per inch, and whether in grey, to uint8[height, width, 3] or uint8[height, width], which
            holds until the next call.
    """

    key: str
    name: str
    draw: Callable[[bytes, int, bool], U1]


def open_rasters(keys: tuple[str, ...] = KEYS) -> tuple[tuple[RasterPeer, ...], dict[str, str]]:
    """Return the libraries that are here, and by key what to do about the others."""
    openers = {"pdfium": _pdfium, "mupdf": _mupdf, "poppler": _poppler}
    here, missing = [], {}
    for key in keys:
        try:
            name, draw = openers[key]()
        except PeerMissing as absence:
            missing[key] = str(absence)
        else:
            here.append(RasterPeer(key, name, draw))
    return tuple(here), missing


_Opened = tuple[str, Callable[[bytes, int, bool], U1]]


def _pdfium() -> _Opened:
    version = version_of("pypdfium2")
    pypdfium2 = import_module("pypdfium2")
    raw = import_module("pypdfium2.raw")
    kept: dict[tuple[int, int, bool], Any] = {}

    def draw(pdf: bytes, dpi: int, is_grey: bool) -> U1:  # noqa: FBT001 a peer's one choice
        document = pypdfium2.PdfDocument(pdf)
        try:
            page = document[0]
            width, height = (round(length / _POINTS_AN_INCH * dpi) for length in page.get_size())
            # Fresh memory for every page would cost pdfium as much as it would cost us.
            if (width, height, is_grey) not in kept:
                form = raw.FPDFBitmap_Gray if is_grey else raw.FPDFBitmap_BGR
                kept.clear()
                kept[width, height, is_grey] = pypdfium2.PdfBitmap.new_native(width, height, form)
            bitmap = kept[width, height, is_grey]
            bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
            order = raw.FPDF_GRAYSCALE if is_grey else raw.FPDF_REVERSE_BYTE_ORDER
            raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, raw.FPDF_ANNOT | order)
            return _picture(bitmap.to_numpy(), is_grey=is_grey)
        finally:
            document.close()

    return f"pdfium {pypdfium2.PDFIUM_INFO.build} (pypdfium2 {version})", draw


def _mupdf() -> _Opened:
    version = version_of("pymupdf")
    pymupdf = import_module("pymupdf")
    # The array below looks into the last pixmap's memory, which goes when the pixmap goes.
    last: list[Any] = []

    def draw(pdf: bytes, dpi: int, is_grey: bool) -> U1:  # noqa: FBT001
        last.clear()
        with pymupdf.open(stream=pdf, filetype="pdf") as document:
            space = pymupdf.csGRAY if is_grey else pymupdf.csRGB
            drawn = document[0].get_pixmap(dpi=dpi, colorspace=space, alpha=False)
            last.append(drawn)
            pixels = np.frombuffer(drawn.samples_mv, np.uint8)
            return _picture(pixels.reshape(drawn.height, drawn.width, -1), is_grey=is_grey)

    return f"MuPDF {pymupdf.mupdf_version} (PyMuPDF {version})", draw


def _poppler() -> _Opened:
    program = shutil.which("pdftoppm")
    if program is None:
        raise PeerMissing("not installed: apt-get install poppler-utils")
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=True, timeout=_WAIT_S).stderr.split()

    def draw(pdf: bytes, dpi: int, is_grey: bool) -> U1:  # noqa: FBT001
        command = [program, "-r", str(dpi), "-singlefile", *(["-gray"] if is_grey else []), "-"]
        return _netpbm(subprocess.run(command, input=pdf, capture_output=True, check=True, timeout=_WAIT_S).stdout)

    return f"poppler {told[2]} (pdftoppm, a process a page)", draw


def _netpbm(data: bytes) -> U1:
    """Return the picture in a binary PPM or PGM of poppler's: three lines of text, then bytes."""
    kind, size, _, pixels = data.split(b"\n", _NETPBM_LINES)
    width, height = map(int, size.split())
    shape = (height, width, _RGB) if kind == b"P6" else (height, width)
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def _picture(pixels: U1, *, is_grey: bool) -> U1:
    """Return a picture whose one channel, if it has but one, is no axis of its own."""
    return pixels.reshape(pixels.shape[:2]) if is_grey else pixels
