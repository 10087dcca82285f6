"""RGB in memory that is used again is that of the page, whatever was in it before."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.encode.rgb_pages import RgbPages
from render.pixels import OnGround, PageGround, PagePixels

HEIGHT, WIDTH = 43, 101
PALETTES = [np.random.default_rng(seed).integers(0, 256, (40, 3)).astype(np.uint8) for seed in range(2)]
GROUNDS = [PageGround(np.random.default_rng(seed).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)) for seed in (2, 3)]


def page(ground, palette, seed, share=0.2):
    rng = np.random.default_rng(seed)
    touched = (rng.random(HEIGHT) < share).astype(np.uint8)
    index = ground.index.copy()
    index[touched == 1] = rng.integers(0, 40, (int(touched.sum()), WIDTH))
    return PagePixels(index, palette, 300, is_checked=True, on_ground=OnGround(index, ground, touched))


pages_in_turn = st.lists(
    st.builds(
        page, st.sampled_from(GROUNDS), st.sampled_from(PALETTES), st.integers(0, 99), st.sampled_from([0, 0.2, 1])
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(pages_in_turn, st.sets(st.integers(0, 7)))
def test_pages_in_turn_are_each_as_if_drawn_anew(pages, plain):
    pages_of_thread = RgbPages()
    for place, pixels in enumerate(pages):
        of_nothing = PagePixels(pixels.index, pixels.palette, 300)
        found = pages_of_thread.rgb(of_nothing if place in plain else pixels)
        assert np.array_equal(found, pixels.palette[pixels.index])


def test_rows_that_equal_the_last_page_s_are_not_written():
    ground, pages_of_thread = GROUNDS[0], RgbPages()
    untouched = np.zeros(HEIGHT, np.uint8)
    first = PagePixels(ground.index, PALETTES[0], 300, on_ground=OnGround(ground.index, ground, untouched))
    pages_of_thread.rgb(first)
    pages_of_thread._rgb[20] = 77
    assert (pages_of_thread.rgb(first)[20] == 77).all()


def test_nothing_is_taken_as_known_of_a_copy_or_another_size():
    pages_of_thread, pixels = RgbPages(), page(GROUNDS[0], PALETTES[0], 5)
    pages_of_thread.rgb(pixels)
    other = (GROUNDS[0].index + 5) % 40
    copy = PagePixels(other, PALETTES[0], 300, on_ground=pixels.on_ground)
    assert np.array_equal(pages_of_thread.rgb(copy), PALETTES[0][other])
    assert pages_of_thread.rgb(PagePixels(other[:9], PALETTES[0], 300)).shape == (9, WIDTH, 3)


def test_what_is_shown_cannot_be_written_and_belongs_to_the_thread():
    pages_of_thread, pixels = RgbPages(), page(GROUNDS[0], PALETTES[0], 5)
    found = pages_of_thread.rgb(pixels)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
    before = found.copy()
    other = threading.Thread(target=lambda: pages_of_thread.rgb(page(GROUNDS[1], PALETTES[1], 6)))
    other.start()
    other.join()
    assert np.array_equal(found, before)
