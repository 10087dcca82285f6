"""Which child of a worker renders on which device: one each, by the child's place in its pool.

The worker's main process counts devices without touching CUDA. A child that takes the place of one that died has the
same place, and so the same device. What it may see is said to it before anything of CUDA is imported.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence

from billiard import current_process

from render.gpu.device import Device
from render.gpu.inventory import VISIBLE, device_names
from workers.config import WorkerSettings


def devices_of(settings: WorkerSettings, environ: MutableMapping[str, str]) -> tuple[str, ...]:
    """Return the names of the devices that children of a worker share out; none where the processor renders."""
    asked = dict(settings.values).get("KAIPIAO_DEVICE") or Device.AUTO
    return device_names(asked, environ)


def take_device(names: Sequence[str], environ: MutableMapping[str, str]) -> str:
    """Let this child of a pool see one device alone and return its name; empty where it is no such child.

    Args:
        names: of the worker's devices, in the order of the children.
        environ: of this process; CUDA reads it when it is first used.
    """
    place = getattr(current_process(), "index", None)
    if not names or place is None:
        return ""
    name = names[int(place) % len(names)]
    environ[VISIBLE] = name
    return name
