"""The compositor on the CPU: compiled by Numba where it can be, otherwise by NumPy, with the same bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from render.compiled import compiled
from render.errors import BackendUnavailable
from render.raster.buffers import ALL

_Kernel = Callable[..., None]

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]

BACKENDS = ("auto", "numba", "numpy")

_log = logging.getLogger(__name__)


class ComposePage:
    """Composes pages; see :mod:`render.raster.kernels.compose_page` for the arguments."""

    def __init__(self, kernel: _Kernel) -> None:
        self._kernel = kernel

    def __call__(self, page: U1, ground: U1, *stamps: NDArray[np.generic], stale: U8 | None = None) -> None:
        """Compose a page; without ``stale`` its content is arbitrary."""
        self._kernel(page, ground, np.full(len(page), ALL) if stale is None else stale, *stamps)


def load_compositor(backend: str = "auto") -> tuple[ComposePage, str]:
    """Return the page compositor and the name of what runs it.

    Args:
        backend: ``numba`` (an error where it is not usable), ``numpy``, or ``auto``: the first that is usable.

    Raises:
        BackendUnavailable: ``numba`` was asked for and cannot compile here; or an unknown name.
    """
    if backend not in BACKENDS:
        raise BackendUnavailable(f"no raster backend {backend!r}.", hint=f"Choose from {', '.join(BACKENDS)}.")
    from render.raster.kernels.compose_page import compose_rows_numpy

    if backend != "numpy":
        kernel = _compile()
        if kernel is not None:
            return ComposePage(kernel), "numba"
        if backend == "numba":
            hint = "Use the raster backend `auto`; the log says what is wrong with numba."
            raise BackendUnavailable("numba cannot be used here.", hint=hint)
    return ComposePage(compose_rows_numpy), "numpy"


@cache
def _compile() -> _Kernel | None:
    """Compile the scalar kernel, or load it from Numba's cache; return None where that is impossible."""
    from render.raster.kernels import compose_page as source

    kernel = compiled(source.compose_rows_scalar, source.SIGNATURE)
    if kernel is source.compose_rows_scalar:
        _log.warning("kernel.fallback kernel=compose_page to=numpy")
        return None
    return kernel
