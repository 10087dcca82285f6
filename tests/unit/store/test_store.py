"""One body of tests for every kind of store that needs no server, and those of a folder alone."""

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from render.errors import ConfigError, Retry, StoreConflict, StoreError
from render.store import local
from render.store.api import ObjectMissing, Store, blob_key
from render.store.keys import KeyRefused

HOSTILE_KEYS = [
    "",
    "/etc/passwd",
    "../outside",
    "a/../../outside",
    "a/./b",
    "a//b",
    "a/",
    "a\0b",
    "．．/outside",
    "a/‥/b",
    "a\\..\\b",
    ".staging/x",
    "receipts/票.json",
    "a\nb",
    "%2e%2e/outside",
    "a b",
    "x" * 513,
    "y" * 201,
]


@pytest.fixture(params=["memory", "path", "file-url"])
def store(request, tmp_path):
    urls = {"memory": "memory://", "path": str(tmp_path / "票 store"), "file-url": f"file://{tmp_path}/a%20store"}
    return Store(urls[request.param])


def test_put_if_absent_creates_once_and_tells_so(store):
    assert store.put_if_absent("a/b.json", b"one") is True
    assert store.put_if_absent("a/b.json", b"one") is False
    assert store.get("a/b.json") == b"one"


def test_other_bytes_under_a_taken_key_are_a_conflict_and_change_nothing(store):
    store.put_if_absent("a", b"one")
    with pytest.raises(StoreConflict) as caught:
        store.put_if_absent("a", b"two")
    assert caught.value.retry is Retry.NEVER
    assert store.get("a") == b"one"


def test_empty_objects_are_objects(store):
    assert store.put_if_absent("empty", b"") is True
    assert store.get("empty") == b""
    assert store.head("empty").size == 0


def test_a_missing_object_is_named(store):
    assert not store.exists("no/such")
    for read in (store.get, store.head):
        with pytest.raises(ObjectMissing, match="no/such"):
            read("no/such")


def test_head_tells_the_size_without_reading(store):
    store.put_if_absent("k", b"12345")
    assert store.exists("k")
    assert store.head("k").size == 5


def test_list_is_sorted_and_stays_below_its_folder(store):
    for key in ("b/2", "a/9", "b/10/z", "bb/1"):
        store.put_if_absent(key, b"x")
    assert list(store.list("b")) == ["b/10/z", "b/2"]
    assert list(store.list()) == ["a/9", "b/10/z", "b/2", "bb/1"]
    assert list(store.list("nothing")) == []


def test_many_objects_are_put_at_once_each_with_its_own_result(store):
    store.put_if_absent("a/equal", b"same")
    store.put_if_absent("a/taken", b"first")
    objects = {f"b/{number % 7}/{number}": b"%d" % number * 1000 for number in range(300)}
    results = store.put_many(objects | {"a/equal": b"same", "a/taken": b"second"})
    assert isinstance(results.pop("a/taken"), StoreConflict)
    assert results.pop("a/equal") is False
    assert results == dict.fromkeys(objects, True)
    assert store.get("a/taken") == b"first"
    assert {key: store.get(key) for key in objects} == objects
    assert store.put_many(objects) == dict.fromkeys(objects, False)
    assert store.put_many({}) == {}


def test_a_hostile_key_among_many_writes_none(store):
    with pytest.raises(KeyRefused):
        store.put_many({"a": b"1", "b": b"2", "../c": b"3", "d": b"4", "e": b"5"})
    assert list(store.list()) == []


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_hostile_keys_are_refused_before_the_store_sees_them(store, key):
    for act in (lambda: store.put_if_absent(key, b"x"), lambda: store.get(key), lambda: store.exists(key)):
        with pytest.raises(KeyRefused):
            act()
    if key:
        with pytest.raises(KeyRefused):
            list(store.list(key))
    assert list(store.list()) == []


def test_one_of_many_concurrent_writers_creates(store):
    start = threading.Barrier(16)

    def write(_: int) -> bool:
        start.wait()
        return store.put_if_absent("race", b"same")

    with ThreadPoolExecutor(16) as pool:
        created = list(pool.map(write, range(16)))
    assert sum(created) == 1


def test_concurrent_writers_of_different_bytes_keep_the_first(store):
    start = threading.Barrier(8)

    def write(number: int) -> str:
        start.wait()
        try:
            return "created" if store.put_if_absent("race", b"%d" % number) else "equal"
        except StoreConflict:
            return "conflict"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(write, range(8)))
    assert outcomes == ["conflict"] * 7 + ["created"]


def test_blob_keys_follow_the_digest():
    digest = "sm3:" + "ab" + "cd" + "0" * 60
    assert blob_key(digest) == f"sm3/ab/cd/abcd{'0' * 60}"


@pytest.mark.parametrize("digest", ["", "sm3:", "sm3:" + "A" * 64, "sha256:" + "a" * 64, "sm3:../" + "a" * 61])
def test_only_digests_name_blobs(digest):
    with pytest.raises(KeyRefused):
        blob_key(digest)


@pytest.mark.parametrize("url", ["ftp://host/x", "file://otherhost/x", "://"])
def test_an_unknown_kind_of_store_is_a_config_error(url):
    with pytest.raises(ConfigError, match="KAIPIAO_STORE"):
        Store(url)


def test_a_file_in_the_way_is_a_config_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be opened"):
        Store(str(tmp_path / "file" / "store"))


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_failed_write_leaves_no_file(tmp_path, monkeypatch):
    store = Store(str(tmp_path))

    def full_disk(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local.os, "write", full_disk)
    with pytest.raises(StoreError, match="No space left") as caught:
        store.put_if_absent("a/b", b"data")
    assert caught.value.retry is Retry.LATER
    assert files_below(tmp_path) == []


def test_one_failed_write_among_many_fails_alone_and_leaves_no_file(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    real_write = os.write

    def reject_long(descriptor, data):
        if len(data) > 100:
            raise OSError(errno.EFBIG, "File too large")
        return real_write(descriptor, data)

    monkeypatch.setattr(local.os, "write", reject_long)
    results = store.put_many({"a": b"1", "b": b"x" * 101, "c": b"3", "d": b"4", "e": b"5"})
    assert isinstance(results.pop("b"), StoreError)
    assert results == dict.fromkeys("acde", True)
    assert files_below(tmp_path) == ["a", "c", "d", "e"]


@pytest.mark.parametrize("failing_flush", [1, 2])
def test_a_failed_flush_fails_all_and_a_repetition_mends_it(tmp_path, monkeypatch, failing_flush):
    store = Store(str(tmp_path))
    real_flush = local._flush_file_system
    calls = []

    def fail_once(descriptor):
        calls.append(descriptor)
        if len(calls) == failing_flush:
            raise OSError(errno.EIO, "Input/output error")
        real_flush(descriptor)

    monkeypatch.setattr(local, "_flush_file_system", fail_once)
    objects = {name: name.encode() for name in "abcde"}
    assert all(isinstance(result, StoreError) for result in store.put_many(objects).values())
    assert all(isinstance(result, bool) for result in store.put_many(objects).values())
    assert {key: store.get(key) for key in objects} == objects


def test_no_name_is_given_before_the_bytes_are_on_the_disk(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    seen = []
    monkeypatch.setattr(local, "_flush_file_system", lambda descriptor: seen.append(files_below(tmp_path)))
    store.put_many(dict.fromkeys("abcde", b"x"))
    assert seen == [[], ["a", "b", "c", "d", "e"]]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real_write = os.write
    monkeypatch.setattr(local.os, "write", lambda descriptor, data: real_write(descriptor, bytes(data[:3])))
    store = Store(str(tmp_path))
    store.put_if_absent("k", b"0123456789")
    assert store.get("k") == b"0123456789"


@pytest.fixture
def no_unnamed_files(monkeypatch):
    real_open = os.open

    def without_tmpfile(path, flags, mode=0o777, **rest):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real_open(path, flags, mode, **rest)

    monkeypatch.setattr(local.os, "open", without_tmpfile)


@pytest.mark.usefixtures("no_unnamed_files")
def test_file_systems_without_unnamed_files_get_whole_files_too(tmp_path):
    store = Store(str(tmp_path))
    assert store.put_if_absent("a/b", b"one") is True
    assert store.put_if_absent("a/b", b"one") is False
    with pytest.raises(StoreConflict):
        store.put_if_absent("a/b", b"two")
    assert files_below(tmp_path) == ["a/b"]
    assert store.put_many(dict.fromkeys("cdefg", b"x")) == dict.fromkeys("cdefg", True)
    assert files_below(tmp_path) == ["a/b", "c", "d", "e", "f", "g"]


@pytest.mark.usefixtures("no_unnamed_files")
def test_staging_files_of_ended_processes_are_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    staging = tmp_path / ".staging"
    staging.mkdir()
    (staging / f"{ended.pid}-00ff").write_bytes(b"half")
    (staging / f"{os.getpid()}-00ff").write_bytes(b"being written by another thread")
    Store(str(tmp_path)).put_if_absent("k", b"x")
    assert files_below(tmp_path) == [f".staging/{os.getpid()}-00ff", "k"]
    assert list(Store(str(tmp_path)).list()) == ["k"]


def test_killed_writers_leave_whole_files_or_none(tmp_path):
    """A writer is killed in the middle of its work; every file there is whole, and there are no others."""
    code = (
        "import sys; from render.store.api import Store\n"
        "store = Store(sys.argv[1]); data = bytes(range(256)) * 8192; number = 0\n"
        "while True:\n"
        "    store.put_if_absent(f'blobs/{number}', data); number += 1\n"
        "    if number == 3: print('writing', flush=True)\n"
    )
    for round_number in range(3):
        folder = tmp_path / str(round_number)
        writer = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout.readline() == b"writing\n"
            writer.send_signal(signal.SIGKILL)
        sizes = {path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        assert sizes == {256 * 8192}


def test_files_are_not_for_everyone(tmp_path):
    store = Store(str(tmp_path / "store"))
    store.put_if_absent("a/b", b"x")
    for path in (tmp_path / "store").rglob("*"):
        assert path.stat().st_mode & 0o007 == 0
