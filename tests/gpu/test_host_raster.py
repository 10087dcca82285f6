"""The host's way to the device, on the fake and, where there is one, on a real device with the same bodies."""

import gc
from functools import partial

import pytest
import raster_samples

from render.display.batch import concat
from render.encode.png_cuda import PngSink
from render.errors import BackendUnavailable, DeviceLost
from render.gpu.events import GpuEventKind
from render.gpu.flight import Flight
from render.raster.api import Rasterizer
from render.raster.raster_cuda import BatchRasterizer, PixelSink
from tests.gpu import fake_cupy, kernel_shim
from tests.gpu.host_samples import fake_site, real_site, run_on_shim, same_pages

N_PAGES = 9


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


@pytest.fixture(params=["late", "others_first", pytest.param("device", marks=pytest.mark.gpu)])
def site(request):
    site = real_site() if request.param == "device" else fake_site(others_first=request.param == "others_first")
    yield site
    site.check()


def drawn(known, batch, dpi=254):
    return list(Rasterizer(known, dpi).rasterize(batch))


@pytest.mark.parametrize("dpi", [254, 203])
@pytest.mark.parametrize("pages_at_once", [1, 4, 32])
def test_pages_are_those_of_the_cpu(site, known, batch, dpi, pages_at_once):
    pages = list(site.rasterizer(known, dpi, pages_at_once=pages_at_once).rasterize(batch))
    assert all(same_pages(pages, drawn(known, batch, dpi)))
    assert {page.index.flags.c_contiguous for page in pages} == {True}
    assert site.events == []


def test_pages_of_several_grounds_sizes_and_colours_share_a_batch(site, shapes, form, known):
    def red(builder):
        raster_samples.values(builder, 40)
        builder.rects([[100, 100, 900, 300]], paint=builder.paint(200, 0, 0), tag="mark")

    def clear(builder):
        builder.rects([[0, 0, 3_000, 3_000]], paint=builder.paint(0, 0, 200, 90), tag="tint")
        raster_samples.values(builder)

    mixed = concat(
        [
            raster_samples.page(shapes, raster_samples.values, base=form.digest),
            raster_samples.page(shapes, clear, base=form.digest),
            raster_samples.page(shapes, red, width_um=5_000, height_um=9_000),
            raster_samples.page(shapes, lambda builder: None, base=form.digest),
            raster_samples.page(shapes, red, base=form.digest),
        ]
    )
    rasterizer = site.rasterizer(known, 254, pages_at_once=3)
    made = list(rasterizer.run(mixed, PixelSink()))
    assert all(same_pages([each.value for each in made], drawn(known, mixed)))
    # A translucent paint cannot be composed by "darker wins"; the page says that the CPU made it.
    on_cpu = Rasterizer(known, 254).backend
    assert [each.backend for each in made] == ["cuda", on_cpu, "cuda", "cuda", "cuda"]


def test_without_a_device_the_same_call_is_served_by_the_cpu(known, batch):
    made = list(BatchRasterizer(known, 254).run(batch, PixelSink()))
    assert {each.backend for each in made} == {Rasterizer(known, 254).backend}
    assert all(same_pages([each.value for each in made], drawn(known, batch)))


def test_pages_outlive_the_batches_after_them(site, known, batch):
    rasterizer = site.rasterizer(known, 254, pages_at_once=2)
    first = list(rasterizer.rasterize(batch))
    kept = [page.index.copy() for page in first]
    list(rasterizer.rasterize(batch))
    assert all((page.index == copy).all() for page, copy in zip(first, kept, strict=True))


def test_what_stays_on_the_device_is_sent_once(known, batch, shapes, form):
    site = fake_site()
    rasterizer = site.rasterizer(known, 254)
    list(rasterizer.rasterize(batch))
    first, site.machine.sent_bytes = site.machine.sent_bytes, 0
    list(rasterizer.rasterize(batch))
    again, site.machine.sent_bytes = site.machine.sent_bytes, 0
    # A new size of letters: only their cells are new.
    larger = raster_samples.page(
        shapes,
        lambda builder: builder.text("shapes", 900, 700, 1_500, "sto", paint=builder.paint(0, 0, 0), tag="n"),
        base=form.digest,
    )
    (page,) = rasterizer.rasterize(larger)
    assert all(same_pages([page], drawn(known, larger)))
    ground_bytes = 64 * 32
    assert again <= first - ground_bytes
    assert 0 < site.machine.sent_bytes < again
    site.check()


def test_the_next_flight_is_under_way_before_the_pages_of_this_one_are_handed_out(known, batch):
    site = fake_site()
    pages = site.rasterizer(known, 254, pages_at_once=3).rasterize(batch)
    next(pages)
    machine = site.machine
    per_flight = 4
    assert len(machine.launched) == 2 * per_flight
    assert machine.ran == per_flight, "nobody needed the second flight yet"
    assert len({stream for stream in machine.streams.values() if stream.work}) == 2
    list(pages)
    site.check()


def test_one_upload_and_one_copy_a_page_serve_a_flight(known, batch):
    site = fake_site()
    rasterizer = site.rasterizer(known, 254)
    list(rasterizer.rasterize(batch))
    steps = []
    rasterizer.watch = lambda stream, name: steps.append(name)
    list(rasterizer.rasterize(batch))
    assert steps.count("upload") == 1
    assert steps.count("download") == N_PAGES


def test_pages_nobody_asks_for_are_waited_for_before_their_memory_is_given_away(known, batch):
    site = fake_site()
    pages = site.rasterizer(known, 254, pages_at_once=2).rasterize(batch)
    next(pages)
    pages.close()
    gc.collect()
    site.check()
    assert site.machine.used == site.session.residents.nbytes


def test_two_batches_may_be_under_way_at_once(known, batch):
    site = fake_site()
    rasterizer = site.rasterizer(known, 254, pages_at_once=2)
    pairs = list(zip(rasterizer.rasterize(batch), rasterizer.rasterize(batch), strict=True))
    assert all(same_pages([a for a, _ in pairs], drawn(known, batch)))
    assert all(same_pages([b for _, b in pairs], drawn(known, batch)))
    site.check()


@pytest.mark.parametrize("at", range(1, 13))
@pytest.mark.parametrize("times", [1, 3])
def test_a_device_out_of_memory_gives_the_same_pages(known, batch, at, times):
    site = fake_site(oom_at=at, oom_times=times)
    pages = list(site.rasterizer(known, 254, pages_at_once=5).rasterize(batch))
    assert all(same_pages(pages, drawn(known, batch)))
    site.check()


def test_batches_are_halved_until_they_fit(known, batch):
    atlas_bytes = 2 << 18
    site = fake_site(memory_bytes=atlas_bytes + 20_000)
    rasterizer = site.rasterizer(known, 254, pages_at_once=N_PAGES)
    # The estimate that keeps batches within the budget is switched off, to let the device itself refuse.
    rasterizer.session.memory_bytes = 1 << 40
    pages = list(rasterizer.rasterize(batch))
    assert all(same_pages(pages, drawn(known, batch)))
    kinds = [event.kind for event in site.events]
    assert kinds
    assert set(kinds) == {GpuEventKind.HALVED}
    assert [event.pages for event in site.events] == sorted((event.pages for event in site.events), reverse=True)
    site.check()


def test_a_budget_too_small_for_one_page_leaves_all_to_the_cpu_and_says_so(known, batch):
    site = fake_site(memory_bytes=2_000)
    made = list(site.rasterizer(known, 254).run(batch, PixelSink()))
    assert {each.backend for each in made} == {Rasterizer(known, 254).backend}
    assert all(same_pages([each.value for each in made], drawn(known, batch)))
    fallen = [event for event in site.events if event.kind is GpuEventKind.FELL_BACK]
    assert sum(event.pages for event in fallen) == N_PAGES
    assert "memory" in fallen[0].reason


def test_a_strict_rasteriser_refuses_rather_than_fall_back(known, batch):
    site = fake_site(memory_bytes=2_000)
    with pytest.raises(BackendUnavailable, match="memory"):
        list(site.rasterizer(known, 254, is_strict=True).rasterize(batch))


@pytest.mark.parametrize("at", [1, 4, 6])
def test_a_refused_launch_leaves_its_flight_to_the_cpu(known, batch, at):
    site = fake_site(refused_at=at)
    made = list(site.rasterizer(known, 254, pages_at_once=3).run(batch, PixelSink()))
    assert all(same_pages([each.value for each in made], drawn(known, batch)))
    assert [each.backend for each in made].count(Rasterizer(known, 254).backend) == 3
    assert [(event.kind, event.pages) for event in site.events] == [(GpuEventKind.FELL_BACK, 3)]
    site.check()


def test_kernels_that_do_not_compile_leave_all_to_the_cpu_with_the_compilers_word(known, batch):
    site = fake_site(compile_fails="bin_items.cu(7): error: expected a ';'")
    made = list(site.rasterizer(known, 254).run(batch, PixelSink()))
    assert {each.backend for each in made} == {Rasterizer(known, 254).backend}
    assert "expected a ';'" in site.events[0].reason


@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("is_strict", [False, True])
def test_a_lost_device_is_never_used_again(known, batch, at, is_strict):
    site = fake_site(lost_at=at)
    rasterizer = site.rasterizer(known, 254, pages_at_once=3, is_strict=is_strict)
    with pytest.raises(DeviceLost, match=r"while (submitting|collecting) pages: cudaErrorIllegalAddress"):
        list(rasterizer.rasterize(batch))
    launched = len(site.machine.launched)
    with pytest.raises(DeviceLost):
        list(rasterizer.rasterize(batch))
    assert len(site.machine.launched) == launched
    assert site.machine.ran == at
    assert site.events == [], "a lost device is no event among others: its process ends"


@pytest.mark.parametrize("order", kernel_shim.ORDERS)
def test_the_kernels_themselves_give_the_same_pages_and_files(known, batch, order, need):
    need(kernel_shim.COMPILER)
    site = fake_site(runner=partial(run_on_shim, order=order), others_first=True)
    rasterizer = site.rasterizer(known, 254, pages_at_once=5)
    assert all(same_pages(rasterizer.rasterize(batch), drawn(known, batch)))
    files = [each.value for each in rasterizer.run(batch, PngSink())]
    twins = fake_site().rasterizer(known, 254)
    assert files == [each.value for each in twins.run(batch, PngSink())]
    site.check()


class TestTheFakeCatches:
    """Bugs planted in the host: a fake that lets them pass would prove nothing."""

    def test_reading_before_waiting(self, known, batch, monkeypatch):
        site = fake_site()
        monkeypatch.setattr(Flight, "land", lambda flight: None)
        pages = list(site.rasterizer(known, 254).rasterize(batch))
        assert not any(same_pages(pages, drawn(known, batch)))

    def test_another_streams_data_without_an_event(self, known, batch, monkeypatch):
        site = fake_site(others_first=True)
        monkeypatch.setattr(fake_cupy.Stream, "wait_event", lambda stream, event: None)
        pages = list(site.rasterizer(known, 254, pages_at_once=3).rasterize(batch))
        assert not all(same_pages(pages, drawn(known, batch)))

    def test_memory_given_away_under_a_copy(self, known, batch, monkeypatch):
        site = fake_site()
        mark = Flight.mark
        monkeypatch.setattr(Flight, "mark", lambda flight: (mark(flight), flight.let_go()))
        list(site.rasterizer(known, 254, pages_at_once=2).rasterize(batch))
        assert "an upload was under way when its memory was freed" in site.machine.violations
