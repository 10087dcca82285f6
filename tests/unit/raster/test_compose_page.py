"""The compositor: the compiled kernel, its NumPy twin, and the scalar source run as plain Python."""

import numpy as np
import pytest

from render.errors import BackendUnavailable
from render.raster.cpu import ComposePage, load_compositor
from render.raster.kernels.compose_page import CELL_ALIGN, compose_page_numpy, compose_rows_scalar

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


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_only_stale_rows_are_brought_back_and_those_touched_become_stale(backend):
    compose, name = load_compositor(backend)
    assert name == backend
    first = random_case(3)
    ground = first[0]
    page, stale = np.full(ground.shape, 77, np.uint8), np.ones(len(ground), np.uint8)
    for seed in range(3, 30):
        case = (ground, *random_case(seed, stamps=seed % 5, rects=seed % 3)[1:])
        compose(page, *case, stale=stale)
        assert np.array_equal(page, run(compose_page_numpy, case))
        changed = (page != ground).any(axis=1)
        assert not (changed & (stale == 0)).any()
    compose(page, *(ground, *random_case(0, stamps=0, rects=0)[1:]), stale=stale)
    assert np.array_equal(page, ground)
    assert not stale.any()
    page[7] = 99
    compose(page, *(ground, *random_case(0, stamps=0, rects=0)[1:]), stale=stale)
    assert (page[7] == 99).all()


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
