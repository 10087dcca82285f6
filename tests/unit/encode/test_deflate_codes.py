"""Prefix codes and the operations on 64 bytes at once, each against an independent way to the same numbers."""

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.compiled import compiled
from render.deflating.huffman import MAX_BITS, code_lengths, codes_of, run_lengths
from render.encode.kernels.byte_masks import WORD, lowest_bit, unlike, weigh


def lengths_of(counts, limit=MAX_BITS):
    lengths = np.zeros(len(counts), np.int64)
    code_lengths(np.array(counts, np.int64), limit, lengths)
    return lengths


def least_cost(counts):
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost += both
        heapq.heappush(heap, both)
    return cost


some_counts = st.lists(st.integers(0, 5000), min_size=2, max_size=286).filter(
    lambda counts: np.count_nonzero(counts) > 1
)


@given(some_counts)
def test_codes_cost_the_least_that_any_prefix_code_can(counts):
    lengths = lengths_of(counts)
    assert not lengths[np.array(counts) == 0].any()
    if lengths.max() < MAX_BITS:
        assert int(lengths @ np.array(counts)) == least_cost(counts)


@given(some_counts.filter(lambda counts: len(counts) <= 128), st.integers(7, 15))
def test_codes_are_complete_within_their_limit(counts, limit):
    lengths = lengths_of(counts, limit)
    assert lengths.max() <= limit
    assert sum(1 << (limit - length) for length in lengths[lengths > 0].tolist()) == 1 << limit


def test_limit_cuts_a_degenerate_tree():
    counts = [1 << exponent for exponent in range(30)]
    assert lengths_of(counts).max() == MAX_BITS


def test_codes_of_the_standard_s_example():
    """RFC 1951, 3.2.2: lengths 3, 3, 3, 3, 3, 2, 4, 4 give 010 … 1111; here with the first bit lowest."""
    codes = np.zeros(8, np.uint64)
    codes_of(np.array([3, 3, 3, 3, 3, 2, 4, 4]), codes)
    written = ["010", "011", "100", "101", "110", "00", "1110", "1111"]
    assert codes.tolist() == [int(code[::-1], 2) for code in written]


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(1, 300)), min_size=1, max_size=9))
def test_runs_of_lengths_expand_again(runs):
    lengths = [length for length, n in runs for _ in range(n)]
    symbols, extras = np.zeros(len(lengths) + 1, np.int64), np.zeros(len(lengths) + 1, np.int64)
    n = run_lengths(np.array([*lengths, -1]), symbols, extras)
    expanded = []
    for symbol, extra in zip(symbols[:n].tolist(), extras[:n].tolist(), strict=True):
        first, most = {16: (3, 3), 17: (3, 7), 18: (11, 127)}.get(symbol, (1, 0))
        assert 0 <= extra <= most
        value = {16: expanded[-1] if expanded else None, 17: 0, 18: 0}.get(symbol, symbol)
        expanded += [value] * (first + extra)
    assert expanded == lengths


BYTES = "Array(uint8, 1, 'C', readonly=True)"


def call_unlike(data, one, other):
    return unlike(data, one, other)


def call_weigh(data, at, n_words):
    return weigh(data, at, n_words)


def call_lowest(word):
    return lowest_bit(word)


@pytest.mark.parametrize("seed", range(20))
def test_compiled_operations_mean_the_same_as_python(seed):
    data = np.random.default_rng(seed).integers(0, 3 if seed % 2 else 256, 300).astype(np.uint8)
    compiled_unlike = compiled(call_unlike, f"uint64({BYTES}, int64, int64)")
    compiled_weigh = compiled(call_weigh, f"int64({BYTES}, int64, int64)")
    for at in range(0, 300 - WORD, 7):
        other = (at * 5 + seed) % (300 - WORD)
        assert compiled_unlike(data, at, other) == unlike(data, at, other)
        n_words = 1 + at // 7 % ((data.size - at) // WORD)
        assert compiled_weigh(data, at, n_words) == weigh(data, at, n_words)


@pytest.mark.parametrize("n_words", [0, 1, 15, 16])
def test_weights_reach_their_largest_sum(n_words):
    data, size = np.full(16 * WORD, 255, np.uint8), n_words * WORD
    expected = (255 * size) << 32 | 255 * (size * (size - 1) // 2)
    assert compiled(call_weigh, f"int64({BYTES}, int64, int64)")(data, 0, n_words) == expected


def test_lowest_bit_of_every_place():
    lowest = compiled(call_lowest, "int64(uint64)")
    for place in range(64):
        word = np.uint64(1 << place | 1 << 63)
        assert lowest(word) == lowest_bit(word) == place
