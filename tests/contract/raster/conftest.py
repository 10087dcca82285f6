"""What tests of pictures share: one workshop and the samples of every template."""

import pytest

from bench.cases.images_page import Workshop
from bench.cases.images_samples import samples

SAMPLES = {sample.name: sample for sample in samples()}


@pytest.fixture(scope="session")
def workshop(renderer):
    return Workshop(renderer)


@pytest.fixture(scope="session", params=SAMPLES)
def sample(request):
    """Every template in blue and in red, with one line and with forty."""
    return SAMPLES[request.param]
