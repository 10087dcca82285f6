"""One device a child: counted without CUDA, taken by place; a device that fails is left alone, with a count."""

import sys
from types import SimpleNamespace

import pytest

from render import drawing
from render.config import RenderSettings
from render.errors import BackendUnavailable, DeviceLost
from render.gpu import device as device_module
from render.gpu import inventory
from render.gpu.device import Choice, Device
from render.gpu.events import GpuEvent, GpuEventKind, log_event
from render.gpu.inventory import device_names
from workers import devices as devices_module
from workers.app import LOST_WAIT_S, create_app
from workers.breaker.device import DEVICE_RULES, DeviceGate, device_part
from workers.breaker.gate import Gate
from workers.breaker.local import LocalBreaker
from workers.config import WorkerSettings
from workers.devices import take_device
from workers.engine import DeviceEngine, RenderEngine
from workers.rendering_device import RenderingDevice


class Clock:
    def __init__(self):
        self.ms = 0

    def __call__(self):
        return self.ms

    def seconds(self):
        return self.ms / 1000


class Events:
    """A log that is kept."""

    def __init__(self):
        self.told = []

    def __getattr__(self, level):
        return lambda event, **fields: self.told.append((event, fields.get("code")))

    @property
    def fallbacks(self):
        return [code for event, code in self.told if event == "backend.fallback"]


class Tally:
    def __init__(self):
        self.parts = []

    def add(self, part):
        self.parts.append(part)


@pytest.fixture
def nvml(monkeypatch):
    """Return a function that sets which devices the driver knows; None = there is no driver."""

    class NVMLError(Exception):
        pass

    fake = SimpleNamespace(NVMLError=NVMLError, uuids=["GPU-a", b"GPU-b", "GPU-c"], nvmlShutdown=lambda: None)

    def init():
        if fake.uuids is None:
            raise NVMLError("Driver Not Loaded")

    fake.nvmlInit, fake.nvmlDeviceGetCount = init, lambda: len(fake.uuids)
    fake.nvmlDeviceGetHandleByIndex, fake.nvmlDeviceGetUUID = lambda index: index, lambda index: fake.uuids[index]
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(inventory, "find_spec", lambda name: object())
    return fake


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ("GPU-a", "GPU-b", "GPU-c")),
        ("2,0", ("2", "0")),
        ("GPU-c", ("GPU-c",)),
        ("", ()),
        ("1,-1,2", ("1",)),
        ("0,7", ("0",)),
    ],
)
def test_devices_are_those_of_the_driver_that_the_environment_lets_be_seen(nvml, visible, names):
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert device_names("auto", environ) == device_names("cuda", environ) == names
    assert device_names("cpu", environ) == ()


def test_without_a_driver_to_ask_only_cuda_assumes_a_device(nvml, monkeypatch):
    nvml.uuids = None
    assert device_names("auto", {"CUDA_VISIBLE_DEVICES": "0,1"}) == ()
    assert device_names("cuda", {}) == ("0",)
    assert device_names("cuda", {"CUDA_VISIBLE_DEVICES": "0,1"}) == ("0", "1")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert device_names("auto", {}) == ()


def test_without_cupy_auto_looks_for_nothing(nvml, monkeypatch):
    monkeypatch.setattr(inventory, "find_spec", lambda name: None)
    assert device_names("auto", {}) == ()


def test_a_child_sees_the_device_of_its_place_alone(monkeypatch):
    seen = []
    for place in (0, 1, 2):
        environ = {"CUDA_VISIBLE_DEVICES": "0,1"}
        monkeypatch.setattr(devices_module, "current_process", lambda place=place: SimpleNamespace(index=place))
        seen.append((take_device(("GPU-a", "GPU-b"), environ), environ["CUDA_VISIBLE_DEVICES"]))
    assert seen == [("GPU-a", "GPU-a"), ("GPU-b", "GPU-b"), ("GPU-a", "GPU-a")]
    environ = {}
    assert (take_device((), environ), environ) == ("", {})


def test_a_process_that_is_no_child_of_a_pool_takes_no_device():
    environ = {}
    assert (take_device(("GPU-a",), environ), environ) == ("", {})


def shaped(settings, **options):
    """Return a worker as Celery makes it, shaped by its devices."""
    app = create_app(WorkerSettings.from_mapping(settings))
    worker = SimpleNamespace(
        app=app,
        concurrency=options.get("concurrency") or 16,
        max_tasks_per_child=2000,
        prefetch_multiplier=1,
        worker_lost_wait=10.0,
    )
    app.count_devices(instance=worker, conf=SimpleNamespace(worker_concurrency=None), options=options)
    app.shape_worker(sender=worker)
    return worker


def test_a_worker_with_devices_has_a_lasting_child_for_each_and_gathers(nvml, tmp_path):
    values = {"KAIPIAO_HOME": str(tmp_path)}
    worker = shaped(values)
    assert (worker.concurrency, worker.max_tasks_per_child, worker.prefetch_multiplier) == (3, None, 128)
    assert worker.worker_lost_wait == LOST_WAIT_S
    assert shaped(values, concurrency=2).concurrency == 2
    assert shaped(values | {"KAIPIAO_CHUNKS_PER_CHILD": "9"}).max_tasks_per_child == 2000
    assert shaped(values | {"KAIPIAO_GATHER": "off"}).prefetch_multiplier == 1
    revive, arguments = worker.app.__reduce__()
    assert revive(*arguments).devices == ("GPU-a", "GPU-b", "GPU-c"), "children are told, and do not count"


def test_a_worker_without_devices_is_left_as_it_is(nvml, tmp_path):
    worker = shaped({"KAIPIAO_HOME": str(tmp_path), "KAIPIAO_DEVICE": "cpu"})
    assert (worker.concurrency, worker.max_tasks_per_child, worker.prefetch_multiplier) == (16, 2000, 1)
    assert (worker.worker_lost_wait, worker.app.gathers) == (10.0, False)
    assert shaped({"KAIPIAO_DEVICE": "cpu", "KAIPIAO_GATHER": "on"}).prefetch_multiplier == 128
    assert worker.app.conf.worker_pool_start_method == "spawn"
    assert worker.app.conf.worker_proc_alive_timeout == 60


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log():
    return Events()


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def gate(clock, log, tally):
    return DeviceGate(Gate(LocalBreaker(DEVICE_RULES, clock), "device:GPU-a", log, clock.seconds), log, tally)


def with_event(kind, result):
    def work():
        log_event(GpuEvent(kind, 2, "why"))
        return result

    return work


def test_a_batch_that_the_device_made_in_part_counts_against_it_and_keeps_its_pages(gate, log, tally):
    assert gate.run(with_event(GpuEventKind.FELL_BACK, "mixed"), lambda: "cpu") == "mixed"
    assert (log.fallbacks, tally.parts) == (["fell_back"], ["device:GPU-a"])


@pytest.mark.parametrize("kind", [GpuEventKind.HALVED, GpuEventKind.DECLINED])
def test_smaller_batches_and_pages_that_do_not_fit_are_no_faults_of_the_device(gate, log, tally, kind):
    assert [gate.run(with_event(kind, "device"), lambda: "cpu") for _ in range(9)] == ["device"] * 9
    assert (log.told, tally.parts) == ([], [])


def test_a_lost_device_is_made_up_for_and_not_used_again_by_this_process(gate, log, tally):
    def lost():
        raise DeviceLost("the context is gone.", hint="Start anew.")

    assert gate.run(lost, lambda: "cpu") == "cpu"
    assert gate.has_lost_device
    assert log.told == [("breaker.opened", None), ("backend.fallback", "device_lost")], "one such failure is enough"
    assert gate.run(lambda: pytest.fail("used again"), lambda: "cpu") == "cpu"
    assert len(tally.parts) == 2


def test_the_part_of_a_device_is_unlike_that_of_every_other_device():
    assert device_part("GPU-5", "a") == device_part("GPU-5", "b") == "device:GPU-5"
    assert device_part("0", "a") != device_part("0", "b")


@pytest.fixture
def machine(monkeypatch):
    """A machine whose device the test breaks: what opening it raises, and what a probe finds."""
    machine = SimpleNamespace(raises=None, found=Choice(Device.CUDA, "it answers.", card=SimpleNamespace(name="Card")))

    def open_device(device):
        if machine.raises is not None and device != "cpu":
            raise machine.raises

    monkeypatch.setattr(drawing, "_open", open_device)
    monkeypatch.setattr(device_module, "choose", lambda _: machine.found)
    monkeypatch.setattr(device_module, "look_again", lambda: machine.found)
    return machine


@pytest.mark.fonts
def test_a_device_that_did_not_answer_is_looked_for_again(machine):
    answering, machine.found = machine.found, Choice(Device.CPU, "no device can be used.")
    device = RenderingDevice.open(RenderSettings())
    with pytest.raises(BackendUnavailable, match="no device"):
        device.render([])
    assert device.render_without([]) == []
    before, machine.found = device.opened, answering
    assert device.render([]) == []
    assert device.opened is not before


@pytest.mark.fonts
def test_a_device_that_breaks_while_it_is_opened_leaves_a_renderer_without_it_unless_nothing_else_may_render(machine):
    machine.raises = DeviceLost("the context is gone.", hint="Start anew.")
    device = RenderingDevice.open(RenderSettings())
    assert device.render_without([]) == []
    with pytest.raises(DeviceLost):
        device.render([])
    with pytest.raises(DeviceLost):
        RenderingDevice.open(RenderSettings(device="cuda"))


@pytest.mark.fonts
def test_cuda_means_that_nothing_but_the_device_renders(machine, gate):
    engine = RenderEngine(None, RenderingDevice.open(RenderSettings(device="cuda")))
    assert isinstance(engine, DeviceEngine)
    engine.put_behind(gate)
    assert engine._gate is None
    engine = RenderEngine(None, RenderingDevice.open(RenderSettings(device="auto")))
    engine.put_behind(gate)
    assert engine._gate is gate
