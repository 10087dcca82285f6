"""SM3 in lanes against OpenSSL's, for every length around a block and every number of messages around the lanes."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.sign import sm3_many as module
from render.sign.kernels import sm3_lanes
from render.sign.sm3 import sm3
from render.sign.sm3_many import sm3_many

pytestmark = pytest.mark.skipif("sm3" not in hashlib.algorithms_available, reason="OpenSSL without SM3")


def reference(message):
    return hashlib.new("sm3", message).digest()


def messages_of(lengths, seed=1):
    chance = random.Random(seed)
    return [chance.randbytes(length) for length in lengths]


@pytest.fixture
def lanes_always(monkeypatch):
    monkeypatch.setattr(module, "_LEAST_BUSY_LANES", 0)


def test_the_standards_own_examples(lanes_always):
    # GB/T 32905, annex A.
    abc = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    long = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    assert [digest.hex() for digest in sm3_many([b"abc", b"abcd" * 16])] == [abc, long]


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 70])
def test_every_number_of_messages(lanes_always, count):
    messages = messages_of([(place * 37) % 301 for place in range(count)])
    assert sm3_many(messages) == list(map(reference, messages))


def test_every_length_around_a_block(lanes_always):
    messages = messages_of(range(200))
    assert sm3_many(messages) == list(map(reference, messages))


def test_messages_of_very_different_lengths_go_the_way_that_suits_them():
    messages = messages_of([3_000_000, 0, 1, *([50_000] * 40), *([64] * 5)])
    assert sm3_many(messages) == list(map(reference, messages))


def test_more_bytes_than_a_round_takes(monkeypatch, lanes_always):
    monkeypatch.setattr(module, "_ROUND_BYTES", 10_000)
    messages = messages_of([1_000 + place for place in range(150)])
    assert sm3_many(messages) == list(map(reference, messages))


def test_nothing_gives_nothing():
    assert sm3_many([]) == []


def test_few_messages_take_the_library(monkeypatch):
    monkeypatch.setattr(module, "sm3_lanes", None)
    messages = messages_of([100] * 5)
    assert sm3_many(messages) == list(map(sm3, messages))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=80))
def test_any_messages(messages):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LEAST_BUSY_LANES", 0)
        assert sm3_many(messages) == list(map(reference, messages))


def test_the_source_says_the_same_interpreted():
    words = np.frombuffer(messages_of([3 * 64])[0], np.uint32)
    first, blocks = np.array([0, 2], np.int64), np.array([2, 1], np.int64)
    compiled, interpreted = np.zeros((2, 8), np.uint32), np.zeros((2, 8), np.uint32)
    sm3_lanes.sm3_lanes(words, first, blocks, compiled)
    # Sums of 32-bit words wrap, as they must.
    with np.errstate(over="ignore"):
        sm3_lanes.sm3_lanes_scalar(words, first, blocks, interpreted)
    assert compiled.any()
    assert np.array_equal(compiled, interpreted)
