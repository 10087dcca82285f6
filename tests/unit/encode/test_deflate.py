"""The zlib streams of rows: whatever the rows are, the standard library reads them back."""

import gc
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.encode.deflate import ZLIB_STREAM, _kernel, pack_rows
from render.encode.kernels.deflate_rows import MAX_PITCH, MIN_WIDTH, deflate_rows, scratch
from render.encode.known_rows import RowMemory
from render.pixels import OnGround, PageGround

FAST = ZLIB_STREAM["fast"]
LEADS = (0, 1)


def led(rows, lead):
    return np.pad(rows, ((0, 0), (lead, 0)))


def assert_reads_back(rows, lead, stream=None):
    stream = FAST(rows, lead) if stream is None else stream
    assert zlib.decompress(stream) == led(rows, lead).tobytes()


def noise(height, width, n_values=256, seed=0):
    return np.random.default_rng(seed).integers(0, n_values, (height, width)).astype(np.uint8)


@st.composite
def pages(draw):
    """Rows of pieces that repeat the row above, their neighbour or nothing, of every length and place."""
    width = draw(st.sampled_from([MIN_WIDTH, 129, 191, 192, 193, 255, 256, 300, 519]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = np.zeros((draw(st.integers(1, 12)), width), np.uint8)
    n_values, longest = draw(st.sampled_from([2, 5, 256])), draw(st.sampled_from([4, 20, 40, 300]))
    for y in range(len(rows)):
        x = 0
        while x < width:
            end = x + int(rng.integers(1, longest))
            kind = rng.integers(0, 4 if y else 3)
            if kind == 3:
                rows[y, x:end] = rows[y - 1, x:end]
            else:
                rows[y, x:end] = rng.integers(0, n_values, min(end, width) - x if kind else 1)
            x = end
    return rows


@settings(max_examples=400, deadline=None)
@given(pages(), st.sampled_from(LEADS))
def test_any_mixture_of_repeats_reads_back(rows, lead):
    assert_reads_back(rows, lead)


def interpreted(rows, lead, known=None):
    memory = RowMemory(deflate_rows)
    known = memory.no_rows(len(rows)) if known is None else memory.known_rows(known, lead)
    *_, out = given = scratch(*rows.shape, lead)
    length = deflate_rows(rows.reshape(-1), rows.shape[1], lead, *known, *given)
    return out.view(np.uint8)[:length].tobytes()


# Plain Python tells of every word that wraps; the compiler's words wrap silently, as is meant.
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@settings(max_examples=15, deadline=None)
@given(pages(), st.sampled_from(LEADS))
def test_compiled_and_interpreted_kernels_write_the_same_bytes(rows, lead):
    assert FAST(rows, lead) == interpreted(rows, lead)


@st.composite
def pages_on_grounds(draw):
    """A page whose rows are mostly those of a ground, some changed and some only said to be."""
    ground = draw(pages())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    touched = (rng.random(len(ground)) < draw(st.sampled_from([0, 0.1, 0.4, 1]))).astype(np.uint8)
    rows, other = ground.copy(), noise(*ground.shape, n_values=3, seed=1)
    for y in np.flatnonzero(touched):
        kind = rng.integers(0, 3)
        if kind == 1:
            rows[y] = other[y]
        elif kind == 2 and y:
            rows[y] = rows[y - 1]
    return OnGround(rows, PageGround(ground), touched)


@settings(max_examples=200, deadline=None)
@given(pages_on_grounds(), st.sampled_from(LEADS))
def test_what_is_known_of_rows_changes_no_byte(page, lead):
    assert FAST(page.index, lead, page) == FAST(page.index, lead)
    # What was found out for the first page serves the second.
    again = OnGround(page.ground.index, page.ground, np.zeros_like(page.touched))
    assert FAST(again.index, lead, again) == FAST(again.index, lead)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@settings(max_examples=15, deadline=None)
@given(pages_on_grounds(), st.sampled_from(LEADS))
def test_compiled_and_interpreted_kernels_know_the_same(page, lead):
    assert FAST(page.index, lead, page) == interpreted(page.index, lead, page)


def test_long_pages_of_known_rows_are_cut_into_the_same_blocks():
    ground = noise(600, 700, 40)
    rows = ground.copy()
    rows[100:110] = 7
    page = OnGround(rows, PageGround(ground), (rows != ground).any(axis=1).astype(np.uint8))
    assert FAST(rows, 1, page) == FAST(rows, 1)


def test_nothing_is_taken_as_known_of_a_copy():
    ground, rows = noise(40, 200, 3), noise(40, 200, 3, seed=1)
    page = OnGround(ground, PageGround(ground), np.zeros(40, np.uint8))
    assert_reads_back(rows, 1, FAST(rows, 1, page))


def test_kept_rows_go_with_their_ground():
    memory = _kernel().memory
    # What other tests left, above all those that failed, must not go in between.
    gc.collect()
    before = len(memory._of)
    ground = PageGround(noise(40, 200, 3))
    page = OnGround(ground.index, ground, np.zeros(40, np.uint8))
    FAST(page.index, 1, page)
    assert len(memory._of) == before + 1
    del page, ground
    gc.collect()
    assert len(memory._of) == before


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((1, MIN_WIDTH), np.uint8),
        np.zeros((500, 1000), np.uint8),
        np.full((500, 1000), 255, np.uint8),
        np.tile(noise(1, 1000), (300, 1)),
        np.tile(noise(300, 1), (1, 1000)),
        np.tile(np.array([[0, 1]], np.uint8), (200, 500)),
        noise(400, 700),
        noise(400, 700, 2),
        noise(3, MAX_PITCH - 1),
        np.tile(noise(1, MAX_PITCH - 1, 3), (40, 1)),
        np.zeros((40, MAX_PITCH - 1), np.uint8),
        np.eye(700, dtype=np.uint8) * 255,
        np.full((1700, 4960), 255, np.uint8),
    ],
    ids=[
        "one row", "zeros", "ones", "rows repeat", "columns repeat", "stripes", "noise", "bits", "widest noise",
        "widest repeats", "widest zeros", "diagonal", "sums beyond 32 bits",
    ],
)  # fmt: skip
def test_extreme_rows_read_back(rows, lead):
    assert_reads_back(rows, lead)


@pytest.mark.parametrize("width", [1, 2, MIN_WIDTH - 1, MAX_PITCH, MAX_PITCH + 1, 70_000])
@pytest.mark.parametrize("lead", LEADS)
def test_rows_outside_the_kernel_s_range_read_back(width, lead):
    assert_reads_back(noise(3, width), lead)
    assert_reads_back(np.zeros((3, width), np.uint8), lead)


def test_counts_like_fibonacci_numbers_keep_codes_within_15_bits():
    counts = [1, 1]
    while sum(counts) < 600_000:
        counts.append(counts[-1] + counts[-2])
    values = np.repeat(np.arange(len(counts)), counts).astype(np.uint8)
    rows = np.random.default_rng(0).permutation(values)[: len(values) // 1000 * 1000].reshape(-1, 1000)
    assert_reads_back(rows, 1)


def test_repeats_of_every_length_read_back():
    rows = np.zeros((700, 700), np.uint8)
    for length in range(1, 700):
        rows[length, :length] = length % 255 + 1
    for lead in LEADS:
        assert_reads_back(rows, lead)
        assert_reads_back(np.repeat(rows, 2, axis=0), lead)


@pytest.mark.parametrize("lead", LEADS)
def test_repeated_rows_cost_next_to_nothing(lead):
    row = noise(1, 2000)
    assert len(FAST(np.repeat(row, 1000, axis=0), lead)) < len(zlib.compress(row)) + 12_000


def test_small_reads_back_too():
    rows = noise(50, 300, 3)
    for lead in LEADS:
        assert_reads_back(rows, lead, ZLIB_STREAM["small"](rows, lead))


def test_read_only_rows_are_taken():
    rows = noise(20, 200, 3)
    expected = FAST(rows, 1)
    rows.flags.writeable = False
    assert FAST(rows, 1) == expected


def test_threads_do_not_share_scratch():
    many = [noise(200, 400 + 10 * seed, 4, seed) for seed in range(6)]
    expected = [FAST(rows, 1) for rows in many]
    wrong = []

    def work(first):
        for turn in range(60):
            number = (first + turn) % len(many)
            if FAST(many[number], 1) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_kernel_is_compiled_here():
    assert _kernel().run is not deflate_rows


@pytest.mark.parametrize("is_compiled", [True, False], ids=["compiled", "numpy"])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [1, 7, 8, 9, 130, 517])
def test_packing_puts_the_first_pixel_highest(monkeypatch, depth, width, is_compiled):
    if not is_compiled:
        monkeypatch.setattr("render.encode.deflate._packer", lambda: None)
    index = noise(9, width, 1 << depth)
    packed = np.full((9, -(-width * depth // 8)), 255, np.uint8)
    pack_rows(index, depth, packed)
    bits = np.unpackbits(packed, axis=1)
    assert not bits[:, width * depth :].any()
    places = bits[:, : width * depth].reshape(9, width, depth)
    assert np.array_equal((places << np.arange(depth - 1, -1, -1, dtype=np.uint8)).sum(axis=2), index)
