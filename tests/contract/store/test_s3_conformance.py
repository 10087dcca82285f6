"""The tests that every store passes, on S3 servers: the bodies are those of tests/unit/store."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from render.errors import StoreConflict
from tests.unit.store.test_store import (  # noqa: F401 collected here with another fixture
    test_a_hostile_key_among_many_writes_none,
    test_a_missing_object_is_named,
    test_concurrent_writers_of_different_bytes_keep_the_first,
    test_empty_objects_are_objects,
    test_head_tells_the_size_without_reading,
    test_list_is_sorted_and_stays_below_its_folder,
    test_many_objects_are_put_at_once_each_with_its_own_result,
    test_one_of_many_concurrent_writers_creates,
    test_other_bytes_under_a_taken_key_are_a_conflict_and_change_nothing,
    test_put_if_absent_creates_once_and_tells_so,
)


@pytest.fixture(params=["moto", "gateway"])
def store(request, s3_store):
    return s3_store(request.getfixturevalue(f"{request.param}_port"))


def test_a_large_object_that_exists_with_other_bytes_is_a_conflict(store):
    """A server may refuse and hang up while the bytes are still on their way."""
    data = os.urandom(6_000_000)
    assert store.put_if_absent("large", data) is True
    assert store.put_if_absent("large", data) is False
    with pytest.raises(StoreConflict):
        store.put_if_absent("large", data[:-1] + b"\0" + data[:1])
    assert store.get("large") == data


def test_large_objects_of_other_bytes_race_and_one_stands(store):
    start = threading.Barrier(4)

    def write(number):
        data = bytes([number]) * 3_000_000
        start.wait()
        try:
            return store.put_if_absent("race", data)
        except StoreConflict:
            return False

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(write, range(4)))
    assert outcomes.count(True) <= 1
    stands = store.get("race")
    assert len(stands) == 3_000_000
    assert len(set(stands)) == 1


def test_keys_of_every_permitted_character_are_kept_apart(store):
    keys = ["a/B.c_d-e", "a/b.c_d-e", "a/b.c_d-e0", f"{'x' * 200}/{'y' * 200}"]
    assert store.put_many({key: key.encode() for key in keys}) == dict.fromkeys(keys, True)
    assert {key: store.get(key) for key in keys} == {key: key.encode() for key in keys}
    assert list(store.list()) == sorted(keys)
