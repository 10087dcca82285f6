"""The invoice's QR code as rectangles: one for each run of dark modules in a row."""

from __future__ import annotations

import numpy as np
import segno
from numpy.typing import NDArray
from segno.encoder import DataOverflowError

from render.errors import ContentOverflow, Fault, InvoiceInvalid
from render.layout import qr_symbol
from render.layout.kernels import qr
from render.templates.spec import Box


def qr_rects(text: str, box_um: Box) -> NDArray[np.int32]:
    """Return int32[n,4] rectangles of a QR code, level M and version 4 or the smallest above that holds the text.

    Modules are equal squares of whole micrometres, the largest that fit, in the middle of the box: at
    most a micrometre a module stays empty. There is no quiet zone: the form leaves white around the box.

    Raises:
        InvoiceInvalid: the text is empty.
        ContentOverflow: the text is longer than any QR code holds.
    """
    modules = _modules(text)
    size = len(modules)
    left, top, right, bottom = box_um
    module = min(right - left, bottom - top) // size
    left += (right - left - size * module) // 2
    top += (bottom - top - size * module) // 2
    rects = np.empty((size * (size + 1) // 2, 4), np.int32)
    return rects[: qr.rectangles(modules, left, top, module, rects)]


def _modules(text: str) -> NDArray[np.uint8]:
    if text.isascii() and 0 < len(text) <= qr_symbol.MAX_BYTES:
        return qr_symbol.encode(text.encode("ascii"))
    if not text:
        fault = Fault("qr_text", "qr.empty", "there is no text for the QR code.", "Leave qr_text out to have it made.")
        raise InvoiceInvalid("the QR code cannot be made.", faults=(fault,))
    version = None
    try:
        smallest = segno.make(text, error="m", micro=False, boost_error=False)
        version = max(int(smallest.version), qr_symbol.VERSION)
        symbol = segno.make(text, error="m", version=version, boost_error=False)
    except DataOverflowError as error:
        fault = Fault("qr_text", "layout.overflow", f"{len(text)} characters fit no QR code.", "Shorten the text.")
        raise ContentOverflow("the QR code cannot be made.", faults=(fault,)) from error
    return np.array([list(row) for row in symbol.matrix], np.uint8)
