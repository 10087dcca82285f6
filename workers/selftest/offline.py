"""Compiles the kernels by NVRTC alone: for that, neither a device nor a driver is needed."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from render.gpu.session import COMPILE_OPTIONS, PACKAGE
from render.gpu.signatures import KERNELS
from workers.selftest.report import Outcome, Step

ARCHITECTURES = ("sm_75", "sm_80", "sm_89", "sm_90")
"""T4; A100; L4; H100."""

_LIBRARY = "libnvrtc.so.*"
_INSTALL = "Install the extra: pip install 'kaipiao[gpu]' brings NVRTC."


class CompilerError(Exception):
    """NVRTC refused a source; the text is its log."""


def try_compiling_offline(architectures: Sequence[str] = ARCHITECTURES) -> list[Step]:
    """Compile every kernel file for each architecture; one step each, or one that says what is missing."""
    library = find_nvrtc()
    if library is None:
        return [Step("offline compiler", Outcome.LEFT_OUT, "NVRTC is not installed", _INSTALL)]
    files = tuple(dict.fromkeys(kernel.file for kernel in KERNELS))
    steps = []
    for arch in architectures:
        try:
            figures = {f"{Path(file).stem} bytes": float(len(compile_offline(library, file, arch))) for file in files}
        except CompilerError as error:
            steps.append(Step(f"kernels for {arch}", Outcome.FAILED, str(error), "Please report this."))
        else:
            detail = f"{len(files)} files compile without a device"
            steps.append(Step(f"kernels for {arch}", Outcome.OK, detail, figures=figures))
    return steps


@cache
def find_nvrtc() -> Path | None:
    """Return NVRTC's library out of its wheel; None where that is not installed."""
    try:
        package = find_spec("nvidia.cuda_nvrtc")
    except ImportError:
        return None
    folders = package.submodule_search_locations if package is not None else None
    found = [path for folder in folders or () for path in sorted(Path(folder).glob(f"lib/{_LIBRARY}"))]
    return next((path for path in found if "builtins" not in path.name), None)


def compile_offline(library: Path, file: str, arch: str) -> bytes:
    """Return the binary of a kernel file for an architecture.

    Args:
        library: of NVRTC.
        file: relative to the package ``render``.
        arch: such as ``sm_75``.

    Raises:
        CompilerError: NVRTC refuses the source or the architecture.
    """
    nvrtc, program = ctypes.CDLL(str(library)), ctypes.c_void_p()
    code = (PACKAGE / file).read_bytes()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, file.encode(), 0, None, None), file)
    try:
        options = [f"--gpu-architecture={arch}".encode(), *(option.encode() for option in COMPILE_OPTIONS)]
        status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        if status:
            log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
            raise CompilerError(f"{file} for {arch}: {log.decode(errors='replace').strip() or f'status {status}'}")
        return _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(get_size: ctypes._NamedFuncPointer, get: ctypes._NamedFuncPointer, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(get_size(program, ctypes.byref(size)), get_size.__name__)
    buffer = ctypes.create_string_buffer(max(1, size.value))
    _check(get(program, buffer), get.__name__)
    return buffer.raw[: size.value].rstrip(b"\0") if get.__name__.endswith("Log") else buffer.raw[: size.value]


def _check(status: int, doing: str) -> None:
    if status:
        raise CompilerError(f"NVRTC failed with status {status}: {doing}")
