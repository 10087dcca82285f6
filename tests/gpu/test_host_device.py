"""auto, cpu and cuda mean exactly what they say."""

import logging
import os
import subprocess
import sys
from operator import attrgetter

import pytest

from render.errors import BackendUnavailable, ConfigError, DeviceLost, Retry
from render.gpu import device
from render.gpu.device import Device, choose, probe
from render.gpu.faults import DeviceRefused, OutOfDeviceMemory, guarded
from render.gpu.session import open_session
from tests.gpu.fake_cupy import (
    CudaRuntimeError,
    Faults,
    Machine,
    MemoryPool,
    OutOfMemoryError,
    PinnedMemoryPool,
    Stream,
    make_cupy,
)


@pytest.fixture
def install(monkeypatch):
    """Return a function that puts a fake CuPy in the place of the real one, and forgets what was probed."""

    def install(cupy):
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setattr(device, "_probed", device._Probed())
        return cupy

    return install


def machine(**options):
    return Machine(lambda *launch: None, **options)


def test_cpu_never_looks(install):
    class Untouchable:
        __spec__ = property(lambda self: pytest.fail("the CPU was asked for"))

    install(Untouchable())
    choice = choose("cpu")
    assert (choice.device, choice.card) == (Device.CPU, None)


def test_auto_takes_a_device_that_answers(install):
    install(make_cupy(machine()))
    choice = choose("auto")
    assert choice.device is Device.CUDA
    assert choice.card.arch == "sm_75"
    assert choice.card.name == "Fake device"
    assert choose("cuda") is choice


def test_without_cupy_auto_is_the_cpu_and_cuda_an_error_with_a_remedy(install):
    install(None)
    assert choose("auto").device is Device.CPU
    with pytest.raises(BackendUnavailable, match="not installed") as caught:
        choose("cuda")
    assert "pip install" in caught.value.hint
    assert caught.value.retry is Retry.ELSEWHERE


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"devices": 0}, "InsufficientDriver"),
        ({"compute": (7, 0)}, "below 7.5"),
    ],
)
def test_what_makes_a_device_impossible_is_named(install, options, word):
    install(make_cupy(machine(), **options))
    assert word in choose("auto").reason
    with pytest.raises(BackendUnavailable, match=word) as caught:
        choose("cuda")
    assert caught.value.hint


def test_a_card_that_returns_other_bytes_is_not_used(install):
    cupy = install(make_cupy(machine()))
    copy = cupy.cuda.runtime.memcpyAsync

    def forgetful(to, source, size, kind, stream):
        copy(to, source, size if kind == cupy.cuda.runtime.memcpyHostToDevice else size // 2, kind, stream)

    cupy.cuda.runtime.memcpyAsync = forgetful
    assert "other bytes" in choose("auto").reason


def test_no_memory_at_all_and_a_missing_compiler_are_named(install):
    install(make_cupy(machine(faults=Faults(oom_at=1))))
    assert "memory" in choose("auto").reason
    cupy = install(make_cupy(machine()))

    def missing():
        raise OSError("libnvrtc.so.12: cannot open shared object file")

    cupy.cuda.nvrtc.getVersion = missing
    assert "libnvrtc" in choose("auto").reason


def test_the_probe_runs_once_a_process_and_says_why(install, caplog):
    cupy = install(make_cupy(machine()))
    count, calls = cupy.cuda.runtime.getDeviceCount, []
    cupy.cuda.runtime.getDeviceCount = lambda: calls.append(1) or count()
    with caplog.at_level(logging.INFO, "render.gpu.device"):
        for _ in range(3):
            choose("auto")
    assert len(calls) == 1
    (record,) = [record for record in caplog.records if "gpu.chosen" in record.message]
    assert "device=cuda" in record.message
    assert "answers" in record.message


def test_a_child_of_a_process_that_used_cuda_gets_none(install, monkeypatch):
    install(make_cupy(machine()))
    assert choose("auto").device is Device.CUDA
    own = os.getpid()
    monkeypatch.setattr(device.os, "getpid", lambda: own + 1)
    choice = choose("auto")
    assert choice.device is Device.CPU
    assert "forked" in choice.reason
    with pytest.raises(BackendUnavailable, match="forked"):
        choose("cuda")


class TestOpenSession:
    def test_a_device_that_answers_is_opened(self, install):
        install(make_cupy(machine()))
        assert open_session("auto").card.name == "Fake device"
        assert open_session("cpu") is None

    def test_where_it_answers_but_cannot_be_opened_auto_is_the_cpu_and_cuda_an_error(self, install, caplog):
        cupy = install(make_cupy(machine()))
        assert choose("auto").card is not None

        def refuse():
            raise CudaRuntimeError(2)

        cupy.cuda.runtime.memGetInfo = refuse
        assert open_session("auto") is None
        assert "gpu.unopened pages=0 reason=Fake device" in caplog.text
        with pytest.raises(BackendUnavailable, match="cannot be opened"):
            open_session("cuda")

    def test_without_a_device_auto_is_the_cpu(self, install):
        install(None)
        assert open_session("auto") is None
        with pytest.raises(BackendUnavailable):
            open_session("cuda")


def test_unknown_devices_are_refused():
    with pytest.raises(ConfigError, match="gpu"):
        choose("gpu")


@pytest.mark.gpu
def test_the_device_of_this_machine_answers():
    choice = probe()
    assert choice.card is not None, choice.reason


class TestGuarded:
    def test_memory_is_told_from_other_refusals(self):
        cupy = make_cupy(machine())
        with pytest.raises(OutOfDeviceMemory, match="drawing"), guarded(cupy, "drawing"):
            raise OutOfMemoryError("no room")
        with pytest.raises(OutOfDeviceMemory), guarded(cupy, "drawing"):
            raise CudaRuntimeError(2)
        with pytest.raises(DeviceRefused), guarded(cupy, "drawing"):
            raise CudaRuntimeError(9)

    @pytest.mark.parametrize("status", [700, 702, 710, 716, 719, 999])
    def test_sticky_errors_lose_the_device(self, status):
        with pytest.raises(DeviceLost) as caught, guarded(make_cupy(machine()), "drawing"):
            raise CudaRuntimeError(status)
        assert caught.value.retry is Retry.ELSEWHERE
        assert "End this process" in caught.value.hint

    def test_an_unknown_error_loses_the_device_where_the_next_call_fails_too(self):
        fake = machine()
        fake.lost = 700
        said = r"cudaError 12345; then cudaErrorIllegalAddress"
        with pytest.raises(DeviceLost, match=said), guarded(make_cupy(fake), "drawing"):
            raise CudaRuntimeError(12345)

    def test_errors_of_ours_pass_as_they_are(self):
        with pytest.raises(BackendUnavailable), guarded(make_cupy(machine()), "drawing"):
            raise BackendUnavailable("x")


def test_importing_the_host_loads_no_device_library():
    modules = "render.gpu.device, render.gpu.session, render.raster.raster_cuda, render.encode.png_cuda"
    code = f"import sys, {modules}; print([m for m in ('cupy', 'nvidia', 'pynvml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_fake_offers_only_what_cupy_has():
    """Needs CuPy, but no device."""
    real, fake = pytest.importorskip("cupy"), make_cupy(machine())
    for name in ("RawModule", "ndarray", "take", "__version__"):
        assert hasattr(real, name)
    for part in ("cuda", "cuda.runtime", "cuda.memory", "cuda.compiler", "cuda.driver", "cuda.nvrtc"):
        ours, theirs = attrgetter(part)(fake), attrgetter(part)(real)
        assert [name for name in vars(ours) if not hasattr(theirs, name)] == [], part
    kernel = real.RawModule(code="", options=(), backend="nvrtc").__class__
    assert hasattr(kernel, "get_function")
    assert {"num_regs", "local_size_bytes", "shared_size_bytes"} <= set(dir(real.RawKernel))
    for name, own in (("MemoryPool", MemoryPool), ("PinnedMemoryPool", PinnedMemoryPool), ("Stream", Stream)):
        used = {each for each in vars(own) if not each.startswith("_")} - {"machine", "ptr", "work", "done"}
        assert used <= set(dir(getattr(real.cuda, name))), name
