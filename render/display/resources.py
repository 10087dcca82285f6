"""What a display list names by content hash and an exporter needs in hand: faces, pictures, backgrounds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList
from render.fonts.book import FontBook
from render.fonts.face import Face


@dataclass(frozen=True, eq=False)
class Picture:
    """A raster asset, such as the operator's seal.

    Attributes:
        rgba: uint8[height, width, 4], straight alpha.
        digest: ``sha256:<hex>`` over the size and the pixels.
    """

    rgba: NDArray[np.uint8]
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        self.rgba.flags.writeable = False
        state = hashlib.sha256(repr(self.rgba.shape).encode())
        state.update(np.ascontiguousarray(self.rgba).data)
        object.__setattr__(self, "digest", f"sha256:{state.hexdigest()}")


@dataclass(frozen=True, eq=False)
class Resources:
    """The content behind the hashes of a display list.

    Attributes:
        fonts: the faces that ``run_font`` indexes; ``DisplayList.fonts`` equals ``fonts.digests``.
        bases: background display lists by digest (``DisplayList.bases`` names them).
        pictures: pictures by digest (``DisplayList.images`` names them).
    """

    fonts: FontBook
    bases: Mapping[str, DisplayList] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)

    def face(self, digest: str) -> Face:
        """Return the face with this content hash."""
        return self.fonts.faces[self.fonts.digests.index(digest)]
