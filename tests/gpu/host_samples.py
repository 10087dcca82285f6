"""The host on the fake, or on the device of this machine."""

import ctypes

import numpy as np

from render.gpu import signatures
from render.gpu.device import Card, choose
from render.gpu.session import Session
from render.gpu.twins import load_twin
from render.raster.raster_cuda import CudaRasterizer
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


class Site:
    """Where a test runs: a session, and the fake's machine, None on a real device."""

    def __init__(self, session, machine=None):
        self.session, self.machine, self.events = session, machine, []

    def rasterizer(self, resources, dpi, **options):
        """Return a rasteriser whose events are kept."""
        return CudaRasterizer(resources, dpi, session=self.session, on_event=self.events.append, **options)

    def check(self):
        """Assert that the host did nothing that CUDA does not forgive, and that nothing is left under way."""
        if self.machine is not None:
            assert self.machine.violations == []
            assert self.machine.is_idle


def fake_site(**options):
    """Return a site on the fake; see :func:`fake_session`."""
    return Site(*fake_session(**options))


def real_site():
    """Return a site on the device of this machine."""
    return Site(Session.open(choose("cuda")))


def same_pages(some, others):
    """Tell whether two sequences of pages are equal, byte for byte."""
    return [
        np.array_equal(a.index, b.index) and np.array_equal(a.palette, b.palette)
        for a, b in zip(some, others, strict=True)
    ]


def fake_session(*, runner=run_on_twin, memory_bytes=MEMORY, others_first=False, **faults):
    """Return a session on the fake, and its machine."""
    machine = Machine(None, memory_bytes, Faults(**faults), others_first=others_first)
    machine.run_kernel = runner(machine)
    return Session(make_cupy(machine), CARD, memory_bytes), machine
