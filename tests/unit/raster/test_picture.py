import numpy as np

from render.raster.picture import resample


def test_same_size_returns_the_same_pixels():
    rgba = np.random.default_rng(1).integers(0, 256, (9, 7, 4)).astype(np.uint8)
    rgba[..., 3] = np.maximum(rgba[..., 3], 1)
    assert np.array_equal(resample(rgba, 7, 9), rgba)


def test_doubling_repeats_pixels():
    rgba = np.random.default_rng(2).integers(1, 256, (3, 4, 4)).astype(np.uint8)
    assert np.array_equal(resample(rgba, 8, 6), rgba.repeat(2, axis=0).repeat(2, axis=1))


def test_halving_averages_colours_by_their_alpha():
    rgba = np.array([[[200, 0, 0, 255], [0, 100, 0, 0]], [[100, 0, 0, 255], [9, 9, 9, 0]]], np.uint8)
    assert resample(rgba, 1, 1).tolist() == [[[150, 0, 0, 128]]]


def test_uneven_sizes_weigh_by_overlap():
    rgba = np.full((1, 3, 4), 255, np.uint8)
    rgba[0, :, 0] = [0, 90, 240]
    # Two cells of one and a half source pixels each.
    assert resample(rgba, 2, 1)[0, :, 0].tolist() == [30, 190]


def test_fully_transparent_picture_stays_so():
    assert not resample(np.zeros((5, 5, 4), np.uint8), 3, 2).any()
