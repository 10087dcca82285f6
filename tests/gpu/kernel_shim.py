"""The kernels, compiled by g++ through the shim: in this process, or in a program of its own under a sanitizer.

    shim = kernel_shim.library()
    shim.launch(signatures.COMPOSITE_TILES, grid, arguments, order="reverse")

Arguments are NumPy arrays (used in place), integers for scalars, or :class:`Address` for memory that no array holds.
"""

import atexit
import ctypes
import functools
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

import render
from render.gpu import signatures

ORDERS = ("forward", "reverse", "shuffled")
COMPILER = "g++"
DEBIAN_PACKAGE = "g++"

_HERE = Path(__file__).parent / "shim"
_RENDER = Path(render.__file__).parent
_FLAGS = ("-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-fno-strict-aliasing")
_SANITIZERS = {
    "none": (),
    "memory": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fsanitize-sections=shim_shared"),
    "races": ("-fsanitize=thread",),
}
_MESSAGE_BYTES = 256


class Address(NamedTuple):
    """A pointer argument by its number."""

    value: int


class KernelError(Exception):
    """A kernel cannot go on: a barrier that not every thread reaches, or a sanitizer's finding."""


class Launch(NamedTuple):
    """One launch for :meth:`Program.run`; arguments are names of buffers or integers."""

    kernel: signatures.Kernel
    grid: tuple[int, int, int]
    arguments: tuple[str | int, ...]


def is_available():
    """Tell whether the compiler is installed."""
    return shutil.which(COMPILER) is not None


def source_of(file):
    """Return the text of a kernel file."""
    return (_RENDER / file).read_text(encoding="utf-8")


def files():
    """Return the kernel files."""
    return tuple(dict.fromkeys(kernel.file for kernel in signatures.KERNELS))


@functools.cache
def _objects_folder():
    folder = tempfile.mkdtemp(prefix="kaipiao-objects-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _compile(name, text, flags):
    """Return the object file of a source, compiled once a process for the same text and flags."""
    key = hashlib.blake2b("\0".join((text, *flags)).encode(), digest_size=8).hexdigest()
    source = _objects_folder() / f"{name}-{key}.cpp"
    target = source.with_suffix(".o")
    if not target.exists():
        source.write_text(text, encoding="utf-8")
        command = [COMPILER, *_FLAGS, *flags, f"-I{_HERE}", "-c", str(source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return target


def _objects(which, edits, flags, scheduler_flags):
    scheduler = (_HERE / "cuda_shim.cpp").read_text(encoding="utf-8")
    parts = [("cuda_shim", scheduler, scheduler_flags)]
    for file in which:
        text = edits.get(file, source_of(file))
        names = [kernel.name for kernel in signatures.KERNELS if kernel.file == file]
        registered = "".join(f"SHIM_KERNEL({name});\n" for name in names)
        whole = f'#include "cuda_shim.h"\n#line 1 "{Path(file).name}"\n{text}\n#line 1 "registered"\n{registered}'
        # What a planted bug leaves unused is no fault of the source.
        parts.append((Path(file).stem, whole, [*flags, "-Wno-error"] if file in edits else flags))
    with ThreadPoolExecutor() as pool:
        return [str(path) for path in pool.map(lambda part: _compile(*part), parts)]


def _link(objects, target, flags):
    done = subprocess.run([COMPILER, *flags, *objects, "-o", str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Library:
    """Kernels loaded into this process.

    Args:
        folder: where to compile.
        which: kernel files.
        edits: file to changed source text.
    """

    def __init__(self, folder, which=None, edits=None):
        objects = _objects(which or files(), edits or {}, ["-fPIC"], ["-fPIC"])
        _link(objects, folder / "kernels.so", ["-shared"])
        self._launch = ctypes.CDLL(str(folder / "kernels.so")).shim_launch
        self._launch.restype = ctypes.c_int

    def launch(self, kernel, grid, arguments, *, order="forward", seed=1):
        """Run one launch to its end.

        Raises:
            KernelError: threads wait for each other, or at different barriers.
        """
        assert len(arguments) == len(kernel.arguments), kernel.name
        slots, held = [], []
        for declared, value in zip(kernel.arguments, arguments, strict=True):
            slots.append(_slot(declared, value, held))
        pointers = (ctypes.c_void_p * len(slots))(*slots)
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        code = self._launch(
            kernel.name.encode(),
            (ctypes.c_uint * 3)(*grid),
            ctypes.c_uint(kernel.threads),
            pointers,
            len(slots),
            ORDERS.index(order),
            ctypes.c_uint64(seed),
            message,
            ctypes.c_size_t(_MESSAGE_BYTES),
        )
        if code:
            raise KernelError(f"{kernel.name}: {message.value.decode()}")


def _slot(declared, value, held):
    if declared.role == "scalar":
        number = ctypes.c_int64(int(value))
        held.append(number)
        return ctypes.addressof(number)
    if isinstance(value, Address):
        return value.value
    assert value.flags.c_contiguous, declared.name
    assert value.dtype == np.dtype(declared.dtype), f"{declared.name}: {value.dtype} instead of {declared.dtype}"
    return value.ctypes.data


class Program:
    """Kernels in a program of their own, which may crash or hang, watched by a sanitizer.

    Args:
        folder: where to compile and to run.
        sanitizer: ``memory`` (AddressSanitizer and UBSan), ``races`` (ThreadSanitizer, to which every CUDA thread is a
            thread) or ``none``.
        which, edits: as for :class:`Library`.
    """

    def __init__(self, folder, sanitizer, which=None, edits=None):
        self._folder = folder
        flags = list(_SANITIZERS[sanitizer])
        # The scheduler itself is not watched: it plays all threads and would be taken for a race.
        scheduler = ["-DSHIM_MAIN", *(["-DSHIM_RACES"] if sanitizer == "races" else [])]
        _link(_objects(which or files(), edits or {}, flags, scheduler), folder / "kernels", flags)

    def run(self, buffers, launches, *, order="forward", seed=1, timeout_s=60):
        """Run launches one after the other on copies of named arrays; return the arrays as they are afterwards.

        Raises:
            KernelError: with what the sanitizer or the scheduler says, or that there is no end to it.
        """
        script, result = self._folder / "script", self._folder / "result"
        places = {name: place for place, name in enumerate(buffers)}
        parts = [struct.pack("<Q", len(buffers))]
        for array in buffers.values():
            parts += [struct.pack("<Q", array.nbytes), array.tobytes()]
        parts.append(struct.pack("<QQQ", ORDERS.index(order), seed, len(launches)))
        for launch in launches:
            name = launch.kernel.name.encode()
            parts += [struct.pack("<Q", len(name)), name]
            parts.append(struct.pack("<5Q", *launch.grid, launch.kernel.threads, len(launch.arguments)))
            for value in launch.arguments:
                is_buffer = isinstance(value, str)
                parts.append(struct.pack("<Qq", is_buffer, places[value] if is_buffer else value))
        script.write_bytes(b"".join(parts))
        command = [str(self._folder / "kernels"), str(script), str(result)]
        # The first finding is enough; a fiber's history need not reach far back, and 1,024 of them must be made.
        environment = os.environ | {"TSAN_OPTIONS": "halt_on_error=1:history_size=0"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=environment, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise KernelError(f"it has not ended after {timeout_s} s") from error
        if done.returncode:
            raise KernelError(done.stderr.strip() or f"exit code {done.returncode}")
        data, offset, after = result.read_bytes(), 0, {}
        for name, array in buffers.items():
            after[name] = np.frombuffer(data, array.dtype, array.size, offset).reshape(array.shape).copy()
            offset += array.nbytes
        return after


@functools.cache
def library():
    """Return the kernels as they are, compiled once a process."""
    folder = Path(tempfile.mkdtemp(prefix="kaipiao-shim-"))
    shim = Library(folder)
    weakref.finalize(shim, shutil.rmtree, folder, ignore_errors=True)
    return shim
