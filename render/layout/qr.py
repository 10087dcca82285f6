"""The QR codes of invoices as rectangles: one for each run of dark modules in a row, and the same run below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import segno
from numpy.typing import NDArray
from segno.encoder import DataOverflowError

from render.errors import ContentOverflow, Fault, InvoiceInvalid, KaipiaoError
from render.layout import qr_symbol
from render.layout.kernels import qr
from render.templates.spec import Box


class QrSymbols:
    """QR codes of level M and version 4, or the smallest above that holds its text, all in the same box.

    Modules are equal squares of whole micrometres, the largest that fit, in the middle of the box: at
    most a micrometre a module stays empty. There is no quiet zone: the form leaves white around the box.

    Attributes:
        errors: for each text what stands against it: InvoiceInvalid where it is empty, ContentOverflow where it is
            longer than any QR code holds, or None.
    """

    def __init__(self, texts: Sequence[str], box_um: Box) -> None:
        self.errors: list[KaipiaoError | None] = [None] * len(texts)
        self._symbols: list[tuple[NDArray[np.int32], Box]] = [(np.zeros((0, 4), np.int32), box_um)] * len(texts)
        plain = [place for place, text in enumerate(texts) if text.isascii() and 0 < len(text) <= qr_symbol.MAX_BYTES]
        if plain:
            symbol_um = _symbol_box(box_um, qr_symbol.SIZE)
            left, top, module = *symbol_um[:2], _module_um(box_um, qr_symbol.SIZE)
            rects, ends = qr_symbol.encode([texts[place].encode("ascii") for place in plain], left, top, module)
            begin = 0
            for place, end in zip(plain, ends, strict=True):
                self._symbols[place] = rects[begin:end], symbol_um
                begin = end
        for place in {*range(len(texts))}.difference(plain):
            try:
                self._symbols[place] = _symbol(texts[place], box_um)
            except KaipiaoError as error:
                self.errors[place] = error

    def rects(self, place: int) -> NDArray[np.int32]:
        """Return int32[n,4] rectangles of one code; ``place`` is its text's."""
        return self._symbols[place][0]

    def box_um(self, place: int) -> Box:
        """Return the smallest box about one code."""
        return self._symbols[place][1]


def _module_um(box_um: Box, size: int) -> int:
    left, top, right, bottom = box_um
    return min(right - left, bottom - top) // size


def _symbol_box(box_um: Box, size: int) -> Box:
    """Return the square that a symbol of so many modules fills: the patterns in its corners reach all four sides."""
    left, top, right, bottom = box_um
    side = size * _module_um(box_um, size)
    left += (right - left - side) // 2
    top += (bottom - top - side) // 2
    return left, top, left + side, top + side


def _symbol(text: str, box_um: Box) -> tuple[NDArray[np.int32], Box]:
    """Return the rectangles of any text and the box about them.

    Raises:
        InvoiceInvalid: the text is empty.
        ContentOverflow: the text is longer than any QR code holds.
    """
    modules = _modules(text)
    size = len(modules)
    symbol_um = _symbol_box(box_um, size)
    rects = np.empty((size * (size + 1) // 2, 4), np.int32)
    return rects[: qr.rectangles(modules, *symbol_um[:2], _module_um(box_um, size), rects)], symbol_um


def _modules(text: str) -> NDArray[np.uint8]:
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
