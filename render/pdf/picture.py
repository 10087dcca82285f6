"""Pictures as image XObjects with their transparency as a soft mask."""

from __future__ import annotations

import numpy as np

from render.display.resources import Picture
from render.pdf.body import Body
from render.pdf.deflate import deflate_once
from render.pdf.syntax import stream

_OPAQUE = 255


class PictureBlock:
    """A picture compressed once, to be put into any number of files."""

    def __init__(self, picture: Picture) -> None:
        height, width = picture.rgba.shape[:2]
        alpha = picture.rgba[:, :, 3]
        # Colour that cannot be seen only costs bytes.
        colour = np.where(alpha[:, :, None] == 0, np.uint8(_OPAQUE), picture.rgba[:, :, :3])
        self._entries = f"/Type/XObject/Subtype/Image/Width {width}/Height {height}/BitsPerComponent 8"
        self._colour = deflate_once(colour.tobytes())
        self._alpha = None if (alpha == _OPAQUE).all() else deflate_once(alpha.tobytes())

    @property
    def is_transparent(self) -> bool:
        """True where the picture needs a soft mask."""
        return self._alpha is not None

    def write(self, body: Body) -> int:
        """Append the picture's objects and return the image's number."""
        entries = f"{self._entries}/ColorSpace/DeviceRGB/Filter/FlateDecode"
        if self._alpha is not None:
            mask = body.place(stream(f"{self._entries}/ColorSpace/DeviceGray/Filter/FlateDecode", self._alpha))
            entries += f"/SMask {mask} 0 R"
        return body.place(stream(entries, self._colour))
