"""What a peer is: a function that draws an invoice as PDF, open for as long as its context lasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

import freetype

from render.model.invoice import Invoice

Draw = Callable[[Invoice], bytes]
"""Returns the PDF file of an invoice."""


class PeerMissing(Exception):  # noqa: N818 a fact about this machine, not a fault of the program
    """A peer is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class PeerFont:
    """One font file, and what its own tables say of it."""

    path: Path

    @cached_property
    def family(self) -> str:
        """The name by which fontconfig and browsers know the font."""
        return str(self._face.family_name.decode("ascii"))

    @cached_property
    def baseline(self) -> float:
        """From the top of a line as high as its font size down to the baseline, in parts of that size."""
        face = self._face
        return float(0.5 + (face.ascender + face.descender) / (2 * face.units_per_EM))

    @property
    def _face(self) -> freetype.Face:
        return freetype.Face(str(self.path))


@dataclass(frozen=True, slots=True)
class PeerFonts:
    """The font of all Chinese text, and that of tax ids."""

    kai: PeerFont
    mono: PeerFont


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution.

    Raises:
        PeerMissing: it is not installed.
    """
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError as error:
        raise PeerMissing(f"not installed: pip install {distribution}") from error
