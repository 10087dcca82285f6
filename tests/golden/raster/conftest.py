import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "raster"))

import raster_samples


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    return raster_samples.shapes_book(tmp_path_factory.mktemp("fonts"))


@pytest.fixture(scope="session")
def form(shapes):
    return raster_samples.page(shapes, raster_samples.form)
