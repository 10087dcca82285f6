"""Every kernel, run on the CPU in three orders of threads, leaves the bytes of its twin; twins leave the right ones."""

import inspect
import io
import re
import struct
import zlib

import layout_samples
import numpy as np
import pytest
import raster_samples
from PIL import Image

from render.display.batch import concat
from render.display.resources import Resources
from render.encode.png import SIGNATURE, PngEncoder, _chunk, _rows
from render.gpu import signatures
from render.gpu.twins import load_twin
from render.pixels import PagePixels
from render.raster.kernels.bin_items import count_pairs
from render.raster.kernels.compose_page import compose_page_numpy
from tests.gpu import kernel_shim
from tests.gpu.kernel_samples import RASTER, SPLICE, caught_sample, differences, random_sample

SIZES = ((300, 100), (131, 33), (1, 1), (128, 32), (5, 700), (1200, 3))
C_TYPES = {"u8": "uint8", "u32": "uint32", "i32": "int32", "i64": "int64"}


def on_twin(kernel, grid, arguments):
    load_twin(kernel)(*arguments)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return raster_samples.shapes_book(tmp_path_factory.mktemp("fonts"))


@pytest.fixture
def check(need):
    """Return a function that runs a sample by its twins, and by the shim in some orders, and returns the arrays."""
    need(kernel_shim.COMPILER)
    shim = kernel_shim.library()

    def check(sample, orders=kernel_shim.ORDERS, kernels=signatures.KERNELS):
        expected = sample.run(on_twin, kernels)
        for order in orders:

            def launch(kernel, grid, arguments, order=order):
                shim.launch(kernel, grid, arguments, order=order, seed=len(order))

            assert differences(sample, expected, sample.run(launch, kernels)) == [], order
        return expected

    return check


def check_streams(sample, arrays):
    """Assert that every stream is what the scanlines deflate to, and what its checksums say."""
    for place, (page, stream) in enumerate(zip(sample.pages(arrays), sample.streams(arrays), strict=True)):
        _, _, adler, crc = arrays["results"][place].tolist()
        depth = int(sample.table.rows[place, signatures.Page.DEPTH])
        rows = zlib.decompress(stream)
        pixels = PagePixels(page, np.zeros((1 << depth, 3), np.uint8), 300)
        assert rows == np.pad(_rows(pixels, depth, is_grey=False), ((0, 0), (1, 0))).tobytes()
        assert adler == zlib.adler32(rows)
        assert crc == zlib.crc32(b"IDAT" + stream)


def parameters(text, name):
    """Return types and names of a kernel's parameters in its source."""
    (found,) = re.findall(rf"\b{name}\(([^)]*)\)\s*\{{", text)
    pairs = [re.fullmatch(r"(?:const )?(\w+) (\*?)(\w+)", one.strip()).groups() for one in found.split(",")]
    return [(C_TYPES[kind], star == "*", parameter) for kind, star, parameter in pairs]


@pytest.mark.parametrize("kernel", signatures.KERNELS, ids=lambda kernel: kernel.name)
def test_source_and_twin_take_the_declared_arguments(kernel):
    declared = [(one.dtype, one.role != "scalar", one.name) for one in kernel.arguments]
    text = kernel_shim.source_of(kernel.file)
    assert parameters(text, kernel.name) == declared
    for one in kernel.arguments:
        is_const = re.search(rf"const \w+ \*{one.name}\b", text[text.index(f" {kernel.name}(") :].split("{")[0])
        assert (is_const is not None) == (one.role == "in"), one.name
    module = inspect.getmodule(inspect.unwrap(getattr(load_twin(kernel), "py_func", load_twin(kernel))))
    twin = getattr(module, kernel.name)
    assert list(inspect.signature(twin).parameters) == [one.name for one in kernel.arguments]


@pytest.mark.parametrize("file", kernel_shim.files())
def test_the_sources_have_the_constants_of_the_signatures(file):
    text = kernel_shim.source_of(file)
    for name, table in (("Page", signatures.Page), ("Result", signatures.Result)):
        for body in re.findall(rf"enum {name} {{([^}}]*)}}", text):
            names = [word.strip() for word in body.split(",")]
            assert names[:-1] == [column.name for column in table], name
    module = __import__("render." + file.removesuffix(".cu").replace("/", "."), fromlist=["_"])
    checked = 0
    known = vars(signatures) | {name: value for name, value in vars(module).items() if name.isupper()}
    values = {}
    for name, expression in re.findall(r"^constexpr \w+ (\w+) = ([^;]+);", text, re.MULTILINE):
        values[name] = eval(re.sub(r"(?<=[0-9a-f])u\b", "", expression).replace("/", "//"), {}, values)
        if name in known:
            assert values[name] == known[name], name
            checked += 1
    assert checked >= 2
    threads = {kernel.threads for kernel in signatures.KERNELS if kernel.file == file}
    assert threads <= {int(word) if word.isdigit() else values[word] for word in re.findall(r"bounds__\((\w+)\)", text)}


@pytest.mark.parametrize("seed", range(3))
def test_random_batches_of_mixed_sizes_and_depths(check, seed):
    sample = random_sample(seed, SIZES, depths=((8,), (4, 8, 1, 2, 8, 4), (2, 1))[seed])
    arrays = check(sample)
    check_streams(sample, arrays)


def test_lists_longer_than_shared_memory_and_more_tiles_than_threads(check):
    sample = random_sample(7, ((4000, 1056), (64, 64)), n_stamps=900, n_rects=40)
    arrays = check(sample, kernels=RASTER)
    assert np.diff(arrays["tile_off"].astype(np.int64)).max() > 64
    assert sample.table.n_tiles > 1024


def test_a_batch_of_bare_grounds(check):
    sample = random_sample(3, SIZES[:3], n_stamps=0, n_rects=0)
    check_streams(sample, check(sample))


def test_tiles_compose_as_pages_do():
    sample = random_sample(11, SIZES, n_stamps=400)
    arrays = sample.run(on_twin, RASTER)
    n_stamps = len(arrays["left"])
    stamp_page, rect_page = np.split(arrays["item_page"], [n_stamps])
    for place, page in enumerate(sample.pages(arrays)):
        row = sample.table.rows[place]
        start, pitch = int(row[signatures.Page.GROUND_OFF]), int(row[signatures.Page.PITCH])
        ground = arrays["grounds"][start : start + pitch * len(page)].reshape(-1, pitch)[:, : page.shape[1]]
        expected = np.empty_like(page)
        mine = [arrays[name][stamp_page == place] for name in ("cell_start", "cell_pitch", "cell_rows", "left", "top")]
        rects = [arrays[name][rect_page == place] for name in ("rect_px", "rect_index")]
        compose_page_numpy(expected, ground, arrays["cells"], *mine, *rects)
        assert np.array_equal(page, expected)
        assert expected.max(initial=0) > 0


def test_the_number_of_pairs_is_known_before_the_device_counts():
    sample = random_sample(5, SIZES, n_stamps=300)
    arrays = sample.run(on_twin, RASTER[:2])
    geometry = [arrays[name] for name in ("cell_pitch", "cell_rows", "left", "top", "rect_px", "item_page")]
    n_pairs, most = count_pairs(*geometry, sample.table.rows)
    assert n_pairs == arrays["tile_off"][-1] == arrays["tile_next"][-1] + np.diff(arrays["tile_off"])[-1]
    assert 0 < most <= sample.table.max_tiles


def test_places_at_the_ends_of_the_number_range_do_no_harm(check):
    sample = random_sample(2, SIZES[:2], n_stamps=20, n_rects=8)
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    sample.arrays["left"][:4], sample.arrays["top"][2:6] = (low, high, low, high), (low, high, high, low)
    sample.arrays["rect_px"][:4] = [
        (low, low, high, high),
        (high, high, low, low),
        (low, 0, high, 1),
        (high, 0, high, high),
    ]
    sample.arrays["item_page"][20:24] = 0
    geometry = [sample.arrays[name] for name in ("cell_pitch", "cell_rows", "left", "top", "rect_px", "item_page")]
    n_pairs, _ = count_pairs(*geometry, sample.table.rows)
    sample.arrays["tile_items"] = np.zeros(n_pairs, np.int32)
    sample.scalars["bin_items_fill"] = sample.scalars["bin_items_fill"] | {"capacity": n_pairs}
    arrays = check(sample, kernels=RASTER)
    assert sample.pages(arrays)[0].min() >= arrays["rect_index"][0] > 0


def test_a_list_that_is_too_short_is_not_overrun(check):
    sample = random_sample(4, SIZES[:2])
    capacity = len(sample.arrays["tile_items"]) // 2
    sample.scalars["bin_items_fill"] = sample.scalars["bin_items_fill"] | {"capacity": capacity}
    arrays = sample.run(on_twin, RASTER[:3])
    assert (arrays["tile_items"][capacity:] == sample.arrays["tile_items"][capacity:]).all()


def test_streams_that_do_not_fit_are_left_out_and_the_others_are_whole(check):
    whole = random_sample(6, ((200, 90), (300, 200), (100, 60)))
    sizes = whole.run(on_twin)["results"][:, signatures.Result.STREAM_BYTES]
    short = random_sample(6, ((200, 90), (300, 200), (100, 60)), capacity=int(sizes[:2].sum()) + 64)
    arrays = check(short)
    assert arrays["results"][:, signatures.Result.STREAM_BYTES].tolist() == sizes.tolist()
    first, second, third = short.streams(arrays)
    assert third is None
    assert [zlib.decompress(one) for one in (first, second)] == [
        zlib.decompress(one) for one in whole.streams(whole.run(on_twin))[:2]
    ]


@pytest.mark.parametrize("kind", ["paper", "ink", "noise", "stripes", "rows"])
@pytest.mark.parametrize("size", [(257, 40), (4095, 3), (4096, 2), (33_000, 2), (2, 3000)], ids=str)
def test_any_content_comes_back(check, kind, size):
    width, height = size
    sample = random_sample(8, (size,), n_stamps=0, n_rects=0)
    content = {
        "paper": lambda: 0,
        "ink": lambda: 255,
        "noise": lambda: np.random.default_rng(1).integers(0, 256, (height, width)),
        "stripes": lambda: np.arange(width) % 7 // 4 * 255,
        "rows": lambda: np.arange(height)[:, None] % 5 + np.arange(width) // 9 % 256,
    }
    page = sample.pages({"pages": sample.arrays["grounds"]})[0]
    page[:] = np.broadcast_to(content[kind](), page.shape)
    check_streams(sample, check(sample, orders=("reverse",)))


def png_of(pixels, stream, crc):
    """Put a stream into a file of its own, as a host does."""
    header = struct.pack(">IIBBBBB", *pixels.index.shape[::-1], 8, 3, 0, 0, 0)
    data = struct.pack(">I", len(stream)) + b"IDAT" + stream + struct.pack(">I", crc)
    parts = (SIGNATURE, _chunk(b"IHDR", header), _chunk(b"PLTE", pixels.palette.tobytes()), data, _chunk(b"IEND", b""))
    return b"".join(parts)


def check_real(check, resources, display, dpi, orders):
    """Run a real batch; return the bytes of its files, and of those that the CPU writes."""
    sample, drawn = caught_sample(resources, display, dpi)
    arrays = check(sample, orders)
    sizes = []
    for place, (page, stream, pixels) in enumerate(
        zip(sample.pages(arrays), sample.streams(arrays), drawn, strict=True)
    ):
        assert np.array_equal(page, pixels.index)
        if sample.table.rows[place, signatures.Page.DEPTH] == 8:
            file = png_of(pixels, stream, int(arrays["results"][place, signatures.Result.CRC]))
            with Image.open(io.BytesIO(file)) as picture:
                assert np.array_equal(np.asarray(picture.convert("RGB")), pixels.rgb())
            cpu = PngEncoder().encode(PagePixels(page.copy(), pixels.palette, dpi))
            sizes.append((len(file), len(cpu)))
    check_streams(sample, arrays)
    return np.array(sizes)


def test_a_real_batch_with_seal_and_slanting_lines(check, shapes):
    form = raster_samples.page(shapes, raster_samples.form)
    pages = [
        raster_samples.page(
            shapes, lambda builder, shift=shift: raster_samples.values(builder, shift), base=form.digest
        )
        for shift in (0, 40, 333)
    ]
    plain = raster_samples.page(shapes, raster_samples.values, width_um=3_000)
    check_real(check, raster_samples.resources(shapes, [form]), concat([*pages, plain]), 254, kernel_shim.ORDERS)


def invoices(fonts):
    """Return real invoices of two templates as one display list, with what they name."""
    made = [layout_samples.sample(kind, remark=f"第{place}份") for place, kind in enumerate(layout_samples.KINDS)]
    forms = [layout_samples.template(invoice.kind.value, fonts).resources for invoice in made]
    bases, pictures = (
        {key: value for form in forms for key, value in getattr(form, name).items()} for name in ("bases", "pictures")
    )
    return Resources(fonts, bases, pictures), concat([layout_samples.lay_out(invoice, fonts) for invoice in made])


@pytest.mark.fonts
@pytest.mark.parametrize(("dpi", "orders"), [(100, kernel_shim.ORDERS), (300, ())])
def test_invoices_of_two_templates_in_one_batch(check, fonts, dpi, orders):
    sizes = check_real(check, *invoices(fonts), dpi, orders)
    assert len(sizes) == 2
    # Measured: 1.02 to 1.06 of the bytes that the CPU's fast level writes.
    assert (sizes[:, 0] < 1.08 * sizes[:, 1]).all()
    assert len(SPLICE) == 5
