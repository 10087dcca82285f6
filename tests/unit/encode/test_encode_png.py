import io
import re
import struct
import subprocess
import threading
import zlib

import imageio.v3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from render.encode.api import encoder
from render.errors import InputError
from render.pixels import PagePixels

PNG = encoder("png")
LEVELS = ("fast", "small")


def page(n_colours=200, shape=(37, 53), dpi=300, seed=0):
    rng = np.random.default_rng(seed)
    palette = rng.permutation(np.stack(np.unravel_index(np.arange(4096) * 4093 % 2**24, (256, 256, 256)), axis=1))
    index = rng.integers(0, n_colours, shape).astype(np.uint8)
    return PagePixels(index, palette[:n_colours].astype(np.uint8), dpi)


def chunks(data):
    """Read the framing by hand: kind and body of each chunk, with its CRC checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + length
    return found


def decode_by_hand(data):
    """Decode an unfiltered palette PNG with the standard library alone."""
    parts = dict(chunks(data))
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert (colour, rest) == (3, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    bits = np.unpackbits(rows[:, 1:], axis=1).reshape(height, -1, depth)[:, :width]
    index = (bits << np.arange(depth - 1, -1, -1, dtype=np.uint8)).sum(axis=2)
    return np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3)[index]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n_colours", [1, 2, 3, 4, 5, 16, 17, 256])
@pytest.mark.parametrize("width", [1, 7, 8, 53, 300, 1031])
def test_three_decoders_read_every_pixel_back(level, n_colours, width):
    pixels = page(n_colours, (11, width))
    data = PNG.encode(pixels, level=level)
    expected = pixels.rgb()
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), expected)
    assert np.array_equal(decode_by_hand(data), expected)
    assert np.array_equal(imageio.v3.imread(data, plugin="pillow", mode="RGB"), expected)


@pytest.mark.parametrize(("n_colours", "depth"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8), (256, 8)])
def test_small_palettes_are_packed(n_colours, depth):
    assert dict(chunks(PNG.encode(page(n_colours))))[b"IHDR"][8] == depth


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 256), st.integers(0, 9))
def test_any_shape_and_palette_round_trips(height, width, n_colours, seed):
    pixels = page(n_colours, (height, width), seed=seed)
    assert np.array_equal(decode_by_hand(PNG.encode(pixels)), pixels.rgb())


@pytest.mark.parametrize("level", LEVELS)
def test_pngcheck_finds_nothing(tmp_path, need, level):
    need("pngcheck")
    path = tmp_path / "page.png"
    path.write_bytes(PNG.encode(page(), level=level, text={"Title": "a", "Subject": "发票"}))
    done = subprocess.run(["pngcheck", "-q", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("dpi", "per_metre"), [(72, 2835), (96, 3780), (150, 5906), (300, 11811), (600, 23622)])
def test_resolution_is_written_and_read_back(dpi, per_metre):
    data = PNG.encode(page(dpi=dpi))
    assert struct.unpack(">IIB", dict(chunks(data))[b"pHYs"]) == (per_metre, per_metre, 1)
    with Image.open(io.BytesIO(data)) as image:
        assert tuple(round(axis) for axis in image.info["dpi"]) == (dpi, dpi)


def test_texts_are_read_back_whatever_their_script():
    text = {"Title": "Invoice", "Subject": "电子发票 𬭊", "Author": "Müller"}
    data = PNG.encode(page(), text=text)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert dict(image.text) == text
    assert [kind for kind, _ in chunks(data)] == [
        b"IHDR", b"pHYs", b"tEXt", b"iTXt", b"tEXt", b"PLTE", b"IDAT", b"IEND",
    ]  # fmt: skip


def test_bytes_do_not_depend_on_the_order_of_texts_or_on_earlier_pages():
    first = PNG.encode(page(), text={"a": "1", "b": "2"})
    PNG.encode(page(4, (90, 20)))
    assert PNG.encode(page(), text={"b": "2", "a": "1"}) == first


def test_threads_do_not_share_rows():
    pages = [page(seed=seed, shape=(200, 300)) for seed in range(8)]
    expected = [PNG.encode(one) for one in pages]
    wrong = []

    def work(number):
        wrong.extend(number for _ in range(20) if PNG.encode(pages[number]) != expected[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def text_page():
    """Return lines of text in 16 levels, as a rasteriser makes them."""
    image = Image.new("L", (1400, 900), 0)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(44)
    words = ["invoice", "number", "quantity", "amount", "price", "tax rate", "seller", "buyer", "remarks", "reviewer"]
    for line in range(16):
        text = " ".join(words[(line * 5 + place * (line + 3)) % len(words)] for place in range(9))
        pen.text((30, 20 + 54 * line), text, fill=255, font=font)
    return PagePixels(np.asarray(image) // 16, page(17).palette, 300)


def test_small_level_is_at_most_85_percent_of_fast_on_text():
    pixels = text_page()
    assert len(PNG.encode(pixels, level="small")) <= 0.85 * len(PNG.encode(pixels))


@pytest.mark.parametrize(
    ("pixels", "rule"),
    [
        (PagePixels(np.zeros((0, 5), np.uint8), np.zeros((2, 3), np.uint8), 300), "encode.page_shape"),
        (PagePixels(np.zeros((5, 5), np.uint8), np.zeros((0, 3), np.uint8), 300), "encode.page_shape"),
        (PagePixels(np.zeros((5, 5), np.uint8), np.zeros((257, 3), np.uint8), 300), "encode.page_shape"),
        (PagePixels(np.full((5, 5), 9, np.uint8), np.zeros((9, 3), np.uint8), 300), "encode.index_range"),
    ],
    ids=["no pixels", "no colours", "too many colours", "index outside"],
)
def test_page_that_png_cannot_hold_is_refused(pixels, rule):
    with pytest.raises(InputError) as caught:
        PNG.encode(pixels)
    assert [fault.rule for fault in caught.value.faults] == [rule]


@pytest.mark.parametrize(
    "text",
    [{"": "x"}, {" a": "x"}, {"a  b": "x"}, {"k" * 80: "x"}, {"题": "x"}, {"a\n": "x"}, {"a": "x\0y"}, {"a": "\x1b["}],
    ids=["empty", "leading space", "two spaces", "long", "not Latin-1", "newline", "NUL", "control"],
)
def test_text_that_would_break_the_file_is_refused(text):
    with pytest.raises(InputError) as caught:
        PNG.encode(page(), text=text)
    assert caught.value.faults[0].rule == "encode.text_invalid"


def test_unknown_level_and_format_say_what_there_is():
    with pytest.raises(InputError, match="fast, small"):
        PNG.encode(page(), level="tiny")
    with pytest.raises(InputError, match=re.escape("Did you mean 'png'?")):
        encoder("pgn")
    with pytest.raises(InputError, match="Known formats: png"):
        encoder("exr")
