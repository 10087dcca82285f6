"""Collection of cycles waits for the end of a batch, whatever happens in it, and is left as it was found."""

import gc
import threading

import pytest

from render.collection import paused_collection
from render.errors import KaipiaoError


def test_collection_resumes_after_the_last_of_overlapping_bodies():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with paused_collection():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with paused_collection():
        thread.start()
        inside.wait()
        assert not gc.isenabled()
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


def test_collection_resumes_after_an_error():
    with pytest.raises(KaipiaoError), paused_collection():
        raise KaipiaoError("wrong.")
    assert gc.isenabled()


def test_a_process_without_collection_stays_without():
    gc.disable()
    try:
        with paused_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
