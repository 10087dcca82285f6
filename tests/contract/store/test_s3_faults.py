"""An object store behind a bad network: what is stored is whole, what is not is said, and trying again mends it."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from render.errors import Retry, StoreConflict, StoreError
from render.store import objects
from tests.fault.fault_proxy import FaultProxy, Faults

DATA = os.urandom(400_000)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(objects, "ANSWER_TIMEOUT_S", 1)
    monkeypatch.setattr(objects, "CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr(objects, "TRIES", 1)
    monkeypatch.setattr(objects, "TRYING_S", 2)


@pytest.fixture
def proxy(moto_port):
    with FaultProxy(moto_port, seed=11) as proxy:
        yield proxy


@pytest.fixture
def store(proxy, s3_store):
    return s3_store(proxy.port)


def refused(act):
    with pytest.raises(StoreError) as caught:
        act()
    assert caught.value.retry is Retry.LATER
    assert caught.value.hint


def test_an_interrupted_upload_leaves_nothing_and_is_mended_by_another(store, proxy):
    proxy.set(Faults(cut_after=100_000))
    refused(lambda: store.put_if_absent("a", DATA))
    assert proxy.counts["resets"] > 0
    proxy.set()
    assert list(store.list()) == []
    assert store.put_if_absent("a", DATA) is True
    assert store.get("a") == DATA


def test_an_answer_that_is_lost_is_no_loss_and_no_double(store, proxy):
    proxy.set(Faults(black_hole="down"))
    refused(lambda: store.put_if_absent("a", DATA))
    proxy.set()
    assert store.put_if_absent("a", DATA) is False
    with pytest.raises(StoreConflict):
        store.put_if_absent("a", DATA[:-1])
    assert store.get("a") == DATA


def test_an_answer_that_is_lost_alone_is_found_out_at_once(store, proxy):
    proxy.set(Faults(black_hole="down"))
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(store.put_if_absent, "a", DATA)
        while not proxy.counts["lost"]:
            time.sleep(0.005)
        proxy.set()
        assert put.result(30) is False, "the object is there, whoever wrote it"
    assert store.get("a") == DATA


def test_a_connection_that_is_half_open_is_given_up(store, proxy):
    assert store.put_if_absent("a", b"1")
    proxy.set(Faults(half_open=True))
    refused(lambda: store.put_if_absent("b", b"2"))
    refused(lambda: store.get("a"))
    proxy.set()
    assert store.get("a") == b"1"


def test_a_server_that_is_gone_is_said_and_found_again(store, proxy):
    proxy.set(Faults(refuse=True))
    proxy.reset_all()
    refused(lambda: store.put_if_absent("a", b"1"))
    refused(lambda: store.get("a"))
    refused(lambda: store.exists("a"))
    refused(lambda: list(store.list()))
    assert {type(result) for result in store.put_many({"b": b"1", "c": b"2"}).values()} == {StoreError}
    proxy.set()
    assert store.put_if_absent("a", b"1") is True


def test_a_slow_network_is_waited_for(store, proxy):
    proxy.set(Faults(delay_s=0.125, jitter_s=0.075))
    assert store.put_if_absent("a", b"1") is True
    assert store.get("a") == b"1"
    proxy.set(Faults(drip_bytes=4096, drip_s=0.001))
    assert store.put_if_absent("b", DATA[:50_000]) is True
    assert store.get("b") == DATA[:50_000]


def test_among_many_resets_all_is_stored_whole_in_the_end(store, proxy):
    wanted = {f"{number % 5}/{number}": DATA[number : number + 2000 + number] for number in range(60)}
    proxy.set(Faults(reset_share=0.1, delay_s=0.002))
    left, outcomes = dict(wanted), Counter()
    for _ in range(30):
        results = store.put_many(left)
        outcomes.update(type(result).__name__ for result in results.values())
        left = {key: data for key, data in left.items() if isinstance(results[key], StoreError)}
        if not left:
            break
    assert proxy.counts["resets"] > 0
    assert not left, outcomes
    proxy.set()
    assert {key: store.get(key) for key in store.list()} == wanted
