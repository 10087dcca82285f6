"""Inner loops in Python that Numba compiles where it can; without it the same source runs as it is, only slower."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
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


def inlined(function: Function) -> Function:
    """Do what :func:`jitable` does, for a function whose body shall stand in every loop that calls it.

    A loop that calls others is not turned into operations on several numbers at once.
    """
    try:
        from numba.extending import register_jitable
    except ImportError:
        return function
    return register_jitable(inline="always")(function)


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
            return cast("Function", numba.njit(signature, cache=True, **options)(_named_by_source(function)))
        except (RuntimeError, OSError) as error:
            _log.info("kernel.uncached kernel=%s reason=%s", name, error)
            return cast("Function", numba.njit(signature, **options)(function))
    except numba.core.errors.NumbaError as error:
        return _interpreted(function, str(error))


def _interpreted(function: Function, reason: str) -> Function:
    _log.warning("kernel.interpreted kernel=%s reason=%s", function.__name__, reason)
    return function


def _named_by_source(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function under a name that changes with the sources of its folder and of what these import.

    Numba finds compiled code by name and looks at the age of the function's own file alone: it would go on using code
    that holds an older version of what the function calls.
    """
    code = function.__code__
    named = FunctionType(code, function.__globals__, function.__name__, function.__defaults__)
    named.__module__, named.__doc__ = function.__module__, function.__doc__
    named.__qualname__ = f"{function.__qualname__}_{_digest_of_sources(Path(code.co_filename).parent)}"
    return named


@functools.cache
def _digest_of_sources(folder: Path) -> str:
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    imports = re.compile(r"^from (render\.[\w.]+) import", re.MULTILINE)
    for name in sorted({name for text in texts.values() for name in imports.findall(text)}):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            texts.setdefault(name, Path(spec.origin).read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(f"{name}\0{text}" for name, text in texts.items()).encode()).hexdigest()[:12]
