import numpy as np
import pytest

from render.raster import palette as module
from render.raster.palette import (
    LEVELS,
    MAX_COLOURS,
    alpha_of_level,
    divide_255,
    level_of_coverage,
    lightness,
    make_palette,
    nearest_entries,
    pack,
    ramp,
    ramp_levels,
    unpack,
)

NO_COLOURS = np.zeros(0, np.uint32), np.zeros(0, np.int64)
BLACK, BROWN, RED = 0x000000, 0x800000, 0xE6161B


def test_division_by_255_rounds_exactly_for_every_product():
    products = np.arange(255 * 255 + 1, dtype=np.uint32)
    assert np.array_equal(divide_255(products), (products.astype(np.int64) * 2 + 255) // 510)


def test_colours_survive_packing():
    rgb = np.array([[1, 2, 3], [255, 0, 128]], np.uint8)
    assert pack(rgb).tolist() == [0x010203, 0xFF0080]
    assert np.array_equal(unpack(pack(rgb)), rgb)


@pytest.mark.parametrize("levels", [2, 4, 8, 16, 32, 64, 256])
def test_levels_are_the_nearest_and_reach_both_ends(levels):
    alpha = alpha_of_level(levels).astype(int)
    level = level_of_coverage(levels)
    assert (alpha[0], alpha[-1]) == (0, 255)
    error = np.abs(alpha[level] - np.arange(256))
    assert error.max() <= -(-255 // (2 * (levels - 1)))
    assert np.all(np.diff(level.astype(int)) >= 0)


def test_ramp_runs_from_white_to_the_ink():
    steps = ramp(BROWN, LEVELS)
    assert steps[0].tolist() == [255, 255, 255]
    assert steps[-1].tolist() == [128, 0, 0]
    assert np.all(np.diff(lightness(steps)) < 0)


def test_palette_is_sorted_from_white_to_dark_and_tones_climb():
    made = make_palette([BLACK, BROWN, RED], *NO_COLOURS)
    assert made.rgb[0].tolist() == [255, 255, 255]
    assert np.all(np.diff(lightness(made.rgb)) <= 0)
    for ink, tone in made.tones.items():
        assert tone[0] == 0
        assert np.all(np.diff(tone.astype(int)) >= 0)
        assert pack(made.rgb[tone[255]]) == ink
        expected = ramp(ink, LEVELS)[level_of_coverage(LEVELS)]
        assert np.array_equal(made.rgb[tone], expected)


def test_background_colours_are_exact_while_they_fit():
    rng = np.random.default_rng(3)
    # Sixteen steps apart, so that none is near enough to another to share its entry.
    colours = np.unique(pack((rng.integers(0, 16, (150, 3)) * 16).astype(np.uint8)))
    made = make_palette([BLACK], colours, np.ones(len(colours), np.int64))
    shown = pack(made.rgb[nearest_entries(colours, made)])
    assert np.array_equal(shown, colours)


def test_colours_too_near_to_tell_apart_share_an_entry():
    made = make_palette([BLACK], np.array([0xF00000, 0xF10101, 0xF20202], np.uint32), np.array([5, 9, 5]))
    shown = made.rgb[nearest_entries(np.array([0xF00000, 0xF10101, 0xF20202], np.uint32), made)]
    assert len(np.unique(shown, axis=0)) == 1
    assert shown[0].tolist() == [0xF1, 1, 1]


def test_many_colours_are_reduced_within_the_palette_and_stay_near():
    rng = np.random.default_rng(4)
    colours = np.unique(pack(rng.integers(0, 256, (20_000, 3)).astype(np.uint8)))
    made = make_palette([BLACK, BROWN], colours, np.ones(len(colours), np.int64))
    shown = made.rgb[nearest_entries(colours, made)].astype(int)
    distance = np.sqrt(((shown - unpack(colours).astype(int)) ** 2).sum(axis=1))
    assert len(made.rgb) == MAX_COLOURS
    # A regular grid of 216 colours would leave up to 44.
    assert distance.max() < 48
    assert distance.mean() < 26


def test_reduction_serves_the_most_pixels_first(monkeypatch):
    monkeypatch.setattr(module, "MAX_COLOURS", LEVELS + 1)
    colours = np.array([0x00FF00, 0x0000FF], np.uint32)
    for counts, kept in (([10, 1], 0x00FF00), ([1, 10], 0x0000FF)):
        made = make_palette([BLACK], colours, np.array(counts))
        assert kept in pack(made.rgb).tolist()


def test_more_inks_shorten_the_ramps_and_too_many_are_refused():
    assert [ramp_levels(n) for n in (1, 5, 12, 20, 30, 200)] == [16, 16, 16, 8, 4, 2]
    with pytest.raises(ValueError, match="255 inks"):
        ramp_levels(255)
    inks = [0x010000 * n for n in range(200)]
    made = make_palette(inks, *NO_COLOURS)
    assert all(pack(made.rgb[made.tones[ink][255]]) == ink for ink in inks)
