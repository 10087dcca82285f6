"""Small pages of text-like marks, the same each time."""

import numpy as np

from render.pixels import PagePixels
from render.reel.page import ReelPage, RgbPixels
from render.reel.settings import Device, ReelSettings

SIZE = (212, 171)
PALETTE = np.array([[255, 255, 255], [0, 0, 0], [128, 30, 30], [200, 200, 200], [201, 200, 199], [0, 0, 60]], np.uint8)


def settings(**changes):
    return ReelSettings(**{"device": Device.CPU, "keyframe_every": 4, **changes})


def indexed(seed=0, size=SIZE, palette=PALETTE, dpi=300):
    rng = np.random.default_rng(seed)
    width, height = size
    index = np.zeros((height, width), np.uint8)
    for _ in range(40):
        top, left = rng.integers(0, height), rng.integers(0, width)
        index[top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] = rng.integers(0, len(palette))
    return PagePixels(index, palette, dpi)


def photo(seed=0, size=SIZE, dpi=300):
    width, height = size
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 255, width)[None, :, None] + np.zeros((height, 1, 3))
    return RgbPixels(np.clip(slope + rng.normal(0, 9, (height, width, 3)), 0, 255).astype(np.uint8), dpi)


def pages(count, **changes):
    for place in range(count):
        yield ReelPage(f"page {place + 1}", indexed(place, **changes), f"{place // 2:020d}", place % 2 + 1)
