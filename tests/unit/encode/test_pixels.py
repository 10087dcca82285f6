from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import render.pixels
from render.errors import InputError
from render.pixels import PagePixels, luma


def page(height=40, width=60, n_colours=200, seed=0):
    rng = np.random.default_rng(seed)
    index = rng.integers(0, n_colours, (height, width)).astype(np.uint8)
    # White runs of every length, as the kernels take them by the word.
    index[rng.random((height, width)).cumsum(axis=1) % 9 < 6] = 0
    return PagePixels(index, rng.integers(0, 256, (n_colours, 3)).astype(np.uint8), 300)


@given(st.integers(1, 40), st.integers(1, 90), st.integers(1, 256), st.integers(0, 99))
def test_every_pixel_gets_its_palette_entry(height, width, n_colours, seed):
    pixels = page(height, width, n_colours, seed)
    colours = pixels.palette[pixels.index]
    assert np.array_equal(pixels.rgb(), colours)
    # Halves go up, which np.rint would not do.
    exact = (colours.astype(int) * [2 * 299, 2 * 587, 2 * 114]).sum(axis=2) + 1000
    assert np.array_equal(pixels.grey(), exact // 2000)
    assert np.array_equal(pixels.ink(170), exact // 2000 < 170)


def test_luma_is_the_nearest_integer_to_the_formula_of_bt_601():
    rng = np.random.default_rng(4)
    palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    for (red, green, blue), found in zip(palette.tolist(), luma(palette).tolist(), strict=True):
        exact = Fraction(299 * red + 587 * green + 114 * blue, 1000)
        assert abs(exact - found) <= Fraction(1, 2)


def test_greys_keep_their_value():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert luma(greys).tolist() == list(range(256))


@pytest.mark.parametrize("convert", [PagePixels.rgb, PagePixels.grey], ids=["rgb", "grey"])
def test_given_memory_is_filled_and_returned(convert):
    pixels = page()
    expected = convert(pixels)
    out = np.full_like(expected, 77)
    assert convert(pixels, out) is out
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("start", range(9))
@pytest.mark.parametrize("convert", [PagePixels.rgb, PagePixels.grey], ids=["rgb", "grey"])
def test_memory_that_begins_anywhere_is_read_and_written(convert, start):
    pixels = page(7, 41)
    memory = np.zeros(pixels.index.size + start, np.uint8)
    memory[start:] = pixels.index.reshape(-1)
    moved = PagePixels(memory[start:].reshape(7, 41), pixels.palette, 300)
    expected = convert(pixels)
    out = np.zeros(expected.size + start, np.uint8)[start:].reshape(expected.shape)
    assert np.array_equal(convert(moved, out), expected)


def test_pixels_without_numba_are_the_same(monkeypatch):
    pixels = page()
    expected = pixels.rgb(), pixels.grey()
    monkeypatch.setattr(render.pixels, "_expander", lambda: render.pixels.expand_words)
    monkeypatch.setattr(render.pixels, "_translator", lambda: render.pixels.translate_words)
    assert np.array_equal(pixels.rgb(), expected[0])
    assert np.array_equal(pixels.grey(), expected[1])


def test_kernels_do_as_python_what_they_do_compiled():
    pixels = page(4, 64)
    words = pixels.index.reshape(-1).view(np.uint64)
    table = np.zeros(256, np.uint64)
    table[:200] = pixels.palette.astype(np.uint64) @ np.array([1, 1 << 8, 1 << 16], np.uint64)
    out = np.zeros(words.size * 3, np.uint64)
    with np.errstate(over="ignore"):
        render.pixels.expand_words(words, table, out)
        assert np.array_equal(out.view(np.uint8).reshape(4, 64, 3), pixels.rgb())
        table[:200] = luma(pixels.palette)
        render.pixels.translate_words(words, table, out[: words.size])
    assert np.array_equal(out[: words.size].view(np.uint8).reshape(4, 64), pixels.grey())


def test_read_only_pages_are_read():
    pixels = page()
    pixels.index.flags.writeable = False
    assert np.array_equal(pixels.rgb(), pixels.palette[pixels.index])


@pytest.mark.parametrize("convert", [PagePixels.rgb, PagePixels.grey], ids=["rgb", "grey"])
def test_index_outside_the_palette_is_refused(convert):
    pixels = PagePixels(np.full((4, 4), 9, np.uint8), np.zeros((9, 3), np.uint8), 300)
    with pytest.raises(InputError) as caught:
        convert(pixels)
    assert caught.value.faults[0].rule == "encode.index_range"


@pytest.mark.parametrize(
    "out",
    [np.zeros((39, 60), np.uint8), np.zeros((40, 60), np.int8), np.zeros((60, 40), np.uint8).T],
    ids=["shape", "type", "layout"],
)
def test_memory_that_does_not_fit_is_refused(out):
    with pytest.raises(InputError) as caught:
        page().grey(out)
    assert caught.value.faults[0].rule == "encode.out_shape"
