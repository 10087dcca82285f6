"""SSIM and the largest error, held against FFmpeg's own filter."""

import re
import subprocess

import numpy as np
import pytest

from render.reel.similarity import max_error, ssim
from tests.unit.reel import reel_samples


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(5)
    before = reel_samples.indexed(1, (320, 240)).grey()
    return before, np.clip(before + rng.normal(0, 12, before.shape), 0, 255).astype(np.uint8)


def test_ssim_is_that_of_ffmpeg(pair, need, tmp_path):
    need("ffmpeg")
    files = []
    for place, picture in enumerate(pair):
        files.append(tmp_path / f"{place}.gray")
        files[-1].write_bytes(picture.tobytes())
    source = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "320x240"]
    command = ["ffmpeg", "-hide_banner", *source, "-i", files[0], *source, "-i", files[1], "-lavfi", "ssim"]
    said = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
    assert ssim(*pair) == pytest.approx(float(re.search(r"All:([\d.]+)", said)[1]), abs=2e-5)


def test_one_changed_corner_is_seen(pair):
    before = pair[0]
    after = before.copy()
    after[-1, -1] ^= 0x80
    assert max_error(before, after) == 128
    assert 0.9 < ssim(before, after) < 1
    assert ssim(before, before) == 1


def test_the_largest_error_does_not_wrap():
    assert max_error(np.array([[0, 255]], np.uint8), np.array([[255, 0]], np.uint8)) == 255


def test_colours_are_compared_as_luma_and_tiny_pages_as_equal_or_not():
    page = reel_samples.photo().rgb
    assert ssim(page, page) == 1
    assert ssim(page, 255 - page) < 0.5
    tiny = np.zeros((3, 9), np.uint8)
    assert (ssim(tiny, tiny), ssim(tiny, tiny + 1)) == (1, 0)
