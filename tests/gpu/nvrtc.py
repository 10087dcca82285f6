"""Kernels compiled by NVIDIA's run-time compiler, which needs no driver, and what ptxas says of each."""

import ctypes
import functools
import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

PACKAGE = "nvidia-cuda-nvrtc-cu12"
OPTIONS = ("--std=c++17", "--ptxas-options=-v")

_ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for '(?P<architecture>\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


class Resources(NamedTuple):
    """What a kernel takes on one architecture: registers a thread, bytes otherwise."""

    registers: int
    shared: int
    stack: int
    spill: int


@functools.cache
def library():
    """Return libnvrtc, None where its package is not installed."""
    found = importlib.util.find_spec("nvidia")
    for folder in found.submodule_search_locations or () if found else ():
        for path in sorted(Path(folder).glob("cuda_nvrtc/lib/libnvrtc.so.*")):
            return ctypes.CDLL(str(path))
    return None


def version():
    """Return major and minor version."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    assert library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)) == 0
    return f"{major.value}.{minor.value}"


def compile_source(text, name, architecture):
    """Return the cubin and the resources of every kernel in it, by name.

    Raises:
        AssertionError: the compiler refuses the source, or warns of it; with what it says.
    """
    nvrtc, program = library(), ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None) == 0
    options = [option.encode() for option in (f"--gpu-architecture={architecture}", *OPTIONS)]
    code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).rstrip(b"\0").decode()
    assert code == 0, log
    assert "warning" not in log, log
    cubin = _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return cubin, dict(sorted(_resources(log, architecture)))


def _resources(log, architecture):
    for entry in _ENTRY.finditer(log):
        assert entry["architecture"] == architecture
        shared = re.search(r"(\d+) bytes smem", entry["rest"])
        spill = int(entry["stores"]) + int(entry["loads"])
        yield (
            entry["name"],
            Resources(int(entry["registers"]), int(shared[1]) if shared else 0, int(entry["stack"]), spill),
        )


def _text(size_of, get, program):
    size = ctypes.c_size_t()
    assert size_of(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert get(program, buffer) == 0
    return buffer.raw
