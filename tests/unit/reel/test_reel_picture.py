"""Picture files come in exactly, or not at all."""

import numpy as np
import pytest
from PIL import Image

from render.errors import MalformedInput
from render.pixels import PagePixels
from render.reel.page import RgbPixels
from render.reel.picture import is_picture, picture_sizes, read_picture
from tests.unit.reel import reel_samples

RGB = reel_samples.photo(1, (40, 30)).rgb
INDEXED = reel_samples.indexed(2, (40, 30))


def saved(path, image, **options):
    image.save(path, **options)
    assert is_picture(path.read_bytes()[:16])
    return path


def read(path):
    (pixels,) = read_picture(path, 300)
    return pixels


def palette_image():
    image = Image.new("P", (40, 30))
    image.putdata(INDEXED.index.ravel().tolist())
    image.putpalette(INDEXED.palette.tobytes())
    return image


def test_an_indexed_png_keeps_its_indices_and_its_palette(tmp_path):
    pixels = read(saved(tmp_path / "p.png", palette_image()))
    assert np.array_equal(pixels.index, INDEXED.index)
    assert np.array_equal(pixels.palette, INDEXED.palette)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a.bmp"])
def test_colours_are_kept_with_a_palette_where_256_are_enough(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    many = read(saved(tmp_path / f"many-{name}", Image.fromarray(RGB), **options))
    assert isinstance(many, RgbPixels)
    assert np.array_equal(many.rgb, RGB)
    few = read(saved(tmp_path / f"few-{name}", Image.fromarray(INDEXED.rgb()), **options))
    assert isinstance(few, PagePixels)
    assert np.array_equal(few.rgb(), INDEXED.rgb())


def test_greys_and_bilevel_pictures_are_indexed(tmp_path):
    grey = read(saved(tmp_path / "g.png", Image.fromarray(RGB[:, :, 0])))
    assert np.array_equal(grey.grey(), RGB[:, :, 0])
    bilevel = Image.fromarray((INDEXED.index > 0).astype(np.uint8) * 255).convert("1")
    assert np.array_equal(read(saved(tmp_path / "b.tif", bilevel)).grey(), np.asarray(bilevel.convert("L")))


def test_resolution_is_the_pictures_own_or_the_default(tmp_path):
    assert read(saved(tmp_path / "a.png", Image.fromarray(RGB), dpi=(200, 200))).dpi == 200
    assert read(saved(tmp_path / "b.png", Image.fromarray(RGB))).dpi == 300


def test_every_page_of_a_tiff_is_read(tmp_path):
    others = [Image.fromarray(np.full((20 + n, 30), n, np.uint8)) for n in range(3)]
    path = saved(tmp_path / "m.tif", others[0], save_all=True, append_images=others[1:])
    assert picture_sizes(path) == [(30, 20), (30, 21), (30, 22)]
    assert [pixels.grey()[0, 0] for pixels in read_picture(path, 300)] == [0, 1, 2]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_an_alpha_channel_that_says_nothing_is_dropped_and_another_refused(tmp_path, mode):
    plain = palette_image() if mode == "P" else Image.fromarray(RGB).convert(mode)
    if mode != "P":
        opaque = read(saved(tmp_path / "opaque.png", plain))
        seen = opaque.rgb if mode == "RGBA" else opaque.rgb()
        assert np.array_equal(seen, np.asarray(plain.convert("RGB")))
        clear = plain.copy()
        clear.putalpha(7)
        path = saved(tmp_path / "clear.png", clear)
    else:
        path = saved(tmp_path / "clear.png", plain, transparency=0)
    with pytest.raises(MalformedInput, match="transparent"):
        read(path)


def test_what_would_lose_depth_or_cannot_be_read_is_refused(tmp_path):
    deep = Image.fromarray(np.full((9, 9), 40_000, np.uint16))
    with pytest.raises(MalformedInput, match="mode I;16"):
        read(saved(tmp_path / "deep.png", deep))
    cut = saved(tmp_path / "cut.png", Image.fromarray(RGB))
    cut.write_bytes(cut.read_bytes()[:-400])
    with pytest.raises(MalformedInput, match="cannot be read"):
        read(cut)
    (tmp_path / "junk.png").write_bytes(b"\x89PNG junk")
    for path in (tmp_path / "junk.png", tmp_path / "none.png"):
        with pytest.raises(MalformedInput, match="cannot be read"):
            picture_sizes(path)


def test_a_picture_of_too_many_pixels_is_refused_by_its_head(tmp_path):
    path = saved(tmp_path / "bomb.png", Image.new("1", (20_000, 20_000)))
    for act in (picture_sizes, lambda path: list(read_picture(path, 300))):
        with pytest.raises(MalformedInput, match=r"pixels|decompression bomb"):
            act(path)
