"""A stand-in for the few calls of CuPy that the host uses, which does everything as late as CUDA may.

Work submitted to a stream is kept and done only when somebody waits for it, and then no more of it than that wait
needs. So whoever reads a copy before waiting reads poison, whoever lets another stream use data without an event lets
it read poison, and whoever frees memory that work under way still needs is told so. Device memory is ordinary memory,
and kernels run as the CPU runs them (``run_kernel``).
"""

import contextlib
import ctypes
import threading
import types
import weakref
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec

import numpy as np

POISON = 0xA5
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
NO_DRIVER, ILLEGAL_ADDRESS, OUT_OF_RESOURCES = 35, 700, 701
ERROR_NAMES = {
    NO_DRIVER: "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version",
    ILLEGAL_ADDRESS: "cudaErrorIllegalAddress: an illegal memory access was encountered",
}


class ViolationError(AssertionError):
    """The host did what CUDA does not forgive."""


@dataclass
class Faults:
    """What goes wrong, counted from 1; 0 = never.

    Attributes:
        oom_at: the n-th allocation on the device, and as many after it as ``oom_times`` says.
        lost_at: the n-th kernel that runs breaks the context.
        refused_at: the n-th launch is refused, the context stays sound.
        compile_fails: what the compiler says; empty = it compiles.
    """

    oom_at: int = 0
    oom_times: int = 1
    lost_at: int = 0
    refused_at: int = 0
    compile_fails: str = ""


@dataclass(eq=False)
class Block:
    """A piece of memory, of the device or pinned."""

    memory: np.ndarray
    stream: object
    is_pinned: bool
    is_alive: bool = True

    @property
    def start(self):
        return self.memory.ctypes.data

    def holds(self, address, size):
        return self.start <= address and address + size <= self.start + self.memory.nbytes


@dataclass(eq=False)
class Stream:
    """Work in order, of which the first ``done`` is done."""

    machine: "Machine"
    ptr: int
    work: list = field(default_factory=list)
    done: int = 0

    def __enter__(self):
        self.machine.current.append(self)
        return self

    def __exit__(self, *_):
        self.machine.current.pop()

    def synchronize(self):
        self.machine.check()
        self.machine.run(self, len(self.work))

    def wait_event(self, event):
        self.machine.check()
        if event.stream is not None:
            source, until = event.stream, event.position
            self.work.append(lambda: self.machine.run(source, until))

    def record(self, event):
        event.record(self)


class Event:
    """A place in a stream's work."""

    def __init__(self, machine, *, disable_timing=False, block=False):
        machine.check()
        self.machine, self.stream, self.position, self.has_time = machine, None, 0, not disable_timing

    def record(self, stream):
        self.machine.check()
        self.stream, self.position = stream, len(stream.work)

    def synchronize(self):
        self.machine.check()
        if self.stream is not None:
            self.machine.run(self.stream, self.position)


class Machine:
    """The state of the fake: memory, streams, counters, and what was done wrong.

    Args:
        run_kernel: called with name, grid, block and arguments when a kernel runs.
        memory_bytes: of the device.
        faults: what goes wrong.
        others_first: before a stream does what is waited for, the other streams do all that they can.
    """

    def __init__(self, run_kernel, memory_bytes=1 << 30, faults=None, *, others_first=False):
        self.run_kernel = run_kernel
        self.memory_bytes = memory_bytes
        self.faults = faults or Faults()
        self.others_first = others_first
        self.blocks, self.streams, self.idle_pinned = [], {}, {}
        self.launched, self.ran, self.allocated, self.compiled, self.used = [], 0, 0, [], 0
        self.most_used, self.sent_bytes = 0, 0
        self.violations = []
        self.lost, self.is_running = 0, False
        self._local = threading.local()

    @property
    def current(self):
        """The stack of streams that are current in this thread."""
        if not hasattr(self._local, "streams"):
            self._local.streams = []
        return self._local.streams

    def check(self):
        """Fail as a broken context fails: at every call."""
        if self.lost:
            raise CudaRuntimeError(self.lost)

    def new_stream(self, *, non_blocking=False):
        self.check()
        stream = Stream(self, len(self.streams) + 1)
        self.streams[stream.ptr] = stream
        return stream

    def run(self, stream, until):
        """Do a stream's work up to a place."""
        if self.others_first and not self.is_running:
            self.is_running = True
            try:
                for other in list(self.streams.values()):
                    if other is not stream:
                        self.run(other, len(other.work))
            finally:
                self.is_running = False
        while stream.done < until:
            self.check()
            work = stream.work[stream.done]
            stream.done += 1
            work()
        self.check()

    def run_all(self):
        self.check()
        for stream in list(self.streams.values()):
            self.run(stream, len(stream.work))
        self.blocks = [block for block in self.blocks if block.is_alive]

    @property
    def is_idle(self):
        return all(stream.done == len(stream.work) for stream in self.streams.values())

    def block_of(self, address, size, stream, doing):
        """Return the block in which memory lies, which must be in use or, on its own stream, have been."""
        for block in reversed(self.blocks):
            if block.holds(address, size):
                if block.is_alive or (not block.is_pinned and block.stream is stream):
                    return block
                self.blame(f"{doing} uses memory that was freed")
                return block
        raise ViolationError(f"{doing} uses {size} bytes that nobody allocated")

    def blame(self, what):
        self.violations.append(what)

    def malloc(self, size):
        self.check()
        self.allocated += 1
        at = self.faults.oom_at
        if (at and at <= self.allocated < at + self.faults.oom_times) or self.used + size > self.memory_bytes:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes (allocated so far: {self.used:,} bytes).")
        block = Block(np.full(size, POISON, np.uint8), self.current[-1] if self.current else None, is_pinned=False)
        self.blocks.append(block)
        self.used += size
        self.most_used = max(self.most_used, self.used)
        return MemoryPointer(self, block)

    def free(self, block):
        block.is_alive = False
        self.used -= block.memory.nbytes
        if self.is_idle:
            self.blocks = [one for one in self.blocks if one.is_alive]

    def pinned(self, size):
        """Give pinned memory, the last freed of its size first, as the pool does, but poisoned."""
        self.check()
        idle = self.idle_pinned.setdefault(size, [])
        memory = idle.pop() if idle else np.empty(size, np.uint8)
        memory[:] = POISON
        block = Block(memory, None, is_pinned=True)
        self.blocks.append(block)
        pointer = type("PinnedMemoryPointer", (ctypes.c_ubyte * size,), {}).from_buffer(memory)
        pointer.ptr = block.start
        weakref.finalize(pointer, self._free_pinned, block)
        return pointer

    def _free_pinned(self, block):
        block.is_alive = False
        # Another owner of the same memory may come, and a copy under way would serve or read the wrong one.
        fresh = Block(block.memory, None, is_pinned=True, is_alive=False)
        self.blocks = [fresh if one is block else one for one in self.blocks]
        self.idle_pinned.setdefault(block.memory.nbytes, []).append(block.memory)

    def copy_rows(self, target, target_pitch, source, source_pitch, width, height, kind, stream):
        self.check()
        stream = self.streams[stream]
        extents = [(target, (height - 1) * target_pitch + width), (source, (height - 1) * source_pitch + width)]
        doing = {HOST_TO_DEVICE: "an upload", DEVICE_TO_HOST: "a download"}[kind]
        owners = [self.block_of(address, size, stream, doing) for address, size in extents]
        if [owner.is_pinned for owner in owners] != [kind == DEVICE_TO_HOST, kind == HOST_TO_DEVICE]:
            raise ViolationError(f"{doing} with addresses the wrong way round, or of memory that is not pinned")

        self.sent_bytes += width * height if kind == HOST_TO_DEVICE else 0

        def work():
            for owner in owners:
                if not owner.is_alive and (owner.is_pinned or owner.stream is not stream):
                    self.blame(f"{doing} was under way when its memory was freed")
            into = _rows(target, target_pitch, width, height)
            into[:] = _rows(source, source_pitch, width, height)

        stream.work.append(work)

    def fill(self, address, value, size, stream):
        self.check()
        stream = self.streams[stream]
        self.block_of(address, size, stream, "a fill")
        stream.work.append(lambda: _rows(address, size, size, 1).fill(value))

    def take(self, table, index, allocator):
        """Submit the replacement of indices by rows of a table; return the array that will have them."""
        shape = (*index.shape, *table.shape[1:])
        result = DeviceArray(shape, np.uint8, allocator(int(np.prod(shape))))

        def work():
            result.host()[:] = table.host()[index.host()]

        self.current[-1].work.append(work)
        return result

    def launch(self, name, grid, block, arguments):
        self.check()
        if not self.current:
            raise ViolationError(f"{name} is launched on no stream of ours")
        if min(grid) < 1 or max(grid[1:]) > 65_535:
            raise CudaDriverError(1)
        stream = self.current[-1]
        self.launched.append(name)
        if self.faults.refused_at == len(self.launched):
            raise CudaDriverError(OUT_OF_RESOURCES)

        def work():
            self.ran += 1
            if self.faults.lost_at == self.ran:
                self.lost = ILLEGAL_ADDRESS
                raise CudaRuntimeError(self.lost)
            for argument in arguments:
                if isinstance(argument, np.uint64):
                    self.block_of(int(argument), 1, stream, name)
            if self.violations:
                # Garbage may have reached the arguments; a kernel would read and write anywhere.
                return
            self.run_kernel(name, grid, block, arguments)

        stream.work.append(work)


def _rows(address, pitch, width, height):
    """Return uint8[height, width] at an address, rows ``pitch`` bytes apart."""
    size = (height - 1) * pitch + width
    flat = np.frombuffer((ctypes.c_ubyte * size).from_address(address), np.uint8)
    return np.lib.stride_tricks.as_strided(flat, (height, width), (pitch, 1))


class MemoryPointer:
    """What the pool gives; the memory is freed with the last reference."""

    def __init__(self, machine, block):
        self.ptr = block.start
        weakref.finalize(self, machine.free, block)


class DeviceArray:
    """uint8 in device memory; ``owner`` keeps that alive."""

    def __init__(self, shape, dtype, memptr, strides=None):
        assert np.dtype(dtype) == np.uint8
        self.shape, self.strides, self.owner = shape, strides, memptr

    def host(self):
        """Return the memory as an array."""
        strides = self.strides or tuple(int(np.prod(self.shape[k + 1 :])) for k in range(len(self.shape)))
        size = 1 + sum((length - 1) * step for length, step in zip(self.shape, strides, strict=True))
        flat = np.frombuffer((ctypes.c_ubyte * size).from_address(self.owner.ptr), np.uint8)
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides)


class OutOfMemoryError(MemoryError):
    pass


class CompileError(Exception):
    pass


class CudaRuntimeError(RuntimeError):
    def __init__(self, status):
        super().__init__(ERROR_NAMES.get(status, f"cudaError {status}"))
        self.status = status


class CudaDriverError(RuntimeError):
    def __init__(self, status):
        super().__init__(f"CUDA_ERROR {status}")
        self.status = status


class MemoryPool:
    def __init__(self, machine):
        self._machine, self._limit = machine, None

    def set_limit(self, size):
        self._limit = size

    def malloc(self, size):
        if self._limit is not None and self._machine.used + size > self._limit:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes (limit: {self._limit:,} bytes).")
        return self._machine.malloc(size)

    def used_bytes(self):
        return self._machine.used

    def free_all_blocks(self):
        self._machine.check()


class PinnedMemoryPool:
    def __init__(self, machine):
        self._machine = machine

    def malloc(self, size):
        return self._machine.pinned(size)

    def free_all_blocks(self):
        pass


class Device:
    def __init__(self, machine, index):
        self.id, self.pci_bus_id, self._machine = index, "0000:00:1E.0", machine

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def synchronize(self):
        self._machine.run_all()


class RawModule:
    def __init__(self, machine, code, options):
        self._machine, self._code, self._options = machine, code, options

    def get_function(self, name):
        self._machine.check()
        if self._machine.faults.compile_fails:
            raise CompileError(self._machine.faults.compile_fails)
        if f" {name}(" not in self._code:
            raise CudaDriverError(500)
        self._machine.compiled.append(name)

        def kernel(grid, block, arguments, *, shared_mem=0):
            self._machine.launch(name, grid, block, arguments)

        kernel.num_regs, kernel.local_size_bytes, kernel.shared_size_bytes = 32, 0, 0
        return kernel


def make_cupy(machine, *, devices=1, compute=(7, 5)):
    """Return a module that looks like CuPy to the host."""
    cupy = types.ModuleType("cupy")
    cupy.__spec__ = ModuleSpec("cupy", None)
    cupy.__version__ = "0.fake"
    cupy.RawModule = lambda *, code, options=(), backend="nvrtc": RawModule(machine, code, options)
    cuda = cupy.cuda = types.SimpleNamespace()
    cuda.Device = lambda index=0: Device(machine, index)
    cuda.Stream = machine.new_stream
    cuda.Event = lambda **options: Event(machine, **options)
    cuda.MemoryPool = lambda: MemoryPool(machine)
    cuda.PinnedMemoryPool = lambda: PinnedMemoryPool(machine)
    cuda.get_elapsed_time = lambda start, end: float(end.position - start.position)
    cuda.memory = types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
    cuda.compiler = types.SimpleNamespace(CompileException=CompileError)
    cuda.driver = types.SimpleNamespace(CUDADriverError=CudaDriverError)
    allocators = []

    @contextlib.contextmanager
    def using_allocator(allocator):
        allocators.append(allocator)
        yield
        allocators.pop()

    cuda.using_allocator = using_allocator
    cuda.UnownedMemory = lambda address, size, owner: types.SimpleNamespace(ptr=address, size=size, owner=owner)
    cuda.MemoryPointer = lambda memory, offset: types.SimpleNamespace(ptr=memory.ptr + offset, memory=memory)
    cupy.ndarray = DeviceArray
    cupy.take = lambda table, index, axis: machine.take(table, index, allocators[-1])
    cuda.nvrtc = types.SimpleNamespace(getVersion=lambda: (12, 9))

    def count():
        if not devices:
            raise CudaRuntimeError(NO_DRIVER)
        return devices

    def synchronize():
        count()
        machine.run_all()

    def properties(index):
        machine.check()
        name = b"Fake device"
        return {"name": name, "major": compute[0], "minor": compute[1], "multiProcessorCount": 40}

    def free_and_total():
        machine.check()
        return machine.memory_bytes - machine.used, machine.memory_bytes

    cuda.runtime = types.SimpleNamespace(
        CUDARuntimeError=CudaRuntimeError,
        memcpyHostToDevice=HOST_TO_DEVICE,
        memcpyDeviceToHost=DEVICE_TO_HOST,
        getDeviceCount=count,
        getDeviceProperties=properties,
        memGetInfo=free_and_total,
        driverGetVersion=lambda: 12_090,
        runtimeGetVersion=lambda: 12_090,
        deviceSynchronize=synchronize,
        memcpyAsync=lambda to, source, size, kind, stream: machine.copy_rows(
            to, size, source, size, size, 1, kind, stream
        ),
        memcpy2DAsync=machine.copy_rows,
        memsetAsync=machine.fill,
    )
    return cupy
