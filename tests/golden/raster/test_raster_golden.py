"""Pages of the tiny font: one to be read as characters, the others as digests at every resolution."""

import hashlib

import numpy as np
import raster_samples

from render.raster.api import Rasterizer
from render.raster.palette import lightness

SHADES = " .:-=+*#%@"


def draw(shapes, form, dpi):
    display = raster_samples.page(shapes, raster_samples.values, base=form.digest)
    (pixels,) = Rasterizer(raster_samples.resources(shapes, [form]), dpi).rasterize(display)
    return pixels


def test_page_reads_as_drawn(shapes, form, golden):
    pixels = draw(shapes, form, 254)
    darkness = (255_000 - lightness(pixels.palette)) * (len(SHADES) - 1)
    shade = np.array(list(SHADES))[-(-darkness // 255_000)]
    golden("raster/page.txt", "".join("".join(row).rstrip() + "\n" for row in shade[pixels.index]))


def test_digests_at_every_resolution(shapes, form, golden):
    lines = []
    for dpi in (72, 96, 150, 200, 300, 400, 600):
        pixels = draw(shapes, form, dpi)
        height, width = pixels.index.shape
        digest = hashlib.blake2b(pixels.index.tobytes() + pixels.palette.tobytes(), digest_size=16).hexdigest()
        lines.append(f"{dpi} dpi {width} × {height} {len(pixels.palette)} colours {digest}\n")
    golden("raster/digests.txt", "".join(lines))
