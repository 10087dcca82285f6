"""Every kernel compiles for every card that we name, without spills, and takes what the golden says."""

import json
from pathlib import Path

import pytest

from render.gpu import signatures
from tests.conftest import miss
from tests.gpu import kernel_shim, nvrtc

ARCHITECTURES = ("sm_75", "sm_80", "sm_89", "sm_90")
MAX_SHARED = 48 << 10
REGISTERS_OF_A_BLOCK = 64 << 10
ELF, CUDA = b"\x7fELF", 190
"""e_machine of NVIDIA's ELF files."""


@pytest.fixture(scope="module")
def compiled():
    """Resources by architecture and kernel."""
    if nvrtc.library() is None:
        miss("nvrtc", f"{nvrtc.PACKAGE} is not installed")
    found = {}
    for architecture in ARCHITECTURES:
        found[architecture] = {}
        for file in kernel_shim.files():
            cubin, resources = nvrtc.compile_source(kernel_shim.source_of(file), file, architecture)
            assert cubin.startswith(ELF)
            assert int.from_bytes(cubin[18:20], "little") == CUDA
            found[architecture] |= resources
    return found


def faults(kernel, resources):
    """Return what stands against launching a kernel that takes these resources."""
    faults = []
    if resources.spill:
        faults.append("registers spill")
    if resources.stack:
        faults.append("arrays lie in local memory")
    if resources.shared + kernel.shared_bytes > MAX_SHARED:
        faults.append("too much shared memory")
    if resources.registers * kernel.threads > REGISTERS_OF_A_BLOCK:
        faults.append("too many registers for a block")
    return faults


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_compiles_and_fits(compiled, architecture):
    assert set(compiled[architecture]) == {kernel.name for kernel in signatures.KERNELS}
    for kernel in signatures.KERNELS:
        assert faults(kernel, compiled[architecture][kernel.name]) == [], kernel.name


def test_four_blocks_of_the_large_kernels_share_a_processor_of_a_t4(compiled):
    """Compute capability 7.5: 65,536 registers, 64 KiB of shared memory and 1,024 threads a multiprocessor."""
    for name in ("composite_tiles", "splice_png_encode"):
        resources = compiled["sm_75"][name]
        assert 1024 * resources.registers <= 65_536
        assert 4 * resources.shared <= 64 << 10


def test_resources_are_those_of_the_golden(compiled, golden):
    text = json.dumps(
        {
            "nvrtc": nvrtc.version(),
            "resources": {
                architecture: {name: one._asdict() for name, one in kernels.items()}
                for architecture, kernels in compiled.items()
            },
        },
        indent=1,
    )
    name = "gpu/nvrtc_resources.json"
    path = Path(__file__).parents[1] / "golden" / name
    if path.exists() and json.loads(path.read_text(encoding="utf-8"))["nvrtc"] != nvrtc.version():
        miss("nvrtc", f"the golden is of another version than {nvrtc.version()}: registers differ")
    golden(name, text + "\n")


def compile_body(body):
    """Return the resources of a kernel on a T4."""
    if nvrtc.library() is None:
        miss("nvrtc", f"{nvrtc.PACKAGE} is not installed")
    return nvrtc.compile_source(f'extern "C" __global__ void k(int *out) {{ {body} }}', "k.cu", "sm_75")[1]["k"]


def test_arrays_in_local_memory_are_refused():
    resources = compile_body("volatile int many[64]; many[out[1] & 63] = 1; out[0] = many[out[2] & 63];")
    assert faults(signatures.COMPOSITE_TILES, resources) == ["arrays lie in local memory"]


def test_too_much_shared_memory_is_refused():
    with pytest.raises(AssertionError, match="too much shared data"):
        compile_body("__shared__ int much[13000]; much[threadIdx.x] = out[0]; __syncthreads(); out[1] = much[out[0]];")
    resources = compile_body(
        "__shared__ int much[1000]; much[threadIdx.x] = out[0]; __syncthreads(); *out = much[*out];"
    )
    assert resources.shared == 4000
    assert faults(signatures.COMPOSITE_TILES, resources._replace(shared=50_000)) == ["too much shared memory"]
    many = resources._replace(registers=255)
    assert faults(signatures.BIN_ITEMS_SCAN, many) == ["too many registers for a block"]


def test_a_source_that_does_not_compile_is_told():
    with pytest.raises(AssertionError, match="undefined"):
        compile_body("*out = nothing;")
