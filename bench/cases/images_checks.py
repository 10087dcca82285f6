"""Looks at pictures before they are timed: the same pixels where nothing may be lost, and a QR code that is read."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from bench import checks
from bench.peers.image_codecs import Shown
from render.model.invoice import Invoice

U1 = NDArray[np.uint8]

_FULL_COLOUR = 0
_MOST_MEAN_ERROR = 4.0
_MIDDLE = 128


def file_problems(form: str, data: bytes, page: Shown, invoice: Invoice) -> list[str]:
    """Return what is wrong with a file, read by Pillow.

    Args:
        form: the format, as in :class:`bench.peers.image_codecs.Codec`.
        data: the file.
        page: what it was made of.
        invoice: what its QR code must state.
    """
    with Image.open(io.BytesIO(data)) as picture:
        wide = np.asarray(picture.convert("RGB"))
        sampling = JpegImagePlugin.get_sampling(picture) if form == "jpeg" else _FULL_COLOUR
    if wide.shape != page.rgb.shape:
        return [f"{wide.shape} pixels instead of {page.rgb.shape}"]
    problems = checks.qr_problems(invoice, Image.fromarray(wide))
    if form == "jpeg":
        error = float(np.abs(wide.astype(np.int16) - page.rgb).mean())
        problems += [f"the mean error is {error:.2f}"] if error > _MOST_MEAN_ERROR else []
        problems += ["colour is subsampled"] if sampling != _FULL_COLOUR else []
    elif form == "g4":
        is_other = (wide[..., 0] < _MIDDLE) != (page.grey < page.ink_below)
        problems += [f"{np.count_nonzero(is_other)} pixels differ"] if is_other.any() else []
    elif not np.array_equal(wide, page.rgb):
        problems.append(f"{np.count_nonzero((wide != page.rgb).any(axis=2))} pixels differ")
    return problems


def drawn_problems(drawn: U1, expected: tuple[int, int], invoice: Invoice) -> list[str]:
    """Return what is wrong with a rasteriser's picture: its size, within a pixel, or its QR code.

    Args:
        drawn: uint8[height, width] or uint8[height, width, 3].
        expected: our height and width.
        invoice: what its QR code must state.
    """
    height, width = drawn.shape[:2]
    if abs(height - expected[0]) > 1 or abs(width - expected[1]) > 1:
        return [f"{width} × {height} pixels instead of {expected[1]} × {expected[0]}"]
    return checks.qr_problems(invoice, Image.fromarray(drawn))
