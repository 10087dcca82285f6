import pytest
import raster_samples

from render.raster.api import Rasterizer


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """The FontBook of the tiny font."""
    return raster_samples.shapes_book(tmp_path_factory.mktemp("fonts"))


@pytest.fixture(scope="session")
def form(shapes):
    """A small background with all that a template has."""
    return raster_samples.page(shapes, raster_samples.form)


@pytest.fixture(scope="session")
def draw(shapes):
    """Return a function that draws one page's items at 254 dpi, where a pixel is 100 µm, and returns its pixels."""

    def draw(items, *, base=None, pictures=(), dpi=254, backend="auto", **size):
        display = raster_samples.page(shapes, items, base=base.digest if base else None, **size)
        known = raster_samples.resources(shapes, [base] if base else [], pictures)
        (pixels,) = Rasterizer(known, dpi, backend=backend).rasterize(display)
        return pixels

    return draw
