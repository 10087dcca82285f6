"""Which device renders: ``cpu``, ``cuda`` or ``auto``, decided once a process and said aloud with the reason.

``cuda`` is an error where it is impossible; ``cpu`` never touches CUDA, not even to look; ``auto`` looks once a process
and takes what it finds.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import Any

import numpy as np

from render.errors import BackendUnavailable, ConfigError, KaipiaoError
from render.gpu.faults import Cupy, DeviceRefused, OutOfDeviceMemory, guarded

OLDEST_COMPUTE = (7, 5)
"""Turing, such as the T4: the kernels are compiled and tested for it and what came after."""

_INSTALL = "Install the extra: pip install 'kaipiao[gpu]'."
_DRIVER = "Run `nvidia-smi`: install or mend the NVIDIA driver, and start containers with --gpus."
_PATTERN = bytes(range(256)) * 16

_log = logging.getLogger(__name__)


class Device(StrEnum):
    """What a caller may ask for."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True)
class Card:
    """A device that was tried.

    Attributes:
        index: as CUDA counts the devices that this process sees; ``compute``: capability, such as (7, 5).
        memory_bytes: all of it; ``free_bytes``: at the time of the probe.
        driver, runtime, nvrtc: versions as CUDA gives them: 12090 is 12.9.
        pci_bus_id: tells cards of one name apart.
    """

    index: int
    name: str
    compute: tuple[int, int]
    processors: int
    memory_bytes: int
    free_bytes: int
    driver: int
    runtime: int
    nvrtc: int
    cupy: str
    pci_bus_id: str

    @property
    def arch(self) -> str:
        """Return the architecture as compilers name it, such as ``sm_75``."""
        return f"sm_{self.compute[0]}{self.compute[1]}"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self) | {"compute": f"{self.compute[0]}.{self.compute[1]}", "arch": self.arch}


@dataclass(frozen=True, slots=True)
class Choice:
    """What renders, and why.

    Attributes:
        device: CPU or CUDA.
        reason: one sentence; ``remedy``: what would make CUDA possible, empty where nothing is to be done.
        card: the device, None for the CPU.
    """

    device: Device
    reason: str
    remedy: str = ""
    card: Card | None = None


def choose(asked: str | Device = Device.AUTO) -> Choice:
    """Decide which device renders in this process.

    Args:
        asked: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: another name.
        BackendUnavailable: ``cuda`` was asked for and is impossible here; the hint says what to do.
    """
    if asked not in set(Device):
        raise ConfigError(f"there is no device {asked!r}.", hint=f"Choose from {', '.join(Device)}.")
    if asked == Device.CPU:
        return Choice(Device.CPU, "the CPU was asked for.")
    found = _probed.here()
    if asked == Device.CUDA and found.card is None:
        raise BackendUnavailable(f"CUDA was asked for, but {found.reason}", hint=found.remedy)
    return found


def look_again() -> Choice:
    """Forget what an earlier probe of this process found, and probe anew: a device may have come back."""
    return _probed.anew()


def load_cupy() -> Cupy:
    """Import CuPy; call it only after :func:`choose` gave CUDA."""
    import cupy

    return cupy


def probe(index: int = 0) -> Choice:
    """Look for a usable device by using it: a copy to it and back has to return what was sent.

    Args:
        index: as CUDA counts the devices that this process sees.
    """
    if find_spec("cupy") is None:
        return Choice(Device.CPU, "CuPy is not installed.", _INSTALL)
    try:
        cupy = load_cupy()
    except Exception as error:  # noqa: BLE001 a broken installation fails in its own way, and the CPU is still there
        return Choice(Device.CPU, f"CuPy cannot be imported: {error}.", _INSTALL)
    try:
        with guarded(cupy, "looking for a device"):
            card = _try_device(cupy, index)
    except KaipiaoError as error:
        return Choice(Device.CPU, error.message, error.hint)
    except (DeviceRefused, OutOfDeviceMemory) as error:
        return Choice(Device.CPU, f"no device can be used ({error}).", _DRIVER)
    return Choice(Device.CUDA, f"{card.name} answers.", card=card)


def _try_device(cupy: Cupy, index: int) -> Card:
    runtime = cupy.cuda.runtime
    count = runtime.getDeviceCount()
    if index >= count:
        raise BackendUnavailable(f"there is no device {index}; CUDA sees {count}.", hint=_DRIVER)
    card = _describe(cupy, index)
    if card.compute < OLDEST_COMPUTE:
        oldest = ".".join(map(str, OLDEST_COMPUTE))
        message = f"{card.name} has compute capability {card.compute[0]}.{card.compute[1]}, below {oldest}."
        raise BackendUnavailable(message, hint="Use a newer card, a T4 or later.")
    if _echo(cupy, index) != _PATTERN:
        raise BackendUnavailable(f"{card.name} returned other bytes than were sent.", hint="Have the card checked.")
    return card


def _describe(cupy: Cupy, index: int) -> Card:
    runtime = cupy.cuda.runtime
    seen = runtime.getDeviceProperties(index)
    name = seen["name"]
    with cupy.cuda.Device(index):
        free, memory = runtime.memGetInfo()
        pci_bus_id = cupy.cuda.Device(index).pci_bus_id
    try:
        major, minor = cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        # CuPy's loader has errors of its own for a library that is not there.
        raise BackendUnavailable(f"NVRTC cannot be loaded: {error}.", hint=_INSTALL) from error
    return Card(
        index=index,
        name=name.decode() if isinstance(name, bytes) else str(name),
        compute=(int(seen["major"]), int(seen["minor"])),
        processors=int(seen["multiProcessorCount"]),
        memory_bytes=int(memory),
        free_bytes=int(free),
        driver=int(runtime.driverGetVersion()),
        runtime=int(runtime.runtimeGetVersion()),
        nvrtc=1000 * int(major) + 10 * int(minor),
        cupy=str(cupy.__version__),
        pci_bus_id=str(pci_bus_id),
    )


def _echo(cupy: Cupy, index: int) -> bytes:
    """Send a pattern to the device and return what comes back."""
    with cupy.cuda.Device(index):
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            there = cupy.cuda.MemoryPool().malloc(len(_PATTERN))
        pinned = cupy.cuda.PinnedMemoryPool()
        sent, returned = (np.frombuffer(pinned.malloc(len(_PATTERN)), np.uint8, len(_PATTERN)) for _ in range(2))
        sent[:] = np.frombuffer(_PATTERN, np.uint8)
        runtime = cupy.cuda.runtime
        runtime.memcpyAsync(there.ptr, sent.ctypes.data, len(_PATTERN), runtime.memcpyHostToDevice, stream.ptr)
        runtime.memcpyAsync(returned.ctypes.data, there.ptr, len(_PATTERN), runtime.memcpyDeviceToHost, stream.ptr)
        stream.synchronize()
        return returned.tobytes()


class _Probed:
    """The probe's outcome, found once a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._choice: Choice | None = None
        self._process = os.getpid()

    def anew(self) -> Choice:
        """Probe once more."""
        with self._lock:
            self._forget()
        return self.here()

    def here(self) -> Choice:
        """Probe, log and remember; a child of a process that used CUDA gets no CUDA."""
        with self._lock:
            if self._process != os.getpid():
                used_before = self._choice is not None and self._choice.card is not None
                self._forget()
                if used_before:
                    reason = "CUDA was in use before this process was forked."
                    self._choice = Choice(Device.CPU, reason, "Start GPU processes by spawn.")
            if self._choice is None:
                self._choice = probe()
                card = self._choice.card
                _log.info(
                    "gpu.chosen device=%s card=%s reason=%s",
                    self._choice.device,
                    card.name if card else "-",
                    self._choice.reason,
                )
            return self._choice


_probed = _Probed()
