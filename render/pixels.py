"""Page pictures between the rasteriser and the encoders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class PagePixels:
    """One page as palette indices: every colour of the page is in the palette, so nothing is quantised.

    Attributes:
        index: uint8[height, width], C-contiguous.
        palette: uint8[n, 3] RGB, n ≤ 256.
        dpi: dots per inch.
    """

    index: NDArray[np.uint8]
    palette: NDArray[np.uint8]
    dpi: int

    def rgb(self) -> NDArray[np.uint8]:
        """Return uint8[height, width, 3]."""
        return self.palette[self.index]
