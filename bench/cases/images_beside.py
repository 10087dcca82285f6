"""Our page beside pdfium's picture of our PDF, at exactly the same scale, and how far the two are apart."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from render.display.list import DisplayList, Kind
from render.units import PT_PER_INCH, UM_PER_INCH, UM_PER_MM, um_to_px

U1 = NDArray[np.uint8]

BLOCK_MM = 2
_WHITE = (255, 255, 255, 255)
_MIDDLE = 128
_LEAST_OF_A_CODE = 32


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two pictures of one page are apart, in levels of 0 to 255.

    Attributes:
        similarity: structural similarity (SSIM) of their luma, 1 = the same.
        most: greatest difference of a pixel's luma; 255 where an edge lies on the next pixel.
        mean: mean difference of luma.
        block: greatest difference in mean luma of a square of BLOCK_MM: what is missing, twice there or elsewhere
            shows here, and an edge that lies half a pixel aside does not.
    """

    similarity: float
    most: float
    mean: float
    block: float


def draw_with_pdfium(pdf: bytes, page: int, shape: tuple[int, int], dpi: int) -> U1:
    """Return a page of a PDF as uint8[height, width, 3].

    Its own rounding of the size would stretch the page, so the matrix states the scale.

    Args:
        pdf: the file.
        page: from 0.
        shape: height and width in pixels.
        dpi: dots per inch.
    """
    height, width = shape
    bitmap = pypdfium2.PdfBitmap.new_native(width, height, pdfium.FPDFBitmap_BGR)
    bitmap.fill_rect(_WHITE, 0, 0, width, height)
    scale = dpi / PT_PER_INCH
    matrix, clip = pdfium.FS_MATRIX(scale, 0, 0, scale, 0, 0), pdfium.FS_RECTF(0, 0, width, height)
    with pypdfium2.PdfDocument(pdf) as document:
        pdfium.FPDF_RenderPageBitmapWithMatrix(bitmap, document[page], matrix, clip, pdfium.FPDF_ANNOT)
        return np.ascontiguousarray(bitmap.to_numpy()[..., ::-1])


def level_codes(ours: U1, theirs: U1, display: DisplayList, page: int, dpi: int) -> U1:
    """Return pdfium's picture with each QR code as in ours, where the middles of all its modules are.

    The PDF holds a code as a stencil mask, whose edges pdfium smooths and lays on whole pixels. What a code says shows
    in the middles of its modules; a code with any other module stays as it is.

    Args:
        ours: uint8[height, width, 3].
        theirs: likewise.
        display: holds the page.
        page: its number in the list.
        dpi: dots per inch.
    """
    levelled = theirs.copy()
    first, end = display.page_item_off[page : page + 2].tolist()
    for item in range(first, end):
        if display.item_kind[item] != Kind.RECTS:
            continue
        begin, stop = display.rectset_off[display.item_ref[item] :][:2].tolist()
        rects = display.rect_um[begin:stop]
        if len(rects) < _LEAST_OF_A_CODE:
            continue
        left, top, right, bottom = display.item_bbox_um[item].tolist()
        module = int((rects[:, 2:] - rects[:, :2]).min())
        sides = (left, right), (top, bottom)
        columns, rows = (np.arange(low + module // 2, high, module) * dpi // UM_PER_INCH for low, high in sides)
        middles = np.ix_(rows, columns)
        if np.array_equal(_luma(ours)[middles] < _MIDDLE, _luma(theirs)[middles] < _MIDDLE):
            beside = module * dpi // UM_PER_INCH
            box = tuple(slice(line[0] - beside, line[-1] + beside + 1) for line in (rows, columns))
            levelled[box] = ours[box]
    return levelled


def distance(ours: U1, theirs: U1, dpi: int) -> Distance:
    """Measure two pictures of a page, uint8[height, width, 3] each."""
    # A dependency of the tests: cases that measure speed alone do without.
    similarity = import_module("skimage.metrics").structural_similarity
    one, other = _luma(ours), _luma(theirs)
    apart = one - other
    side = um_to_px(BLOCK_MM * UM_PER_MM, dpi)
    height, width = (length // side * side for length in one.shape)
    blocks = apart[:height, :width].reshape(height // side, side, width // side, side).mean(axis=(1, 3))
    return Distance(
        similarity=float(similarity(one, other, data_range=255)),
        most=float(np.abs(apart).max()),
        mean=float(np.abs(apart).mean()),
        block=float(np.abs(blocks).max()),
    )


def _luma(rgb: U1) -> NDArray[np.float32]:
    return np.round(rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
