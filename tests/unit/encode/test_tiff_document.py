"""All pages of a document in one TIFF: order, sizes, numbers and texts, as four readers see them."""

import io
import struct
import subprocess

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageSequence

from render.encode.api import PagedEncoder, encoder, encoder_names
from render.encode.tiff import INK_BELOW
from render.encode.tiff_file import MAX_FILE_BYTES, MAX_PAGES, Field, TiffPage, Type, tiff_file
from render.errors import InputError
from render.pixels import PagePixels

PAGED = ("tiff", "tiff-grey", "tiff-rgb", "tiff-g4")


def document(seed=1):
    """Return three pages of other sizes and palettes, with odd numbers of bytes in a row."""
    rng = np.random.default_rng(seed)
    pages = []
    for height, width, n_colours in ((33, 47, 40), (20, 65, 9), (51, 31, 256)):
        index = rng.integers(0, n_colours, (height, width)).astype(np.uint8)
        pages.append(PagePixels(index, rng.integers(0, 256, (n_colours, 3)).astype(np.uint8), 150 + height))
    return pages


def written(name, pages, level="fast", **more):
    one = encoder(name)
    return one.join([one.encode_page(page, level=level) for page in pages], **more)


def expected(name, page):
    if name == "tiff-g4":
        return np.repeat(255 - 255 * page.ink(INK_BELOW)[:, :, None], 3, axis=2)
    return np.repeat(page.grey()[:, :, None], 3, axis=2) if name == "tiff-grey" else page.rgb()


def test_the_formats_of_many_pages_are_those_of_tiff():
    assert tuple(name for name in encoder_names() if isinstance(encoder(name), PagedEncoder)) == PAGED


@pytest.mark.parametrize("name", PAGED)
def test_three_libraries_read_every_page(name):
    pages = document()
    data = written(name, pages)
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 3
        for page, frame in zip(pages, ImageSequence.Iterator(image), strict=True):
            assert np.array_equal(np.asarray(frame.convert("RGB")), expected(name, page))
            assert tuple(round(float(axis)) for axis in frame.info["dpi"]) == (page.dpi, page.dpi)
    is_read, images = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert is_read
    for page, found in zip(pages, images, strict=True):
        assert np.array_equal(found[:, :, ::-1], expected(name, page))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert [page.tags["PageNumber"].value for page in file.pages] == [(0, 3), (1, 3), (2, 3)]
        assert [page.tags["NewSubfileType"].value for page in file.pages] == [2, 2, 2]
        if name != "tiff-g4":
            for page, found in zip(pages, file.pages, strict=True):
                values = {"tiff": page.index, "tiff-grey": page.grey(), "tiff-rgb": page.rgb()}[name]
                assert np.array_equal(np.squeeze(found.asarray()), values)


@pytest.mark.parametrize("name", PAGED)
def test_ffmpeg_reads_the_first_page(name, need, tmp_path):
    need("ffmpeg")
    (page, *_) = pages = document()
    path = tmp_path / "document.tif"
    path.write_bytes(written(name, pages))
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    found = np.frombuffer(done.stdout, np.uint8).reshape(*page.index.shape, 3)
    assert np.array_equal(found, expected(name, page))


@pytest.mark.parametrize("name", PAGED)
def test_a_document_of_one_page_is_that_page(name):
    page = document()[0]
    text = {"Title": "发票"}
    assert written(name, [page], text=text) == encoder(name).encode(page, text=text)
    with tifffile.TiffFile(io.BytesIO(written(name, [page]))) as file:
        assert "PageNumber" not in file.pages[0].tags


def test_texts_stand_beside_the_first_page():
    data = written("tiff", document(), text={"Title": "电子发票"})
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert "电子发票" in bytes(file.pages[0].tags["XMP"].value).decode()
        assert all("XMP" not in page.tags for page in file.pages[1:])


def test_small_pages_are_compressed_at_that_level():
    pages = [
        PagePixels(np.random.default_rng(2).integers(0, 3, (400, 600)).astype(np.uint8), np.eye(3, dtype=np.uint8), 300)
    ]
    assert len(written("tiff", pages, "small")) < len(written("tiff", pages))


def test_directories_and_values_stand_on_even_offsets():
    data = written("tiff", document(), text={"Title": "odd"})
    at, seen = struct.unpack_from("<I", data, 4)[0], 0
    while at:
        assert at % 2 == 0
        (count,) = struct.unpack_from("<H", data, at)
        entries = [struct.unpack_from("<HHII", data, at + 2 + 12 * k) for k in range(count)]
        tags = [tag for tag, *_ in entries]
        assert tags == sorted(set(tags))
        sizes = {1: 1, 3: 2, 4: 4, 5: 8}
        outside = [(value, size) for _, kind, n, value in entries if (size := n * sizes[kind]) > 4]
        assert all(value % 2 == 0 and value + size <= len(data) for value, size in outside)
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * count)
        seen += 1
    assert seen == 3


class Huge(bytes):
    """A strip that says it is larger than memory."""

    def __len__(self):
        return MAX_FILE_BYTES // 2


@pytest.mark.parametrize("pages", [[TiffPage((), Huge())] * 3, [TiffPage((), b"")] * (MAX_PAGES + 1)])
def test_more_than_a_tiff_can_hold_is_refused(pages):
    with pytest.raises(InputError, match="a file a page") as caught:
        tiff_file(pages)
    assert caught.value.faults[0].rule == "encode.file_size"


def test_a_field_of_four_bytes_stands_in_its_entry():
    assert Field(256, Type.SHORT, (1, 2)).entry(99) == (struct.pack("<HHIHH", 256, 3, 2, 1, 2), b"")
    entry, outside = Field(256, Type.BYTE, b"12345").entry(98)
    assert (entry, outside) == (struct.pack("<HHII", 256, 1, 5, 98), b"12345\0")
