"""What the digester remembers never changes a digest, and spares work where files begin alike."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.sign import curve
from render.sign.backend import load_backend
from render.sign.sm2 import PrivateKey, verify
from render.sign.sm3 import AlikeDigester, sm3

OPENSSL, GMSSL = load_backend("openssl"), load_backend("gmssl")
BEGIN = bytes(range(256)) * 80


class Counting:
    """Passes everything on to a library, and counts the bytes that it digests after a state."""

    def __init__(self):
        self.name, self.counted = OPENSSL.name, 0

    def sm3_state(self, prefix):
        return OPENSSL.sm3_state(prefix)

    def sm3_after(self, state, *parts):
        self.counted += sum(map(len, parts))
        return OPENSSL.sm3_after(state, *parts)


def test_the_shared_begin_is_digested_no_more_once_two_files_had_it():
    library = Counting()
    digester = AlikeDigester(library)
    for number in range(5):
        data = BEGIN + b"%d" % number * 1000
        before = library.counted
        assert digester.digest(data, len(data), b"rest") == sm3(data + b"rest")
        assert library.counted - before == (len(data) + 4 if number < 2 else 1004)


def test_two_templates_that_share_a_little_are_told_apart():
    library = Counting()
    digester = AlikeDigester(library)
    for number in range(200):
        template = b"ab"[number // 4 % 2 : number // 4 % 2 + 1]
        data = BEGIN[:5000] + template * 20_000 + b"%03d" % number * 300
        before = library.counted
        assert digester.digest(data, len(data)) == sm3(data)
    assert library.counted - before < 1_000


def test_a_begin_longer_than_what_is_signed_is_not_used():
    digester = AlikeDigester(OPENSSL)
    for end in (len(BEGIN), len(BEGIN), len(BEGIN), 5000, 100, 0):
        assert digester.digest(BEGIN, end, BEGIN[end:]) == sm3(BEGIN)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(3000, 9000), st.binary(max_size=40)), max_size=40), st.data())
def test_the_digest_is_sm3_whatever_came_before(files, data):
    digester = AlikeDigester(OPENSSL)
    for byte, size, tail in files:
        whole = bytes([byte]) * size + tail
        end = data.draw(st.integers(0, len(whole)))
        assert digester.digest(whole, end, tail) == sm3(whole[:end], tail)


def test_threads_share_a_digester():
    digester, wrong = AlikeDigester(OPENSSL), []

    def work(seed: int) -> None:
        for number in range(200):
            data = BEGIN + bytes([seed]) * 6000 + b"%d" % number
            if digester.digest(data, len(data)) != sm3(data):
                wrong.append((seed, number))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("library", [OPENSSL, GMSSL], ids=lambda library: library.name)
def test_a_state_serves_many_digests(library):
    state = library.sm3_state(BEGIN[:300])
    for tail in (b"", b"a", BEGIN[:100]):
        assert library.sm3_after(state, tail) == sm3(BEGIN[:300] + tail)
    assert library.sm3_after(None, b"abc") == sm3(b"abc")


def test_z_is_that_of_the_standard():
    """GB/T 32918.5-2017, A.2: the key of the annex, the identity of GB/T 35276."""
    public = bytes.fromhex(
        "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
        "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
    )
    z = "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
    assert sm3(curve.identity_message(public)).hex() == z
    digest = "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
    assert sm3(bytes.fromhex(z), b"message digest").hex() == digest


def test_a_key_signs_in_every_thread_and_for_every_length_of_message():
    key, wrong = PrivateKey(b"\x21" * 32, backend=OPENSSL), []

    def work(seed: int) -> None:
        for size in (0, 1, 55, 56, 64, 1000):
            message = bytes([seed]) * size
            if not verify(key.public, message, key.sign(message), backend=OPENSSL):
                wrong.append((seed, size))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert verify(key.public, b"m", key.sign(b"m"), backend=GMSSL)
