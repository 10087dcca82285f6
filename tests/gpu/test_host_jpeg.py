"""JPEG by the device's codec: what it makes, what it says where it cannot, and the resolution in its files."""

import io
import sys
import types

import numpy as np
import pytest
import raster_samples
from PIL import Image

from render.display.batch import concat
from render.encode.jpeg_cuda import JpegSink, with_density
from render.errors import BackendUnavailable, DeviceLost
from render.gpu.events import GpuEventKind
from render.raster.api import Rasterizer
from tests.gpu.fake_codec import make_codec
from tests.gpu.fake_cupy import CudaRuntimeError
from tests.gpu.host_samples import fake_site, real_site

N_PAGES = 11


class Counterpart:
    """The CPU's encoder."""

    def encode(self, pixels):
        file = io.BytesIO()
        Image.fromarray(pixels.rgb()).save(file, "JPEG", quality=85, subsampling="4:4:4", dpi=(pixels.dpi, pixels.dpi))
        return file.getvalue()


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
def batch(shapes, form):
    def values(place):
        return lambda builder: raster_samples.values(builder, 130 * place)

    return concat([raster_samples.page(shapes, values(place), base=form.digest) for place in range(N_PAGES)])


@pytest.fixture
def install(monkeypatch):
    """Return a function that puts a codec in the place of nvImageCodec."""

    def install(codec):
        monkeypatch.setitem(sys.modules, "nvidia", types.ModuleType("nvidia"))
        monkeypatch.setitem(sys.modules, "nvidia.nvimgcodec", codec)

    return install


@pytest.mark.parametrize("kind", ["late", "others_first", pytest.param("device", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("dpi", [254, 203])
def test_files_show_the_page_and_state_its_resolution(kind, dpi, known, batch, install):
    site = real_site() if kind == "device" else fake_site(others_first=kind == "others_first")
    if site.machine:
        install(make_codec(site.machine))
    sink = JpegSink(site.session, Counterpart())
    made = list(site.rasterizer(known, dpi, pages_at_once=10).run(batch, sink))
    assert {each.backend for each in made} == {"nvjpeg"}
    for each, pixels in zip(made, Rasterizer(known, dpi).rasterize(batch), strict=True):
        image = Image.open(io.BytesIO(each.value))
        assert (image.mode, image.info["dpi"]) == ("RGB", (dpi, dpi))
        difference = np.abs(np.asarray(image, np.int16) - pixels.rgb())
        assert difference.mean() < 4
        theirs = np.asarray(Image.open(io.BytesIO(Counterpart().encode(pixels))), np.int16)
        assert np.abs(np.asarray(image, np.int16) - theirs).mean() < 1
    site.check()


def test_a_missing_library_is_named_with_a_remedy(install):
    install(None)
    with pytest.raises(BackendUnavailable, match="nvImageCodec") as caught:
        JpegSink(fake_site().session, Counterpart())
    assert "pip install" in caught.value.hint


def test_an_encoder_that_cannot_be_made_or_makes_nothing_is_found_by_the_probe(install):
    site = fake_site()
    install(make_codec(site.machine, raises=RuntimeError("Internal error - Could not create encoder. Code: 7")))
    with pytest.raises(BackendUnavailable, match="Could not create encoder"):
        JpegSink(site.session, Counterpart())
    install(make_codec(site.machine, gives=[None]))
    with pytest.raises(BackendUnavailable, match="nothing"):
        JpegSink(site.session, Counterpart())


def test_pages_that_the_codec_fails_at_are_made_by_the_counterpart(known, batch, install):
    site = fake_site()
    install(make_codec(site.machine))
    sink = JpegSink(site.session, Counterpart())
    encode, calls = sink._encoder.encode, []

    def fails_at_times(images, *codec, **options):
        calls.append(len(images))
        return [None if place % 3 == 0 else file for place, file in enumerate(encode(images, *codec, **options))]

    sink._encoder.encode = fails_at_times
    made = list(site.rasterizer(known, 254).run(batch, sink))
    assert calls == [8, 3]
    assert [each.backend for each in made].count(f"{Rasterizer(known, 254).backend}+libjpeg-turbo") == 4
    assert [(event.kind, event.pages) for event in site.events] == [(GpuEventKind.DECLINED, 4)]
    assert {Image.open(io.BytesIO(each.value)).info["dpi"] for each in made} == {(254, 254)}


def test_a_codec_that_breaks_the_context_loses_the_device(known, batch, install):
    site = fake_site()
    install(make_codec(site.machine))
    sink = JpegSink(site.session, Counterpart())

    def breaks(*arguments, **options):
        site.machine.lost = 700
        raise RuntimeError("CUDA Runtime failure '#700'")

    sink._encoder.encode = breaks
    with pytest.raises(DeviceLost):
        list(site.rasterizer(known, 254).run(batch, sink))
    with pytest.raises(CudaRuntimeError):
        site.machine.check()


def test_density_is_stated_with_and_without_a_jfif_segment():
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (128, 0, 0)).save(file, "JPEG")
    plain = file.getvalue()
    for source in (plain, plain[:2] + plain[20:]):
        image = Image.open(io.BytesIO(with_density(source, 300)))
        assert image.info["dpi"] == (300, 300)
        assert image.info["jfif_unit"] == 1
        image.load()
