"""The compositor: the compiled kernel, its NumPy twin, and the scalar source run as plain Python."""

import numpy as np
import pytest

from render.errors import BackendUnavailable
from render.pixels import touched_span
from render.raster.cpu import ComposePage, load_compositor
from render.raster.kernels.compose_page import compose_page_numpy, compose_rows_scalar
from render.raster.keys import CELL_ALIGN

COMPILED, COMPILED_NAME = load_compositor()


def random_case(seed, height=40, width=70, stamps=60, rects=20):
    """Return a ground and stamps and rectangles of which many cross or miss the page's edges."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 60, (height, width)).astype(np.uint8)
    cells = rng.integers(0, 256, 40_000).astype(np.uint8)
    pitch = (rng.integers(0, 4, stamps) * CELL_ALIGN).astype(np.int32)
    rows = rng.integers(0, 30, stamps).astype(np.int32)
    start = rng.integers(0, 30_000, stamps)
    left = rng.integers(-70, width + 10, stamps).astype(np.int32)
    top = rng.integers(-40, height + 10, stamps).astype(np.int32)
    corner = rng.integers(-30, 90, (rects, 2))
    size = rng.integers(-5, 40, (rects, 2))
    rect_px = np.concatenate([corner, corner + size], axis=1).astype(np.int32)
    rect_index = rng.integers(0, 256, rects).astype(np.uint8)
    return ground, cells, start, pitch, rows, left, top, rect_px, rect_index


def run(compose, case):
    page = np.full(case[0].shape, 77, np.uint8)
    compose(page, *case)
    return page


@pytest.mark.parametrize("seed", range(30))
def test_compiled_kernel_and_numpy_twin_leave_the_same_bytes(seed):
    assert COMPILED_NAME == "numba"
    case = random_case(seed)
    assert np.array_equal(run(COMPILED, case), run(compose_page_numpy, case))


# Unsigned scalars leave their range in plain Python when a rectangle is cut, which the compiler never shows.
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_scalar_source_means_the_same_as_python():
    case = random_case(99, height=12, width=20, stamps=8, rects=4)
    assert np.array_equal(run(ComposePage(compose_rows_scalar), case), run(compose_page_numpy, case))


def spans_where(differs):
    """Return uint64[H], a bit for each span of a row in which anything differs."""
    span = touched_span(differs.shape[1])
    words = np.zeros(len(differs), np.uint64)
    for k in range(-(-differs.shape[1] // span)):
        words |= np.where(differs[:, k * span : (k + 1) * span].any(axis=1), np.uint64(1 << k), np.uint64(0))
    return words


@pytest.mark.parametrize("width", [1, 40, 63, 64, 65, 70, 200, 4_096, 4_097, 9_000])
@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_only_what_is_stale_is_brought_back_and_what_is_touched_becomes_stale(backend, width):
    compose, name = load_compositor(backend)
    assert name == backend
    ground = random_case(3, width=width)[0]
    page, stale = np.full(ground.shape, 77, np.uint8), np.full(len(ground), 2**64 - 1, np.uint64)
    for seed in range(3, 20):
        case = (ground, *random_case(seed, width=width, stamps=seed % 5, rects=seed % 3)[1:])
        compose(page, *case, stale=stale)
        assert np.array_equal(page, run(compose_page_numpy, case))
        assert not (spans_where(page != ground) & ~stale).any()
    nothing = (ground, *random_case(0, stamps=0, rects=0)[1:])
    compose(page, *nothing, stale=stale)
    assert np.array_equal(page, ground)
    assert not stale.any()
    page[7] = 99
    compose(page, *nothing, stale=stale)
    assert (page[7] == 99).all()


def test_both_backends_say_the_same_of_what_they_touched():
    any_touched = 0
    for seed in range(20):
        found = []
        for backend in ("numba", "numpy"):
            case = random_case(seed, width=300, stamps=4, rects=3)
            found.append(np.zeros(len(case[0]), np.uint64))
            load_compositor(backend)[0](case[0].copy(), *case, stale=found[-1])
        assert np.array_equal(*found)
        any_touched += bool(found[0].any())
    assert any_touched > 10


def test_what_lies_between_two_stamps_is_not_touched():
    compose, ground = load_compositor("numba")[0], np.zeros((3, 1_000), np.uint8)
    stale, page = np.zeros(3, np.uint64), ground.copy()
    boxes = np.array([[0, 0, 64, 1], [130, 1, 131, 3], [936, 1, 1_200, 2]], np.int32)
    compose(page, ground, *random_case(0, stamps=0)[1:7], boxes, np.full(3, 9, np.uint8), stale=stale)
    assert stale.tolist() == [1, 4 | 1 << 14 | 1 << 15, 4]


@pytest.mark.parametrize("compose", [COMPILED, compose_page_numpy], ids=["compiled", "numpy"])
def test_order_of_stamps_and_rectangles_does_not_matter(compose):
    case = random_case(7)
    expected = run(compose, case)
    order, rect_order = np.random.default_rng(1).permutation(60), np.random.default_rng(2).permutation(20)
    ground, cells, *columns, rect_px, rect_index = case
    shuffled = (ground, cells, *(column[order] for column in columns), rect_px[rect_order], rect_index[rect_order])
    assert np.array_equal(run(compose, shuffled), expected)


@pytest.mark.parametrize("compose", [COMPILED, compose_page_numpy], ids=["compiled", "numpy"])
def test_darker_wins_by_hand(compose):
    ground = np.array([[0, 5, 9, 0, 0]], np.uint8)
    cells = np.zeros(CELL_ALIGN, np.uint8)
    cells[:3] = [7, 7, 7]
    one = np.array([1], np.int32)
    rects = np.array([[3, 0, 4, 1]], np.int32)
    page = np.zeros_like(ground)
    compose(
        page, ground, cells, np.array([0]), one * CELL_ALIGN, one, one * 0, one * 0, rects, np.array([200], np.uint8)
    )
    assert page.tolist() == [[7, 7, 9, 200, 0]]


def test_unknown_backend_is_refused_by_name():
    with pytest.raises(BackendUnavailable, match="'cuda12'"):
        load_compositor("cuda12")
