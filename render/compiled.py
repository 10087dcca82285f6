"""Inner loops in Python that Numba compiles where it can; without it the same source runs as it is, only slower."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

_log = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])


def jitable(function: Function) -> Function:
    """Let compiled functions call this one, which stays a Python function for everybody else."""
    try:
        from numba.extending import register_jitable
    except ImportError:
        return function
    return register_jitable(function)


def compiled(function: Function, signature: str) -> Function:
    """Return the function compiled for one signature, or the function itself where that is impossible.

    Compiled code is kept beside the function's file where that is writable, otherwise in the user's cache folder. It
    holds the interpreter's lock no longer than a call of it takes to begin and to end.

    Args:
        function: takes and returns numbers and arrays alone.
        signature: of Numba, such as ``int64(uint8[::1], int64)``.
    """
    name = function.__name__
    try:
        import numba
    except ImportError as error:
        return _interpreted(function, f"{type(error).__name__}: {error}")
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return _interpreted(function, "NUMBA_DISABLE_JIT is set")
    options: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
    try:
        try:
            return cast("Function", numba.njit(signature, cache=True, **options)(function))
        except (RuntimeError, OSError) as error:
            _log.info("kernel.uncached kernel=%s reason=%s", name, error)
            return cast("Function", numba.njit(signature, **options)(function))
    except numba.core.errors.NumbaError as error:
        return _interpreted(function, str(error))


def _interpreted(function: Function, reason: str) -> Function:
    _log.warning("kernel.interpreted kernel=%s reason=%s", function.__name__, reason)
    return function
