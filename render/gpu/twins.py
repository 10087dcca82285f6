"""The CPU twins of the kernels, compiled by Numba where it can be."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import PurePosixPath

from render.compiled import compiled
from render.gpu.signatures import Argument, Kernel


@functools.cache
def load_twin(kernel: Kernel) -> Callable[..., None]:
    """Return the twin of a kernel: the same arguments as NumPy arrays and integers, the same bytes."""
    module = importlib.import_module(".".join(("render", *PurePosixPath(kernel.file).with_suffix("").parts)))
    types = ", ".join(_numba_type(argument) for argument in kernel.arguments)
    function: Callable[..., None] = getattr(module, kernel.name)
    return compiled(function, f"void({types})")


def _numba_type(argument: Argument) -> str:
    if argument.role == "scalar":
        return argument.dtype
    dimensions = argument.shape.count(",") + 1
    is_read_only = argument.role == "in"
    return f"Array({argument.dtype}, {dimensions}, 'C', readonly={is_read_only})"
