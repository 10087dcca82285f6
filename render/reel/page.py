"""What goes into a reel and comes out of it: pages with a name."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.errors import Fault, InputError
from render.pixels import PagePixels

U1 = NDArray[np.uint8]

MAX_PAGE_PIXELS = 40_000_000
"""A4 at 600 dpi has 35 million."""

MAX_SIDE = 16_000
MAX_NAME_CHARS = 120
# A page's name becomes a file's name: no folder, no hidden file, nothing that a terminal would obey.
_NAME = re.compile(r"[\w][\w .()+~,=@#-]*")


@dataclass(frozen=True, eq=False, slots=True)
class RgbPixels:
    """One page of any number of colours.

    Attributes:
        rgb: uint8[height, width, 3], C-contiguous.
        dpi: dots per inch.
    """

    rgb: U1
    dpi: int


Pixels = PagePixels | RgbPixels


@dataclass(frozen=True, eq=False, slots=True)
class ReelPage:
    """One page of a reel.

    Attributes:
        name: unique in its reel; becomes the file name when the page is taken out.
        number: invoice number (发票号码), empty for a picture.
        page: of the invoice or picture file, from 1.
    """

    name: str
    pixels: Pixels
    number: str = ""
    page: int = 1

    @property
    def size_px(self) -> tuple[int, int]:
        """Return width and height."""
        return size_of(self.pixels)


def size_of(pixels: Pixels) -> tuple[int, int]:
    """Return width and height in pixels."""
    height, width = (pixels.index if isinstance(pixels, PagePixels) else pixels.rgb).shape[:2]
    return width, height


def is_name(name: str) -> bool:
    """Tell whether a page may have this name."""
    return len(name) <= MAX_NAME_CHARS and _NAME.fullmatch(name) is not None and name == name.strip()


def is_size(size_px: tuple[int, int]) -> bool:
    """Tell whether a page may have this size in pixels."""
    width, height = size_px
    return 1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PAGE_PIXELS


def check_page(page: ReelPage, frame_px: tuple[int, int]) -> None:
    """Check a page before it is put into frames of this size.

    Raises:
        InputError: its name or its size cannot be taken.
    """
    faults = []
    if not is_name(page.name):
        hint = f"Use 1 to {MAX_NAME_CHARS} letters, digits, spaces and . ( ) + ~ , = @ # - _, a letter or digit first."
        faults.append(Fault("name", "reel.name", f"a page cannot be named {page.name!r}.", hint))
    (width, height), (most_x, most_y) = page.size_px, frame_px
    if not is_size(page.size_px):
        message = f"{width} × {height} pixels are none, or too many."
        faults.append(Fault("pixels", "reel.page_pixels", message, f"Give 1 to {MAX_PAGE_PIXELS:,} pixels."))
    elif width > most_x or height > most_y:
        message = f"{width} × {height} pixels do not fit a frame of {most_x} × {most_y}."
        faults.append(Fault("frame_px", "reel.frame_too_small", message, "State the largest page's size."))
    if faults:
        raise InputError(f"page {page.name!r} cannot be put into the reel.", faults=tuple(faults))
