"""A level for each colour: distinct, ordered like luma, and near it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.errors import InputError
from render.pixels import luma
from render.reel.levels import inverse, levels_of, translate
from tests.unit.reel import reel_samples


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=256))
def test_every_entry_has_a_level_of_its_own_in_the_order_of_luma(colours):
    palette = np.array(colours, np.uint8)
    levels = levels_of(palette)
    assert len(set(levels.tolist())) == len(colours)
    order = np.argsort(luma(palette), kind="stable")
    assert (np.diff(levels[order].astype(int)) > 0).all()
    assert inverse(levels)[levels].tolist() == list(range(len(colours)))


def test_levels_of_greys_are_the_greys():
    greys = np.repeat(np.arange(0, 256, 15, dtype=np.uint8)[:, None], 3, axis=1)
    assert levels_of(greys).tolist() == greys[:, 0].tolist()


def test_a_full_palette_of_one_colour_uses_every_level():
    assert sorted(levels_of(np.full((256, 3), 200, np.uint8)).tolist()) == list(range(256))


def test_translation_refuses_what_the_table_lacks():
    values = np.array([[0, 5]], np.uint8)
    with pytest.raises(InputError):
        translate(values, np.array([7, 8], np.uint8))


def test_levels_stay_near_the_luma_of_a_page():
    page = reel_samples.indexed()
    distance = np.abs(levels_of(page.palette).astype(int) - luma(page.palette))
    assert distance.max() <= 1
