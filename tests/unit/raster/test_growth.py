"""Memory of a process that draws and encodes page after page."""

import os
from pathlib import Path

import numpy as np
import pytest
import raster_samples

from render.display.batch import concat
from render.encode.api import encoder
from render.raster.api import Rasterizer

PAGES, BATCH = 10_000, 50
MOST_BYTES_A_PAGE = 300
STATM = Path("/proc/self/statm")


def resident_bytes():
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from Linux's /proc")
def test_ten_thousand_pages_do_not_grow_the_process(shapes, form, capsys):
    size = {"width_um": 210_000, "height_um": 140_000}
    wide_form = raster_samples.page(shapes, raster_samples.form, **size)
    known = raster_samples.resources(shapes, [form, wide_form])
    rasterizer, png = Rasterizer(known, 150), encoder("png")
    rng, seen, n_bytes = np.random.default_rng(1), [], 0
    for first in range(0, PAGES, BATCH):
        shifts = rng.integers(0, 130_000, BATCH).tolist()
        documents = [
            raster_samples.page(shapes, lambda b, s=s: raster_samples.values(b, s), base=wide_form.digest, **size)
            for s in shifts
        ]
        for page in rasterizer.rasterize(concat(documents)):
            n_bytes += len(png.encode(page))
        seen.append((first + BATCH, resident_bytes()))
    pages, resident = np.array(seen[len(seen) // 5 :]).T
    slope = float(np.polyfit(pages, resident, 1)[0])
    with capsys.disabled():
        print(f" {PAGES:,} pages, {n_bytes:,} bytes of PNG: {resident[-1] / 1e6:.0f} MB, {slope:+.1f} bytes a page")
    assert slope < MOST_BYTES_A_PAGE
