"""What a display list names by content hash and an exporter needs in hand: faces, pictures, backgrounds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render.display.list import DisplayList
from render.errors import ConfigError
from render.fonts.book import FontBook
from render.fonts.face import Face

MAX_PICTURE_PIXELS = 4_000_000


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

    @classmethod
    def open(cls, path: Path) -> Picture:
        """Read a PNG of at most MAX_PICTURE_PIXELS.

        Raises:
            ConfigError: missing, not a PNG, damaged or too large.
        """
        hint = f"Use a PNG of at most {MAX_PICTURE_PIXELS:,} pixels."
        try:
            with Image.open(path, formats=["PNG"]) as image:
                if image.width * image.height > MAX_PICTURE_PIXELS:
                    raise ConfigError(f"{path.name} has {image.width} × {image.height} pixels.", hint=hint)
                return cls(np.array(image.convert("RGBA"), np.uint8))
        except (OSError, SyntaxError, ValueError) as error:
            raise ConfigError(f"{path.name} cannot be read as a picture: {error}.", hint=hint) from error


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
