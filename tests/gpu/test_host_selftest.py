"""`kaipiao gpu selftest` on a machine without a device, on the fake, and on a device that draws wrong pages."""

import json
import sys
from functools import partial
from html.parser import HTMLParser

import pytest

from render.gpu import device
from tests.gpu.fake_codec import make_codec
from tests.gpu.fake_cupy import Faults, Machine, make_cupy
from tests.gpu.host_samples import run_on_twin
from workers.cli.commands import build
from workers.selftest import offline, run, trials
from workers.selftest.clock import StepClock
from workers.selftest.html import to_html
from workers.selftest.offline import CompilerError, compile_offline, find_nvrtc, try_compiling_offline
from workers.selftest.report import BatchTime, SelfTest

pytestmark = pytest.mark.fonts


@pytest.fixture
def install(monkeypatch):
    """Return a function that puts a fake device into this process, or none."""

    def install(*, with_device=True, **faults):
        monkeypatch.setattr(device, "_probed", device._Probed())
        machine = Machine(None, 1 << 30, Faults(**faults))
        machine.run_kernel = run_on_twin(machine)
        monkeypatch.setitem(sys.modules, "cupy", make_cupy(machine) if with_device else None)
        monkeypatch.setitem(sys.modules, "nvidia.nvimgcodec", make_codec(machine))
        # At one resolution: the fake draws as slowly as a CPU that plays a device does.
        monkeypatch.setattr(trials, "COMPARED_DPI", (96,))
        for name in ("_TIMED_ROUNDS", "_ROUND_PAGES", "_CPU_ROUNDS"):
            monkeypatch.setattr(trials, name, 1)
        architectures = () if with_device else ("sm_75",)
        monkeypatch.setattr(run, "try_compiling_offline", partial(try_compiling_offline, architectures))
        return machine

    return install


@pytest.fixture
def selftest(capsys, tmp_path):
    """Return a function that runs the command and returns its exit code, its report and its page."""

    def selftest(*options):
        arguments = ["gpu", "selftest", "--out", str(tmp_path), "--dpi", "96", *options]
        with pytest.raises(SystemExit) as ended:
            build().main(arguments, prog_name="kaipiao")
        said = capsys.readouterr()
        report = json.loads((tmp_path / "gpu-selftest.json").read_text(encoding="utf-8"))
        page = (tmp_path / "gpu-selftest.html").read_text(encoding="utf-8")
        return int(ended.value.code or 0), report, page, said.out + said.err

    return selftest


def outcomes(report):
    return {step["name"]: step["outcome"] for step in report["steps"]}


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.seen, self.sources = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.sources += [value for name, value in attributes if name in {"src", "href"}]


def test_without_a_device_it_says_what_is_missing_and_what_to_do(install, selftest):
    install(with_device=False)
    code, report, page, said = selftest()
    assert code == 1
    assert report["card"] is None
    assert report["passed"] is False
    assert outcomes(report)["device"] == "missing"
    assert "CuPy is not installed" in said
    assert "pip install" in said
    # What needs no device was done; nothing that needs one is claimed.
    assert outcomes(report)["page on the CPU"] == "ok"
    assert report["batches"] == []
    assert "Nothing was measured" in page


def test_a_sound_device_passes_every_step_and_the_report_shows_it(install, selftest):
    install()
    code, report, page, _ = selftest("--pages", "4")
    steps = outcomes(report)
    assert {steps[name] for name in ("device", "kernels compile", "pixels", "PNG", "JPEG", "times of steps")} == {"ok"}
    assert code == 0, steps
    assert [batch["pages"] for batch in report["batches"]] == [1, 2, 4]
    assert all(batch["device_ms"] > 0 and batch["cpu_ms"] > 0 for batch in report["batches"])
    timed = next(step["figures"] for step in report["steps"] if step["name"] == "times of steps")
    assert {"upload, µs a page", "composite_tiles, µs a page", "splice_png_write, µs a page"} <= timed.keys()
    tags = Tags(page)
    assert {"table", "svg", "img", "polyline"} <= set(tags.seen)
    assert all(source.startswith("data:") for source in tags.sources), "the report needs nothing else"


def test_wrong_pixels_fail_and_nothing_is_timed(install, selftest):
    machine = install()
    right = machine.run_kernel

    def wrong(name, grid, block, arguments):
        right(name, grid, block, arguments)
        if name == "composite_tiles":
            pages = int(arguments[-1])
            owner = next(each for each in machine.blocks if each.holds(pages, 1))
            owner.memory[pages - owner.start + 777] ^= 1

    machine.run_kernel = wrong
    code, report, _, said = selftest("--pages", "2")
    assert code == 1
    assert outcomes(report)["pixels"] == outcomes(report)["PNG"] == "failed"
    assert "1 pixels" in said
    assert report["batches"] == []


def test_a_lost_device_ends_the_trial_with_what_was_found(install, selftest):
    install(lost_at=3)
    code, report, _, said = selftest("--pages", "2")
    assert code == 1
    assert outcomes(report)["pixels"] == "failed"
    assert "PNG" not in outcomes(report)
    assert "IllegalAddress" in said


def test_steps_are_timed_between_their_events(install):
    machine = install()
    cupy = sys.modules["cupy"]
    streams = [machine.new_stream() for _ in range(2)]
    clock = StepClock(cupy)
    for stream, names in zip(streams, (("a", "b", "a", "end"), ("b", "end")), strict=True):
        for length, name in enumerate(names, 1):
            clock(stream, name)
            stream.work += [lambda: None] * length
    # The fake's clock counts pieces of work.
    assert clock.take() == {"a": [1.0, 3.0], "b": [2.0, 1.0]}
    assert clock.take() == {}


def test_the_plot_places_points_on_logarithmic_axes():
    test = SelfTest("1", "now", card={"name": "<card>"})
    test.batches = [BatchTime(1, 10.0, 20.0, 1.0), BatchTime(4, 4.0, None, 1.0), BatchTime(16, 1.6, None, 1.0)]
    page = to_html(test)
    # 100, 1,000 and 10,000 pages a second are a decade apart, and so are their heights.
    line = page.split("points='")[1].split("'")[0]
    (x0, y0), (x1, y1), (x2, y2) = (tuple(map(float, spot.split(","))) for spot in line.split())
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y0 > y1
    assert "&lt;card&gt;" in page


def test_the_compilers_word_is_kept(monkeypatch, tmp_path):
    library = find_nvrtc()
    if library is None:
        pytest.skip("NVRTC is not installed")
    (tmp_path / "broken.cu").write_text('extern "C" __global__ void f(int *a) { a[0] = b; }')
    monkeypatch.setattr(offline, "PACKAGE", tmp_path)
    with pytest.raises(CompilerError, match='identifier "b" is undefined'):
        compile_offline(library, "broken.cu", "sm_75")
    (tmp_path / "sound.cu").write_text('extern "C" __global__ void f(int *a) { a[0] = 1; }')
    assert compile_offline(library, "sound.cu", "sm_75")[:4] == b"\x7fELF"
