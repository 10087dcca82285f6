"""The host on the fake, or on the device of this machine."""

import ctypes

import numpy as np

from render.gpu import signatures
from render.gpu.device import Card
from render.gpu.session import Session
from render.gpu.twins import load_twin
from tests.gpu import kernel_shim
from tests.gpu.fake_cupy import Faults, Machine, make_cupy

CARD = Card(0, "Fake device", (7, 5), 40, 1 << 30, 1 << 30, 12_090, 12_090, 12_090, "0.fake", "0000:00:1E.0")
MEMORY = 256 << 20
KERNELS = {kernel.name: kernel for kernel in signatures.KERNELS}
COLUMNS = {"PAGE_COLUMNS": signatures.PAGE_COLUMNS, "RESULT_COLUMNS": signatures.RESULT_COLUMNS}
"""Tables whose number of rows a twin reads off the array: a row for each page."""


def run_on_twin(machine):
    """Return what runs a kernel of the fake as its CPU twin."""

    def run(name, grid, block, arguments):
        kernel = KERNELS[name]
        assert block == (kernel.threads, 1, 1)
        n_pages = grid[0] if name in {"splice_png_join", "splice_png_checksum"} else grid[1]
        load_twin(kernel)(
            *(
                int(value) if declared.role == "scalar" else _array(machine, declared, int(value), n_pages)
                for declared, value in zip(kernel.arguments, arguments, strict=True)
            )
        )

    return run


def _array(machine, declared, address, n_pages):
    """Return memory from an address to the end of its block as the array that a twin expects there."""
    block = next(block for block in reversed(machine.blocks) if block.holds(address, 1))
    dtype = np.dtype(declared.dtype)
    count = (block.start + block.memory.nbytes - address) // dtype.itemsize
    array = np.frombuffer((ctypes.c_ubyte * (count * dtype.itemsize)).from_address(address), dtype)
    if "," not in declared.shape:
        return array
    rows, columns = declared.shape.strip("[]").split(", ")
    width = int(columns) if columns.isdigit() else getattr(signatures, columns)
    height = n_pages if rows == "B" else count // width
    return array[: height * width].reshape(height, width)


def run_on_shim(_, order="forward"):
    """Return what runs a kernel of the fake from the same source, compiled for the CPU."""

    def run(name, grid, block, arguments):
        kernel = KERNELS[name]
        assert block == (kernel.threads, 1, 1)
        values = [
            int(value) if declared.role == "scalar" else kernel_shim.Address(int(value))
            for declared, value in zip(kernel.arguments, arguments, strict=True)
        ]
        kernel_shim.library().launch(kernel, grid, values, order=order)

    return run


def fake_session(*, runner=run_on_twin, memory_bytes=MEMORY, **faults):
    """Return a session on the fake, and its machine."""
    machine = Machine(None, memory_bytes, Faults(**faults))
    machine.run_kernel = runner(machine)
    return Session(make_cupy(machine), CARD, memory_bytes), machine
