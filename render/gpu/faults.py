"""What CUDA reports, sorted by what is to be done about it: less memory, another way, or the end of the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from render.errors import DeviceLost, KaipiaoError

Cupy = Any
"""The module ``cupy``, or what stands for it in tests."""

OUT_OF_MEMORY = 2
"""cudaErrorMemoryAllocation and CUDA_ERROR_OUT_OF_MEMORY."""

STICKY = frozenset({4, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999})
"""Status codes after which every further call of the process fails (CUDA Runtime API, cudaError_t): unloading, broken
memory or links, illegal address, time-out, destroyed context, assertion, and the exceptions of a running kernel."""

ABSENT = frozenset({3, 34, 35, 36, 46, 100, 101, 803, 804})
"""Status codes of a driver or device that is not there or does not fit: every call fails, and nothing was lost."""

_RESTART = "End this process and start another; the context cannot be mended."


class OutOfDeviceMemory(Exception):  # noqa: N818 named by what happened, as in the error tree
    """The device, or its share of the host's pinned memory, has no room; the context is sound."""


class DeviceRefused(Exception):  # noqa: N818 named by what happened, as in the error tree
    """A call or a launch failed and the context is sound: the work can be done in another way."""


@contextmanager
def guarded(cupy: Cupy, doing: str) -> Iterator[None]:
    """Turn what CUDA raises into one of three errors.

    Args:
        cupy: asked once more after an unknown error, since a broken context fails at the next call too.
        doing: what is being done, for the message.

    Raises:
        OutOfDeviceMemory: a smaller batch may fit.
        DeviceRefused: anything else that left the context sound.
        DeviceLost: the context is broken.
    """
    try:
        yield
    except (KaipiaoError, OutOfDeviceMemory, DeviceRefused):
        raise
    except (RuntimeError, MemoryError, cupy.cuda.compiler.CompileException) as error:
        raise _sorted(cupy, error, doing) from error


def _sorted(cupy: Cupy, error: Exception, doing: str) -> Exception:
    status = getattr(error, "status", None)
    said = _first_row(error)
    if status in STICKY:
        return _lost(doing, said)
    still = "" if status in ABSENT else _ask_again(cupy)
    if still:
        return _lost(doing, f"{said}; then {still}")
    if isinstance(error, MemoryError) or status == OUT_OF_MEMORY:
        return OutOfDeviceMemory(f"{doing}: {said}")
    return DeviceRefused(f"{doing}: {said}")


def _ask_again(cupy: Cupy) -> str:
    """Return what the device answers to a call that cannot fail on a sound context; empty = nothing wrong."""
    try:
        cupy.cuda.runtime.deviceSynchronize()
    except RuntimeError as error:
        return _first_row(error)
    return ""


def _lost(doing: str, said: str) -> DeviceLost:
    return DeviceLost(f"the GPU failed for good while {doing}: {said}.", hint=_RESTART)


def _first_row(error: Exception) -> str:
    rows = str(error).strip().splitlines()
    return rows[0] if rows else type(error).__name__
