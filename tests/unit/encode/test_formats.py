import io
import struct
import sys
import threading
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pillow_heif
import pytest
import tifffile
import zxingcpp
from PIL import Image, ImageDraw, features

from render.encode.api import encoder, encoder_names
from render.encode.heif import AvifEncoder, HeifEncoder
from render.encode.jpeg import JpegEncoder
from render.encode.metadata import exif_block
from render.encode.png import PngEncoder
from render.encode.tiff import INK_BELOW
from render.errors import BackendUnavailable, InputError, Retry
from render.pixels import PagePixels

pillow_heif.register_heif_opener()

COLOUR = ("png", "webp", "tiff", "tiff-rgb")
GREY = ("png-grey", "tiff-grey")
WITH_XMP = ("jpeg", "webp", "tiff", "tiff-rgb", "tiff-g4", "heif", "avif")
SEAL, DARK_RED, BLACK, WATERMARK = (220, 30, 30), (128, 0, 0), (0, 0, 0), (243, 243, 243)
SMALL_SHARE = 0.85


def ramps(*inks, steps=16):
    """Return a palette of white and of each ink at every coverage, and the first index of each ramp."""
    colours = [(255, 255, 255)]
    for ink in inks:
        colours += [tuple(255 - (255 - part) * step // steps for part in ink) for step in range(1, steps + 1)]
    return np.array(colours, np.uint8)


def strokes(rng, size=28, scale=8):
    """Return uint8[size, size]: the coverage, 0 to 16, of a made-up character of level, upright and slanted strokes."""
    image = Image.new("L", (size * scale, size * scale))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = rng.integers(2 * scale, (size - 2) * scale, 2).tolist()
        reach, slant = int(rng.integers(8, 20)) * scale, int(rng.integers(-3, 4)) * scale
        level, upright = (x + reach, y - scale // 4), (x, y + reach)
        end = [level, upright, (x + slant, y + reach)][rng.integers(0, 3)]
        pen.line([(x, y), end], fill=255, width=scale * 2)
    return (np.asarray(image.reduce(scale)).astype(np.uint16) * 16 // 255).astype(np.uint8)


def document(height=320, width=480, dpi=300, seed=3):
    """Return a page as invoices are: characters of soft edges in black and dark red, and rules, on white."""
    rng = np.random.default_rng(seed)
    marks = [strokes(rng) for _ in range(40)]
    index = np.zeros((height, width), np.uint8)
    for top in range(8, height - 36, 150):
        for left in range(8, width - 36, 32):
            mark = marks[rng.integers(0, 40)]
            index[top : top + 28, left : left + 28] = np.where(mark, mark + 16 * (left > width // 2), 0)
    index[:: height // 2 + 1, :] = 32
    return PagePixels(index, ramps(BLACK, DARK_RED), dpi)


def opened(data, mode="RGB"):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))


def test_every_format_has_a_name_and_says_what_it_is():
    assert encoder_names()[0] == "png"
    for name in encoder_names():
        one = encoder(name)
        data = one.encode(document())
        with Image.open(io.BytesIO(data)) as image:
            # pillow-heif names the container, we the coding in it as well.
            assert image.get_format_mimetype().replace("heif", "heic") == one.media_type
            assert image.size == (480, 320)
        assert one.suffix in Image.registered_extensions()
        assert one.levels[0] == "fast"


@pytest.mark.parametrize("level", ["fast", "small"])
@pytest.mark.parametrize("name", COLOUR)
def test_lossless_formats_keep_every_colour(name, level):
    pixels = document()
    data = encoder(name).encode(pixels, level=level)
    assert np.array_equal(opened(data), pixels.rgb())
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), pixels.rgb())


@pytest.mark.parametrize("level", ["fast", "small"])
@pytest.mark.parametrize("name", GREY)
def test_grey_formats_keep_every_luma(name, level):
    pixels = document()
    data = encoder(name).encode(pixels, level=level)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), pixels.grey())


@pytest.mark.parametrize(
    ("name", "rms"),
    [("jpeg", 6), ("jpeg-grey", 6), ("heif", 3), ("heif-grey", 3), ("avif", 6), ("avif-grey", 6)],
)
def test_lossy_formats_stay_near(name, rms):
    pixels = document()
    for level in encoder(name).levels:
        found = opened(encoder(name).encode(pixels, level=level)).astype(float)
        expected = pixels.grey()[:, :, None] if name.endswith("-grey") else pixels.rgb()
        assert np.sqrt(np.mean((found - expected) ** 2)) < rms


@pytest.mark.parametrize("name", ["jpeg-grey", "heif-grey", "avif-grey"])
def test_grey_of_lossy_formats_has_one_channel(name):
    with Image.open(io.BytesIO(encoder(name).encode(document(64, 96)))) as image:
        assert image.mode == "L"


@pytest.mark.parametrize("level", ["fast", "small"])
def test_grey_webp_keeps_every_luma(level):
    pixels = document()
    found = opened(encoder("webp-grey").encode(pixels, level=level))
    assert np.array_equal(found, np.repeat(pixels.grey()[:, :, None], 3, axis=2))


@pytest.mark.parametrize("quality", [1, 50, 100])
@pytest.mark.parametrize("kind", [JpegEncoder, AvifEncoder, HeifEncoder])
def test_quality_is_heeded(kind, quality):
    pixels = document(80, 80)
    sizes = [len(kind(value).encode(pixels)) for value in (1, 50, 100)]
    assert sizes == sorted(sizes)
    assert kind(quality).quality == quality


@pytest.mark.parametrize("quality", [0, 101, -1])
@pytest.mark.parametrize("kind", [JpegEncoder, AvifEncoder, HeifEncoder])
def test_quality_out_of_range_is_refused(kind, quality):
    with pytest.raises(InputError) as caught:
        kind(quality)
    assert caught.value.faults[0].rule == "encode.quality_range"


@pytest.mark.parametrize("name", [name for name in encoder_names() if name != "tiff-g4"])
def test_small_has_at_most_85_percent_of_the_bytes_of_fast(name):
    pixels = document(400, 600) if name.startswith(("heif", "avif")) else document(1000, 1500)
    fast, small = (len(encoder(name).encode(pixels, level=level)) for level in ("fast", "small"))
    assert small <= SMALL_SHARE * fast


@pytest.mark.parametrize("name", encoder_names())
@pytest.mark.parametrize("dpi", [72, 200, 300, 600])
def test_resolution_is_read_back(name, dpi):
    data = encoder(name).encode(document(40, 64, dpi=dpi))
    with Image.open(io.BytesIO(data)) as image:
        if name.partition("-")[0] in {"webp", "heif", "avif"}:
            exif = image.getexif()
            assert (exif[282], exif[283], exif[296]) == (dpi, dpi, 2)
        else:
            assert tuple(round(float(axis)) for axis in image.info["dpi"]) == (dpi, dpi)


@pytest.mark.parametrize("name", WITH_XMP)
def test_texts_are_read_back_from_xmp(name):
    text = {"Title": "电子发票 <&>", "Author": "Müller", "Software": "Kaipiao", "Subject": "26312000005000000000"}
    data = encoder(name).encode(document(40, 64), text=text)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        packet = image.info["xmp"]
    root = ET.fromstring(packet)
    found = {element.text for element in root.iter() if element.text}
    assert found == set(text.values())


@pytest.mark.parametrize("name", WITH_XMP)
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ({"Mood": "x"}, "encode.text_invalid"),
        ({"Title": "a\0b"}, "encode.text_invalid"),
        ({"Title": "字" * 30_000}, "encode.text_size"),
    ],
    ids=["keyword", "NUL", "long"],
)
def test_text_that_xmp_cannot_hold_is_refused(name, text, rule):
    with pytest.raises(InputError) as caught:
        encoder(name).encode(document(40, 64), text=text)
    assert [fault.rule for fault in caught.value.faults] == [rule]


@pytest.mark.parametrize("name", encoder_names())
def test_pages_that_no_format_holds_are_refused(name):
    one = encoder(name)
    for pixels, rule in [
        (PagePixels(np.zeros((0, 4), np.uint8), np.zeros((1, 3), np.uint8), 300), "encode.page_shape"),
        (PagePixels(np.zeros((4, 4), np.uint8), np.zeros((0, 3), np.uint8), 300), "encode.page_shape"),
        (PagePixels(np.zeros((4, 4, 3), np.uint8), np.zeros((1, 3), np.uint8), 300), "encode.page_shape"),
        (PagePixels(np.full((4, 4), 3, np.uint8), np.zeros((3, 3), np.uint8), 300), "encode.index_range"),
        (PagePixels(np.zeros((4, 4), np.uint8), np.zeros((1, 3), np.uint8), 0), "encode.dpi_range"),
    ]:
        with pytest.raises(InputError) as caught:
            one.encode(pixels)
        assert [fault.rule for fault in caught.value.faults] == [rule]
    with pytest.raises(InputError, match="Choose from fast"):
        one.encode(document(4, 4), level="best")


@pytest.mark.parametrize(("name", "side"), [("jpeg", 65_501), ("webp", 16_384), ("avif", 16_385), ("heif", 16_385)])
def test_page_beyond_the_sides_of_a_format_is_refused(name, side):
    with pytest.raises(InputError) as caught:
        encoder(name).encode(PagePixels(np.zeros((1, side), np.uint8), np.zeros((1, 3), np.uint8), 300))
    assert caught.value.faults[0].rule == "encode.page_size"


@pytest.mark.parametrize("name", encoder_names())
def test_bytes_are_the_same_in_every_thread(name):
    pages = [document(96, 160, seed=seed) for seed in range(4)]
    expected = [encoder(name).encode(one) for one in pages]
    assert len(set(expected)) == len(pages)
    wrong = []

    def work(number):
        for turn in range(4):
            place = (number + turn) % len(pages)
            if encoder(name).encode(pages[place]) != expected[place]:
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (33, 1), (31, 45)])
@pytest.mark.parametrize("n_colours", [1, 2, 16, 17, 256])
def test_tiff_of_any_shape_and_palette_is_read_by_three_libraries(shape, n_colours):
    rng = np.random.default_rng(n_colours)
    index = rng.integers(0, n_colours, shape).astype(np.uint8)
    pixels = PagePixels(index, rng.integers(0, 256, (n_colours, 3)).astype(np.uint8), 300)
    data = encoder("tiff").encode(pixels)
    assert np.array_equal(opened(data), pixels.rgb())
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), pixels.rgb())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        (page,) = file.pages
        assert np.array_equal(np.squeeze(page.asarray()), np.squeeze(index))
        assert np.array_equal(page.colormap[:, :n_colours].T, pixels.palette.astype(int) * 257)


def test_fields_of_a_tiff_stand_in_the_order_of_tags_on_even_offsets():
    data = encoder("tiff").encode(document(7, 9), text={"Title": "odd"})
    (count,) = struct.unpack_from("<H", data, 8)
    entries = [struct.unpack_from("<HHII", data, 10 + 12 * k) for k in range(count)]
    assert [tag for tag, *_ in entries] == sorted({tag for tag, *_ in entries})
    sizes = {1: 1, 3: 2, 4: 4, 5: 8}
    outside = [(value, size) for _, kind, n, value in entries if (size := n * sizes[kind]) > 4]
    assert all(at % 2 == 0 and at + size <= len(data) for at, size in outside)
    fields = {tag: value for tag, _, _, value in entries}
    assert fields[273] + fields[279] == len(data)


def test_bilevel_page_keeps_the_seal_and_drops_the_watermark():
    palette = ramps(SEAL, WATERMARK, BLACK)
    index = np.zeros((60, 80), np.uint8)
    index[10:20, 10:70], index[20, 10:70], index[21, 10:70] = 16, 12, 6  # the seal, and its edge
    index[30:40, 10:70] = 32  # the watermark
    index[45:55, 10:70] = 48  # black
    data = encoder("tiff-g4").encode(PagePixels(index, palette, 300))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.mode, image.info["compression"]) == ("1", "group4")
        ink = ~np.asarray(image)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert len(file.pages[0].dataoffsets) == 1
    expected = np.zeros((60, 80), bool)
    expected[10:21, 10:70] = expected[45:55, 10:70] = True
    assert np.array_equal(ink, expected)
    assert 160 <= INK_BELOW <= 200


def qr_page(module_px):
    modules = zxingcpp.create_barcode("01,10,26312000005000000000,1234.56,20261123", zxingcpp.BarcodeFormat.QRCode)
    bits = np.asarray(modules.to_image(scale=1, add_quiet_zones=True)) < 128
    return PagePixels(np.kron(bits, np.ones((module_px, module_px))).astype(np.uint8), ramps(BLACK, steps=1), 150)


@pytest.mark.parametrize("name", encoder_names())
@pytest.mark.parametrize("module_px", [3, 4, 6])
def test_qr_code_is_read_from_every_format(name, module_px):
    for level in encoder(name).levels:
        found = zxingcpp.read_barcodes(opened(encoder(name).encode(qr_page(module_px), level=level)))
        assert [one.text for one in found] == ["01,10,26312000005000000000,1234.56,20261123"]


def test_jpeg_is_not_subsampled_and_restarts_at_every_row_of_blocks():
    data = encoder("jpeg").encode(document(80, 96))
    frame = data.index(b"\xff\xc0")
    assert data[frame + 9] == 3
    assert [data[frame + 11 + 3 * k] for k in range(3)] == [0x11, 0x11, 0x11]
    interval = data.index(b"\xff\xdd\x00\x04")
    assert struct.unpack_from(">H", data, interval + 4) == (96 // 8,)
    assert [data.count(bytes((0xFF, 0xD0 + k))) for k in range(8)] == [2, 1, 1, 1, 1, 1, 1, 1]


def test_damaged_row_of_a_jpeg_leaves_the_rows_below():
    pixels = document(160, 160)
    data = bytearray(encoder("jpeg").encode(pixels))
    whole = opened(bytes(data))
    first, second = data.index(b"\xff\xd0"), data.index(b"\xff\xd1")
    data[first + 2 : second] = bytes(second - first - 2)
    found = cv2.imdecode(np.frombuffer(bytes(data), np.uint8), cv2.IMREAD_COLOR_RGB)
    same = (found == whole).all(axis=(1, 2))
    assert not same[8:16].all()
    assert same[:8].all()
    assert same[24:].all()


def test_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(features, "check", lambda name: False)
    for name, package in [("heif", "pillow-heif"), ("avif", "pillow"), ("webp", "pillow"), ("tiff-g4", "pillow")]:
        with pytest.raises(BackendUnavailable, match=f"`{package}`") as caught:
            encoder(name)
        assert caught.value.retry is Retry.ELSEWHERE


def test_heif_without_an_encoder_is_refused(monkeypatch):
    monkeypatch.setattr(pillow_heif, "libheif_info", lambda: {"HEIF": ""})
    with pytest.raises(BackendUnavailable, match="no HEVC encoder"):
        encoder("heif")


def test_grey_png_of_an_earlier_page_does_not_show_through():
    first, second = document(seed=1), document(seed=2)
    alone = PngEncoder(is_grey=True).encode(second)
    PngEncoder(is_grey=True).encode(first)
    assert PngEncoder(is_grey=True).encode(second) == alone


def test_exif_states_inches():
    assert exif_block(300).startswith(b"Exif\0\0")
    assert exif_block(300) != exif_block(301)
