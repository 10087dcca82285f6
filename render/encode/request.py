"""What an encoder is asked for, and the faults that every format refuses alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from render.errors import Fault, InputError
from render.pixels import MAX_PALETTE, PagePixels, luma

NO_TEXT: Mapping[str, str] = MappingProxyType({})

MAX_QUALITY = 100


def level_faults(level: str, levels: Sequence[str]) -> list[Fault]:
    """Return what is wrong with the name of a level."""
    if level in levels:
        return []
    return [Fault("level", "encode.level_unknown", f"no level {level!r}.", f"Choose from {', '.join(levels)}.")]


def page_faults(pixels: PagePixels, max_side: int, max_dpi: int) -> list[Fault]:
    """Return what stands between a page and a format.

    Args:
        pixels: the page.
        max_side: most pixels that the format can have in a row or a column.
        max_dpi: highest resolution that it can state.
    """
    shape, n_colours = pixels.index.shape, len(pixels.palette)
    if len(shape) != 2 or not pixels.index.size or not 1 <= n_colours <= MAX_PALETTE:
        message = f"{shape} pixels with {n_colours} colours."
        return [Fault("pixels", "encode.page_shape", message, "Give at least one pixel and 1 to 256 colours.")]
    faults = []
    if max(shape) > max_side:
        message = f"{shape[1]} × {shape[0]} pixels exceed the {max_side:,} of the format."
        faults.append(Fault("pixels", "encode.page_size", message, "Choose a lower resolution or another format."))
    if pixels.has_strays():
        faults.append(Fault("pixels", "encode.index_range", "an index is outside the palette.", "Extend the palette."))
    if not 1 <= pixels.dpi <= max_dpi:
        message = f"{pixels.dpi} dpi cannot be stated."
        faults.append(Fault("dpi", "encode.dpi_range", message, f"Choose 1 to {max_dpi:,}."))
    return faults


def refuse(faults: Sequence[Fault], name: str) -> None:
    """Raise InputError if there are faults.

    Args:
        faults: what was found.
        name: of the format, for people.

    Raises:
        InputError: with all of them.
    """
    if faults:
        raise InputError(f"the page cannot be written as {name}.", faults=tuple(faults))


def check_quality(quality: int) -> int:
    """Return the quality of a lossy encoder.

    Raises:
        InputError: it is outside 1 … 100.
    """
    if not 1 <= quality <= MAX_QUALITY:
        fault = Fault("quality", "encode.quality_range", f"quality {quality} is out of range.", "Choose 1 to 100.")
        raise InputError("the picture cannot be encoded.", faults=(fault,))
    return quality


def in_grey(pixels: PagePixels) -> PagePixels:
    """Return the page with the luma of each colour in all three channels."""
    return replace(pixels, palette=np.repeat(luma(pixels.palette)[:, None], 3, axis=1))
