"""RGB in memory that is used again is that of the page, whatever was in it before."""

import threading
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.encode.rgb_pages import RgbPages
from render.errors import InputError
from render.pixels import OnGround, PageGround, PagePixels, touched_span

HEIGHT, WIDTH = 43, 301
SPAN = touched_span(WIDTH)
PALETTES = [np.random.default_rng(seed).integers(0, 256, (40, 3)).astype(np.uint8) for seed in range(2)]
GROUNDS = [PageGround(np.random.default_rng(seed).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)) for seed in (2, 3)]


def page(ground, palette, seed, share=0.2):
    rng = np.random.default_rng(seed)
    spans = rng.random((HEIGHT, -(-WIDTH // SPAN))) < share
    touched = (spans << np.arange(spans.shape[1])).sum(axis=1).astype(np.uint64)
    differs = spans.repeat(SPAN, axis=1)[:, :WIDTH]
    index = ground.index.copy()
    index[differs] = rng.integers(0, 40, int(differs.sum())) * (rng.random(int(differs.sum())) < 0.5)
    return PagePixels(index, palette, 300, is_checked=True, on_ground=OnGround(index, ground, touched))


pages_in_turn = st.lists(
    st.builds(
        page, st.sampled_from(GROUNDS), st.sampled_from(PALETTES), st.integers(0, 99), st.sampled_from([0, 0.2, 1])
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(pages_in_turn, st.sets(st.integers(0, 7)), st.booleans())
def test_pages_in_turn_are_each_as_if_drawn_anew(pages, plain, is_compiled):
    pages_of_thread = RgbPages()
    for place, pixels in enumerate(pages):
        of_nothing = PagePixels(pixels.index, pixels.palette, 300)
        with nullcontext() if is_compiled else patch("render.encode.rgb_pages._mender", lambda: None):
            found = pages_of_thread.rgb(of_nothing if place in plain else pixels)
        assert np.array_equal(found, pixels.palette[pixels.index])


def test_what_equals_the_last_page_is_not_written():
    ground, pages_of_thread = GROUNDS[0], RgbPages()
    touched = np.zeros(HEIGHT, np.uint64)
    touched[20] = 2
    first = PagePixels(
        ground.index, PALETTES[0], 300, is_checked=True, on_ground=OnGround(ground.index, ground, touched)
    )
    pages_of_thread.rgb(first)
    pages_of_thread._rgb[20:22] = 77
    found, expected = pages_of_thread.rgb(first), PALETTES[0][ground.index]
    # A span, rounded outwards to whole words.
    assert (found[20, : SPAN - 8] == 77).all()
    assert np.array_equal(found[20, SPAN : 2 * SPAN], expected[20, SPAN : 2 * SPAN])
    assert (found[20, 2 * SPAN + 8 :] == 77).all()
    assert (found[21] == 77).all()


def test_strays_are_refused_also_where_only_a_part_is_written():
    index, ground = GROUNDS[0].index.copy(), GROUNDS[0]
    pages_of_thread = RgbPages()
    touched = np.full(HEIGHT, 1, np.uint64)
    pages_of_thread.rgb(PagePixels(ground.index, PALETTES[0], 300, on_ground=OnGround(ground.index, ground, touched)))
    index[3, 5] = 200
    with pytest.raises(InputError):
        pages_of_thread.rgb(PagePixels(index, PALETTES[0], 300, on_ground=OnGround(index, ground, touched)))


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
