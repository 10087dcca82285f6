"""The compositor on the CPU: compiled by Numba where it can be, otherwise by NumPy, with the same bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import BackendUnavailable
from render.raster.kernels.compose_page import SIGNATURE, compose_rows_numpy, compose_rows_scalar

_Kernel = Callable[..., None]

U1 = NDArray[np.uint8]

BACKENDS = ("auto", "numba", "numpy")

_log = logging.getLogger(__name__)


class ComposePage:
    """Composes pages; see :mod:`render.raster.kernels.compose_page` for the arguments."""

    def __init__(self, kernel: _Kernel) -> None:
        self._kernel = kernel

    def __call__(self, page: U1, ground: U1, *stamps: NDArray[np.generic], stale: U1 | None = None) -> None:
        """Compose a page; without ``stale`` its content is arbitrary."""
        self._kernel(page, ground, np.ones(len(page), np.uint8) if stale is None else stale, *stamps)


def load_compositor(backend: str = "auto") -> tuple[ComposePage, str]:
    """Return the page compositor and the name of what runs it.

    Args:
        backend: ``numba`` (an error where it is not usable), ``numpy``, or ``auto``: the first that is usable.

    Raises:
        BackendUnavailable: ``numba`` was asked for and cannot compile here; or an unknown name.
    """
    if backend not in BACKENDS:
        raise BackendUnavailable(f"no raster backend {backend!r}.", hint=f"Choose from {', '.join(BACKENDS)}.")
    if backend == "numpy":
        return ComposePage(compose_rows_numpy), "numpy"
    compiled = _compile()
    if isinstance(compiled, str):
        if backend == "numba":
            raise BackendUnavailable(f"numba cannot be used: {compiled}.", hint="Use the raster backend `auto`.")
        return ComposePage(compose_rows_numpy), "numpy"
    return ComposePage(compiled), "numba"


@cache
def _compile() -> _Kernel | str:
    """Compile the scalar kernel, or load it from Numba's cache; return the reason where that is impossible.

    Numba keeps compiled code beside this file where that is writable, otherwise in the user's cache folder.
    """
    try:
        import numba
    except ImportError as error:
        return _fall_back(f"{type(error).__name__}: {error}")
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return _fall_back("NUMBA_DISABLE_JIT is set")
    options: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
    try:
        try:
            return numba.njit(SIGNATURE, cache=True, **options)(compose_rows_scalar)
        except (RuntimeError, OSError) as error:
            _log.info("kernel.uncached reason=%s", error)
            return numba.njit(SIGNATURE, **options)(compose_rows_scalar)
    except numba.core.errors.NumbaError as error:
        return _fall_back(str(error))


def _fall_back(reason: str) -> str:
    _log.warning("kernel.fallback kernel=compose_page to=numpy reason=%s", reason)
    return reason
