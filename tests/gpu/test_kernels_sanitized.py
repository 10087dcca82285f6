"""No kernel reads or writes beyond its arrays, and no two threads of a block meet in memory without a barrier.

Planted bugs show that the rungs of this ladder bear: bytes compared in three orders of threads, AddressSanitizer with
UBSan on arrays of exactly their size, and ThreadSanitizer, to which every CUDA thread is a thread.
"""

import platform
from typing import NamedTuple

import numpy as np
import pytest

from render.gpu import signatures
from render.gpu.twins import load_twin
from tests.conftest import miss
from tests.gpu import kernel_shim
from tests.gpu.kernel_samples import differences, random_sample

SIZES = ((300, 100), (131, 33), (1, 1), (5, 700))
BIN = "raster/kernels/bin_items.cu"
COMPOSITE = "raster/kernels/composite_tiles.cu"
SPLICE = "encode/kernels/splice_png.cu"


@pytest.fixture(autouse=True)
def compiler(need):
    need(kernel_shim.COMPILER)


def on_twin(kernel, grid, arguments):
    load_twin(kernel)(*arguments)


def program(folder, sanitizer, which=None, edits=None):
    """Return a program, if this machine can run what the sanitizer makes of one."""
    made = kernel_shim.Program(folder, sanitizer, which, edits)
    try:
        made.run({}, [])
    except kernel_shim.KernelError as error:
        miss(f"sanitizer-{sanitizer}", f"the {sanitizer} sanitizer does not run on {platform.release()}: {error}")
    return made


def crowded(seed=1):
    """A batch that is small, but has more items in a tile than wait in shared memory at a time."""
    return random_sample(seed, SIZES, n_stamps=700, depths=(8, 4, 1, 8))


def many_tiles():
    """A batch with more tiles than the scan has threads."""
    return random_sample(2, ((3900, 1120),), n_stamps=100)


# A race is one in any order of threads.
@pytest.mark.parametrize(("sanitizer", "orders"), [("memory", kernel_shim.ORDERS), ("races", ("shuffled",))])
def test_every_kernel_is_clean(tmp_path, sanitizer, orders):
    sample = crowded()
    watched = program(tmp_path, sanitizer)
    expected = sample.run(on_twin)
    assert np.diff(expected["tile_off"].astype(np.int64)).max() > 64
    for order in orders:
        assert differences(sample, expected, sample.run_program(watched, order=order)) == [], order


def test_the_scan_is_clean_over_several_rounds(tmp_path):
    sample = many_tiles()
    assert sample.table.n_tiles > 1024
    watched = program(tmp_path, "races", (BIN,))
    expected = sample.run(on_twin, signatures.KERNELS[:3])
    after = sample.run_program(watched, signatures.KERNELS[:3], order="shuffled")
    assert differences(sample, expected, after) == []


def test_no_byte_beyond_a_list_that_is_too_short_is_written(tmp_path):
    sample = crowded()
    capacity = len(sample.arrays["tile_items"]) // 2
    sample.arrays["tile_items"] = sample.arrays["tile_items"][:capacity]
    sample.scalars["bin_items_fill"] = sample.scalars["bin_items_fill"] | {"capacity": capacity}
    after = sample.run_program(program(tmp_path, "memory", (BIN,)), signatures.KERNELS[:3])
    assert (after["tile_items"] != sample.arrays["tile_items"]).all()


class Bug(NamedTuple):
    """A change of a source, and the rung that must catch it."""

    name: str
    file: str
    good: str
    bad: str
    rung: str


BARRIER = "    __syncthreads();\n"
BUGS = (
    Bug("count without atomics", BIN, "atomicAdd(&tile_next[span.first_tile + row * span.columns + column], 1u);\n}",
        "tile_next[span.first_tile + row * span.columns + column]++;\n}", "races"),
    Bug("one column of tiles too many", BIN, "(x1 - 1) / TILE_WIDTH + 1", "x1 / TILE_WIDTH + 1", "bytes"),
    Bug("capacity off by one", BIN, "place < capacity", "place <= capacity", "capacity"),
    Bug("scan off by one lane", BIN, "lane >= step", "lane > step", "bytes"),
    Bug("scan without its first barrier", BIN, BARRIER + "        u32 before_warp", "        u32 before_warp", "bytes"),
    Bug("scan without its second barrier", BIN, BARRIER + "    }\n    if (threadIdx.x == 0) tile_off",
        "    }\n    if (threadIdx.x == 0) tile_off", "races"),
    Bug("items used before they are there", COMPOSITE, BARRIER + "        for (u32 k", "        for (u32 k", "bytes"),
    Bug("items overwritten while in use", COMPOSITE, "        // The next round writes items.\n    " + BARRIER, "",
        "races"),
    Bug("a round skips an item", COMPOSITE, "begin += ITEMS)", "begin += ITEMS + 1)", "bytes"),
    Bug("one row below the page", COMPOSITE, "x < pitch && row < height) *(u32 *)(drawn",
        "x < pitch && row <= height) *(u32 *)(drawn", "memory"),
    Bug("a word beyond the cell", COMPOSITE, "aligned + 4 < width ?", "aligned + 4 <= width ?", "bytes"),
    Bug("ink beyond the width", COMPOSITE, "pixels[k] & kept", "pixels[k]", "bytes"),
    Bug("bytes compared before they are there", SPLICE, BARRIER + "\n    u32 previous", "    u32 previous", "races"),
    Bug("chain followed before it is there", SPLICE, BARRIER + "\n    if (self == 0)", "    if (self == 0)", "bytes"),
    Bug("bits written over the chain", SPLICE, "place % SEGMENT);\n" + BARRIER, "place % SEGMENT);\n", "races"),
    Bug("words copied before they are whole", SPLICE, "writer.finish();\n" + BARRIER, "writer.finish();\n", "bytes"),
    Bug("threads overwrite each other's bits", SPLICE, "atomicOr(&words[word], (u32)waiting);\n        word++",
        "words[word] |= (u32)waiting;\n        word++", "races"),
    Bug("pieces overwrite each other's bits", SPLICE, "k == 0 || k == last", "k == 0", "bytes"),
    Bug("first row repeats what is not above it", SPLICE, "kept & ~((1u << unmatched) - 1)", "kept", "bytes"),
    Bug("checksum of parts in the wrong place", SPLICE, "self % (2 * step) == 0", "self % step == 0", "races"),
    Bug("sums joined without the bytes after them", SPLICE, "end < n_bytes ?", "end > n_bytes ?", "bytes"),
)  # fmt: skip
"""``capacity``: memory, where a list is too short."""


def is_caught(sample, expected, changed, kernels, order):
    """Tell whether a program crashes, has no end, or leaves other bytes than expected."""
    try:
        return differences(sample, expected, sample.run_program(changed, kernels, order=order, timeout_s=5)) != []
    except kernel_shim.KernelError:
        return True


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(tmp_path, bug):
    text = kernel_shim.source_of(bug.file)
    assert text.count(bug.good) == 1
    edits = {bug.file: text.replace(bug.good, bug.bad)}
    kernels = [kernel for kernel in signatures.KERNELS if kernel.file == bug.file]
    sample = many_tiles() if bug.name.startswith("scan") else crowded()
    sample.arrays |= sample.run(on_twin, signatures.KERNELS[: signatures.KERNELS.index(kernels[0])])
    if bug.rung == "bytes":
        changed = program(tmp_path, "none", (bug.file,), edits)
        expected = sample.run(on_twin, kernels)
        assert any(is_caught(sample, expected, changed, kernels, order) for order in kernel_shim.ORDERS)
        return
    if bug.rung == "capacity":
        sample.arrays["tile_items"] = sample.arrays["tile_items"][:-1]
        sample.scalars["bin_items_fill"] = sample.scalars["bin_items_fill"] | {
            "capacity": len(sample.arrays["tile_items"])
        }
    watched = program(tmp_path, "races" if bug.rung == "races" else "memory", (bug.file,), edits)
    with pytest.raises(kernel_shim.KernelError, match="data race" if bug.rung == "races" else "heap-buffer-overflow"):
        sample.run_program(watched, kernels, order="shuffled")


def test_a_barrier_that_some_threads_never_reach_is_told(tmp_path):
    text = kernel_shim.source_of(COMPOSITE)
    good = "        __syncthreads();\n        for (u32 k"
    assert text.count(good) == 1
    edits = {COMPOSITE: text.replace(good, "        if (threadIdx.x != 5) __syncthreads();\n        for (u32 k")}
    changed = kernel_shim.Library(tmp_path, (COMPOSITE,), edits)
    sample = crowded()
    sample.arrays |= sample.run(on_twin, signatures.KERNELS[:3])
    with pytest.raises(kernel_shim.KernelError, match="wait"):
        sample.run(changed.launch, signatures.KERNELS[3:4])
