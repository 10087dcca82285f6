"""The model of a device is arithmetic that a hand can follow, on counts that can be counted otherwise."""

import io
import json
import sys

import pytest
import raster_samples
from rich.console import Console

from bench import model
from bench.__main__ import main
from bench.cases import gpu as gpu_case
from bench.model import Card, CpuTimes, Model, Traffic, batch_ms, count_traffic, predict
from bench.model_table import as_json, print_model
from render.display.batch import concat
from render.encode.png_cuda import PngSink
from render.gpu import device
from render.raster.raster_cuda import PAGES_AT_ONCE, BatchRasterizer
from tests.gpu.fake_cupy import Machine, make_cupy
from tests.gpu.host_samples import fake_site, run_on_twin
from workers.selftest import trials

CARD = Card("hand", memory_gb_s=100, bus_gb_s=10)
TRAFFIC = Traffic(upload=7_000, download=70_000, by_kernel={"a": 600_000, "b": 100_000}, operations=1)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    shapes = raster_samples.shapes_book(tmp_path_factory.mktemp("fonts"))
    form = raster_samples.page(shapes, raster_samples.form)
    pages = [raster_samples.page(shapes, raster_samples.values, base=form.digest) for _ in range(3)]
    return raster_samples.resources(shapes, [form]), concat(pages)


def test_a_stage_takes_its_bytes_at_the_assumed_share_of_the_bandwidth():
    prediction = predict(CARD, TRAFFIC, CpuTimes(1, 2, 3))
    # 7,000 bytes at 70 % of 10 GB/s; 700,000 bytes at 70 % of 100 GB/s; 70,000 bytes as the first.
    assert prediction.upload == pytest.approx(0.001)
    assert prediction.kernels == pytest.approx(0.01)
    assert prediction.download == pytest.approx(0.01)
    assert prediction.steady == pytest.approx(0.01)
    assert prediction.margin == pytest.approx(500)


def test_a_batch_takes_one_flight_in_full_and_of_the_others_what_is_not_hidden():
    stages = (0.001, 0.01, 0.002)
    calls = model.CALLS * model.CALL_US / 1000
    assert batch_ms(stages, 1) == pytest.approx(calls + 0.013)
    assert batch_ms(stages, PAGES_AT_ONCE) == pytest.approx(calls + PAGES_AT_ONCE * 0.013)
    one_more = 2 * calls + PAGES_AT_ONCE * 0.013 + 0.01
    assert batch_ms(stages, PAGES_AT_ONCE + 1) == pytest.approx(one_more)


def test_the_crossover_is_the_first_batch_that_pays_for_its_calls():
    slow_calls = model.CALLS * model.CALL_US / 1000
    # A page saves a little less than a third of what the calls cost: the fourth one pays.
    cpu = CpuTimes(prepare=9, compose=slow_calls / 3 + 0.0209, encode=0)
    assert predict(CARD, TRAFFIC, cpu).crossover == 4
    assert predict(CARD, TRAFFIC, CpuTimes(9, 0.001, 0)).crossover is None


def test_counts_are_those_of_a_real_flight(known):
    resources, display = known
    batch = BatchRasterizer(resources, 254).prepare(display)
    traffic = count_traffic(batch)
    site = fake_site()
    rasterizer, steps = site.rasterizer(resources, 254), []
    sink = PngSink()
    list(rasterizer.run(display, sink))
    # What stays on the device was sent; what is sent now is a flight's own.
    site.machine.sent_bytes = 0
    rasterizer.watch = lambda stream, name: steps.append(name)
    files = [made.value for made in rasterizer.run(display, sink)]
    assert traffic.upload == site.machine.sent_bytes / display.n_pages
    assert steps.count("upload") == 1
    results = 4 * 8
    assert traffic.download == pytest.approx(sum(_stream_bytes(file) for file in files) / len(files) + results)
    page = 64 * 32
    assert traffic.by_kernel["composite_tiles"] >= 2 * page
    assert traffic.by_kernel["splice_png_encode"] >= page
    assert traffic.device == pytest.approx(sum(traffic.by_kernel.values()))


def _stream_bytes(file):
    place = file.index(b"IDAT") - 4
    return int.from_bytes(file[place : place + 4], "big")


def test_pages_that_a_device_does_not_compose_are_refused(known, tmp_path):
    shapes = raster_samples.shapes_book(tmp_path)

    def clear(builder):
        builder.rects([[0, 0, 900, 900]], paint=builder.paint(0, 0, 200, 90), tag="tint")

    resources = raster_samples.resources(shapes)
    with pytest.raises(ValueError, match="whole"):
        count_traffic(BatchRasterizer(resources, 254).prepare(raster_samples.page(shapes, clear)))


def test_every_table_and_file_says_that_it_is_a_model():
    found = Model(300, 4, TRAFFIC, CpuTimes(1, 2, 3), (predict(CARD, TRAFFIC, CpuTimes(1, 2, 3)),))
    text = io.StringIO()
    print_model(found, Console(file=text, width=150))
    assert "MODEL, not a measurement" in text.getvalue()
    assert "hand" in text.getvalue()
    assert "no figure of a device in it was measured" in json.loads(json.dumps(as_json(found)))["kind"]


@pytest.mark.fonts
def test_the_command_counts_real_invoices_and_predicts_every_card(capsys, tmp_path):
    assert main(["model", "--count", "3", "--dpi", "96", "--json", str(tmp_path / "model.json")]) == 0
    found = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert [each["card"] for each in found["predictions"]] == [card.name for card in model.CARDS]
    assert found["cpu"]["encode"] > 0
    t4, a100 = found["predictions"][0], found["predictions"][3]
    # Kernels wait for memory alone, so their times are as the bandwidths.
    assert t4["kernels"] / a100["kernels"] == pytest.approx(1555 / 320)
    assert "MODEL" in capsys.readouterr().out


class TestTheCase:
    def install(self, monkeypatch, *, with_device):
        monkeypatch.setattr(device, "_probed", device._Probed())
        machine = Machine(None)
        machine.run_kernel = run_on_twin(machine)
        monkeypatch.setitem(sys.modules, "cupy", make_cupy(machine) if with_device else None)
        monkeypatch.setattr(trials, "COMPARED_DPI", (96,))
        for name in ("_TIMED_ROUNDS", "_ROUND_PAGES", "_CPU_ROUNDS"):
            monkeypatch.setattr(trials, name, 1)
        return machine

    def test_without_a_device_it_says_so_and_what_to_do(self, monkeypatch, capsys):
        self.install(monkeypatch, with_device=False)
        assert main(["run", "gpu", "--count", "2"]) == 1
        said = " ".join(capsys.readouterr().out.split())
        assert "CuPy is not installed" in said
        assert "pip install" in said

    @pytest.mark.fonts
    def test_rows_tell_of_steps_and_of_batches_beside_the_cpu(self, monkeypatch):
        self.install(monkeypatch, with_device=True)
        rows = {row.case: row for row in gpu_case.run(2)}
        assert {"gpu.batch_1", "gpu.batch_2", "gpu.step.composite_tiles", "gpu.step.download"} <= rows.keys()
        assert rows["gpu.batch_2"].backend == "cuda"
        assert rows["gpu.batch_2"].ratio > 0
        assert rows["gpu.batch_2"].bytes > 10_000
