"""Pages as images of Pillow, for the formats that it writes."""

from __future__ import annotations

from PIL import Image

from render.pixels import PagePixels


def colour_image(pixels: PagePixels) -> Image.Image:
    """Return a page in RGB; its indices must be in its palette.

    Pillow looks the colours up itself: handed RGB, it would copy three bytes a pixel into its own four.
    """
    height, width = pixels.index.shape
    image = Image.frombuffer("P", (width, height), pixels.index, "raw", "P", 0, 1)
    image.putpalette(pixels.palette.tobytes())
    return image.convert("RGB")
