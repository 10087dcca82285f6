"""PNG files from the device: the pixels, palette and resolution of the CPU's, whatever batch a page came in."""

import io
import struct
import zlib

import numpy as np
import pytest
import raster_samples
from PIL import Image

from render.display.batch import concat
from render.encode import png_cuda
from render.encode.png import PngEncoder
from render.encode.png_cuda import PngSink
from render.errors import BackendUnavailable
from render.gpu.events import GpuEventKind
from render.raster.api import Rasterizer
from tests.gpu.host_samples import fake_site, real_site

N_PAGES = 7


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return raster_samples.shapes_book(tmp_path_factory.mktemp("fonts"))


@pytest.fixture(scope="module")
def form(shapes):
    return raster_samples.page(shapes, raster_samples.form)


@pytest.fixture(scope="module")
def known(shapes, form):
    return raster_samples.resources(shapes, [form])


@pytest.fixture(scope="module")
def singles(shapes, form):
    def values(place):
        return lambda builder: raster_samples.values(builder, 130 * place)

    return [raster_samples.page(shapes, values(place), base=form.digest) for place in range(N_PAGES)]


@pytest.fixture(params=["late", "others_first", pytest.param("device", marks=pytest.mark.gpu)])
def site(request):
    site = real_site() if request.param == "device" else fake_site(others_first=request.param == "others_first")
    yield site
    site.check()


def chunks_of(file):
    """Return kind and body of every chunk of a PNG, its checksum held against zlib's."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = [], 8
    while place < len(file):
        (length,) = struct.unpack_from(">I", file, place)
        kind, body = file[place + 4 : place + 8], file[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", file, place + 8 + length)
        assert checksum == zlib.crc32(kind + body), kind
        chunks.append((kind, body))
        place += 12 + length
    return chunks


@pytest.mark.parametrize("dpi", [254, 203])
def test_files_show_the_pixels_of_the_cpu(site, known, singles, dpi):
    batch = concat(singles)
    made = list(site.rasterizer(known, dpi, pages_at_once=3).run(batch, PngSink()))
    assert {each.backend for each in made} == {"cuda-splice"}
    for each, pixels in zip(made, Rasterizer(known, dpi).rasterize(batch), strict=True):
        image = Image.open(io.BytesIO(each.value))
        assert np.array_equal(np.asarray(image), pixels.index)
        ours, theirs = chunks_of(each.value), chunks_of(PngEncoder().encode(pixels))
        assert [chunk for chunk in ours if chunk[0] != b"IDAT"] == [chunk for chunk in theirs if chunk[0] != b"IDAT"]
        (stream,) = [body for kind, body in ours if kind == b"IDAT"]
        (rows,) = [zlib.decompress(body) for kind, body in theirs if kind == b"IDAT"]
        assert zlib.decompress(stream) == rows


def test_bytes_depend_on_the_page_alone(site, known, singles):
    rasterizer = site.rasterizer(known, 254, pages_at_once=4)
    together = [each.value for each in rasterizer.run(concat(singles), PngSink())]
    alone = [next(rasterizer.run(page, PngSink())).value for page in singles]
    turned = [each.value for each in rasterizer.run(concat(singles[::-1]), PngSink())][::-1]
    assert together == alone == turned


def test_an_empty_page_and_a_page_of_few_colours_are_files_too(site, shapes, known):
    def dot(builder):
        builder.rects([[0, 0, 100, 100]], paint=builder.paint(0, 0, 0), tag="dot")

    batch = concat(
        [
            raster_samples.page(shapes, lambda builder: None, width_um=100, height_um=100),
            raster_samples.page(shapes, dot, width_um=700, height_um=300),
        ]
    )
    made = list(site.rasterizer(known, 254).run(batch, PngSink()))
    for each, pixels in zip(made, Rasterizer(known, 254).rasterize(batch), strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(each.value))), pixels.index)


def test_a_stream_without_room_is_made_by_the_cpu_which_is_said(known, singles, monkeypatch):
    monkeypatch.setattr(png_cuda, "ROOM_SHARE", 1 << 20)
    monkeypatch.setattr(png_cuda, "LEAST_ROOM", 256)
    site = fake_site()
    batch = concat(singles)
    made = list(site.rasterizer(known, 254).run(batch, PngSink()))
    backends = [each.backend for each in made]
    on_cpu = f"{Rasterizer(known, 254).backend}+deflate"
    assert on_cpu in backends
    assert [event.kind for event in site.events] == [GpuEventKind.DECLINED], "the device is sound"
    assert site.events[0].pages == backends.count(on_cpu)
    for each, pixels in zip(made, Rasterizer(known, 254).rasterize(batch), strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(each.value))), pixels.index)
        if each.backend == on_cpu:
            assert each.value == PngEncoder().encode(pixels)
    with pytest.raises(BackendUnavailable, match="could not hold"):
        list(site.rasterizer(known, 254, is_strict=True).run(batch, PngSink()))
    site.check()


@pytest.mark.parametrize("at", range(1, 18))
def test_a_device_out_of_memory_while_encoding_gives_the_same_pixels(known, singles, at):
    site = fake_site(oom_at=at, oom_times=2)
    batch = concat(singles)
    made = list(site.rasterizer(known, 254, pages_at_once=4).run(batch, PngSink()))
    for each, pixels in zip(made, Rasterizer(known, 254).rasterize(batch), strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(each.value))), pixels.index)
    site.check()


def test_only_the_streams_are_copied_back(known, singles):
    site = fake_site()
    steps = []
    rasterizer = site.rasterizer(known, 254, watch=lambda stream, name: steps.append(name))
    list(rasterizer.run(concat(singles), PngSink()))
    assert steps.count("download") == 2, "the results, then the streams"
    site.check()
