"""Which devices a machine has, asked of the driver's management library: CUDA itself is never touched.

For processes that start others: a process that used CUDA cannot hand it on, and the first call to it would choose a
device. What CUDA_VISIBLE_DEVICES says is heeded as CUDA heeds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from render.gpu.device import Device

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Names the devices that a process sees, by number or by UUID; what is not in it does not exist for the process."""

_FIRST = "0"


def device_names(asked: str | Device, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a name for each device that processes may use, such as CUDA_VISIBLE_DEVICES understands.

    Args:
        asked: ``cpu`` = none; ``auto`` = those that are found, where CuPy is installed; ``cuda`` = those, or else those
            that the environment names, or else the first: whether it can be used, the process finds out that uses it.
        environ: where VISIBLE may stand.
    """
    if asked == Device.CPU or (asked == Device.AUTO and find_spec("cupy") is None):
        return ()
    found, visible = _installed(), environ.get(VISIBLE)
    named = None if visible is None else _named(visible)
    if found:
        return found if named is None else tuple(name for name in named if _exists(name, found))
    if asked == Device.AUTO:
        return ()
    return (_FIRST,) if named is None else named


def _named(visible: str) -> tuple[str, ...]:
    """Return the names before the first that names nothing: CUDA passes over whatever stands behind it."""
    names = []
    for name in (part.strip() for part in visible.split(",")):
        if not name or name.startswith("-"):
            break
        names.append(name)
    return tuple(names)


def _exists(name: str, found: tuple[str, ...]) -> bool:
    return not name.isdecimal() or int(name) < len(found)


def _installed() -> tuple[str, ...]:
    """Return the UUIDs of the machine's devices; none where there is no driver to ask."""
    try:
        pynvml = import_module("pynvml")
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(_text(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _text(value: Any) -> str:  # noqa: ANN401 bytes in earlier versions of the library
    return value.decode() if isinstance(value, bytes) else str(value)
