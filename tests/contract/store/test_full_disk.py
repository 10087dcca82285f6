"""A disk that is full: what is there is whole, the rest is refused for later, and room mends it."""

import errno
import itertools
import os
import subprocess
import sys

import pytest

from render.errors import Retry, StoreError
from render.store.api import Store

DISK_BYTES = 1 << 20


@pytest.fixture
def small_disk(tmp_path, need):
    """A file system of one mebibyte of its own."""
    need("mount", "umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def whole_files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put_all(store, data, numbers):
    for number in numbers:
        store.put_if_absent(f"a/{number}", data)


def test_one_by_one_until_nothing_fits(small_disk):
    store = Store(str(small_disk))
    data = os.urandom(100_000)
    numbers = itertools.count()
    with pytest.raises(StoreError) as caught:
        put_all(store, data, numbers)
    stored = next(numbers) - 1
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert caught.value.retry is Retry.LATER
    assert whole_files(small_disk) == {f"a/{number}": data for number in range(stored)}
    (small_disk / "a" / "0").unlink()
    assert store.put_if_absent(f"a/{stored}", data) is True


def test_many_at_once_each_is_whole_or_refused(small_disk):
    store = Store(str(small_disk))
    objects = {f"{number}/x": os.urandom(90_000) for number in range(20)}
    results = store.put_many(objects)
    there = whole_files(small_disk)
    assert 0 < len(there) < 20
    assert there == {key: objects[key] for key in there}
    assert {key for key, result in results.items() if result is True} == there.keys()
    assert all(isinstance(result, StoreError) for key, result in results.items() if key not in there)
    for key in list(there)[:5]:
        (small_disk / key).unlink()
    assert sum(result is True for result in store.put_many(objects).values()) >= 4


def test_the_size_that_a_process_may_write_is_a_full_disk_as_well(tmp_path):
    program = (
        "import resource, signal, sys\n"
        "from render.errors import StoreError\n"
        "from render.store.api import Store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = Store(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "results = store.put_many({'a': b'x' * 900, 'b': b'x' * 1100, 'c': b'', 'd': b'x', 'e': b'x' * 1000})\n"
        "print(*(key for key, result in results.items() if isinstance(result, StoreError)))\n"
        "try:\n"
        "    store.put_if_absent('f', b'x' * 1001)\n"
        "except StoreError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["b", "refused"]
    assert {name: len(data) for name, data in whole_files(tmp_path).items()} == {"a": 900, "c": 0, "d": 1, "e": 1000}
