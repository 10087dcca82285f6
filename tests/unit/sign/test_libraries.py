"""SM2, SM3 and SM4 against the examples of the standards, in each library."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

from render.errors import BackendUnavailable, ConfigError, KeyRejected, MalformedInput, SigningError
from render.sign import backend as backends
from render.sign import curve, sm2
from render.sign.backend import BACKEND_NAMES, check_known_answers, load_backend, probe_backends
from render.sign.libcrypto import LibCrypto
from render.sign.sm3 import sm3, sm3_hex
from render.sign.sm4 import sm4_cbc_decrypt, sm4_cbc_encrypt, sm4_ctr

# GB/T 32918.5-2017, annex A.2
ANNEX_PRIVATE = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
ANNEX_PUBLIC = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
ANNEX_R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
ANNEX_S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA
ANNEX_MESSAGE = b"message digest"

# GB/T 32907-2016, annex A
SM4_KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
SM4_CIPHERTEXT = bytes.fromhex("681edf34d206965e86b3e94f536e4246")


@pytest.fixture(params=BACKEND_NAMES)
def library(request):
    return load_backend(request.param)


def test_sm3_gives_the_examples_of_the_standard(library):
    # GB/T 32905-2016, annex A
    abc = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    abcd_times_16 = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    assert sm3_hex(b"abc", backend=library) == abc
    assert sm3_hex(b"abcd" * 16, backend=library) == abcd_times_16


def test_sm3_of_slices_is_that_of_the_whole(library):
    data = bytes(range(256)) * 2
    view = memoryview(data)
    whole = sm3(data, backend=library)
    assert sm3(view[:100], view[100:100], view[100:300], view[300:], backend=library) == whole
    assert sm3(bytearray(data), backend=library) == whole
    assert sm3(backend=library) == sm3(b"", backend=library) != whole


def test_the_annex_signature_verifies(library):
    signature = curve.encode_signature(ANNEX_R, ANNEX_S)
    assert sm2.verify(ANNEX_PUBLIC, ANNEX_MESSAGE, signature, backend=library)
    assert not sm2.verify(ANNEX_PUBLIC, b"message digesT", signature, backend=library)


def test_the_annex_key_pair_belongs_together(library):
    assert sm2.PrivateKey(ANNEX_PRIVATE, backend=library).public == ANNEX_PUBLIC


def test_gmssl_reproduces_the_annex_signature_from_its_nonce():
    from gmssl import sm2 as gmssl_sm2

    machine = gmssl_sm2.CryptSM2(private_key=ANNEX_PRIVATE.hex(), public_key="")
    machine.public_key = ANNEX_PUBLIC[1:].hex()
    nonce = "59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21"
    assert machine.sign_with_sm3(ANNEX_MESSAGE, nonce) == f"{ANNEX_R:064x}{ANNEX_S:064x}"


def test_sm4_gives_the_example_of_the_standard(library):
    # One block in CTR mode encrypts the counter itself, if the data are zeros.
    assert sm4_ctr(SM4_KEY, SM4_KEY, bytes(16), backend=library) == SM4_CIPHERTEXT
    assert sm4_cbc_encrypt(SM4_KEY, bytes(16), SM4_KEY, backend=library)[:16] == SM4_CIPHERTEXT


def test_sm4_ctr_counts_over_the_end_of_the_counter(library):
    from_the_end = sm4_ctr(SM4_KEY, b"\xff" * 16, bytes(40), backend=library)
    assert from_the_end[16:] == sm4_ctr(SM4_KEY, bytes(16), bytes(24), backend=library)


@pytest.mark.parametrize("broken", [b"", bytes(15), bytes(16), bytes(17), bytes(48)])
def test_a_broken_sm4_ciphertext_is_refused(library, broken):
    with pytest.raises(MalformedInput):
        sm4_cbc_decrypt(SM4_KEY, bytes(16), broken, backend=library)


def test_sm4_keys_and_blocks_of_other_lengths_are_refused(library):
    with pytest.raises(KeyRejected):
        sm4_ctr(SM4_KEY[:15], bytes(16), b"", backend=library)
    with pytest.raises(MalformedInput):
        sm4_cbc_encrypt(SM4_KEY, bytes(15), b"", backend=library)


def malformed_signatures() -> dict[str, bytes]:
    good = curve.encode_signature(ANNEX_R, ANNEX_S)
    return {
        "empty": b"",
        "huge": b"\x30\x84\x7f\xff\xff\xff" + bytes(1 << 16),
        "zeros": bytes(72),
        "cut": good[:-1],
        "trailing": good + b"\x00",
        "raw r and s": good[5:37] + good[40:],
        "zero r": curve.encode_signature(0, ANNEX_S),
        "zero s": curve.encode_signature(ANNEX_R, 0),
        "order as r": curve.encode_signature(curve.N, ANNEX_S),
        "r above the order": curve.encode_signature(ANNEX_R + curve.N, ANNEX_S),
        "negative s": b"\x30\x26" + good[3:38] + b"\x02\x01\xff",
        "padded integer": b"\x30\x47" + b"\x02\x22\x00" + good[5:],
        "long length": b"\x30\x81\x46" + good[2:],
        "three integers": b"\x30\x49" + good[2:] + b"\x02\x01\x01",
        "octet string": b"\x04" + good[1:],
    }


@pytest.mark.parametrize("name", malformed_signatures())
def test_a_malformed_signature_is_no_signature(library, name):
    signature = malformed_signatures()[name]
    assert sm2.verify(ANNEX_PUBLIC, ANNEX_MESSAGE, signature, backend=library) is False
    # The libraries behind our check must also live through it.
    assert library.sm2_verify(ANNEX_PUBLIC, ANNEX_MESSAGE, signature) is False


@pytest.mark.parametrize(
    "public",
    [b"", ANNEX_PUBLIC[1:], b"\x02" + ANNEX_PUBLIC[1:33], bytes(65), b"\x04" + bytes(64),
     ANNEX_PUBLIC[:-1] + b"\x14", b"\x04" + b"\xff" * 64, b"\x06" + ANNEX_PUBLIC[1:]],
)  # fmt: skip
def test_a_key_off_the_curve_is_refused(library, public):
    signature = curve.encode_signature(ANNEX_R, ANNEX_S)
    with pytest.raises(KeyRejected):
        sm2.verify(public, ANNEX_MESSAGE, signature, backend=library)
    if len(public) == curve.PUBLIC_KEY_BYTES:
        with pytest.raises(KeyRejected):
            library.sm2_verify(public, ANNEX_MESSAGE, signature)


@pytest.mark.parametrize("number", [0, curve.N - 1, curve.N, 2**256 - 1])
def test_a_private_key_out_of_range_is_refused(library, number):
    with pytest.raises(KeyRejected):
        sm2.PrivateKey(number.to_bytes(32, "big"), backend=library)


def test_a_public_key_that_begins_like_its_prefix_survives_gmssl():
    # gmssl's own constructor would strip leading zeros and fours of x.
    library = load_backend("openssl")
    found = (sm2.PrivateKey(number.to_bytes(32, "big"), backend=library) for number in range(1, 2000))
    key = next(key for key in found if key.public[1] in (0x04, 0x40, 0x44, 0x00))
    signature = key.sign(b"message")
    assert sm2.verify(key.public, b"message", signature, backend=load_backend("gmssl"))


def test_two_signatures_of_one_message_differ(library):
    key = sm2.PrivateKey(ANNEX_PRIVATE, backend=library)
    assert key.sign(b"message") != key.sign(b"message")


def test_a_private_key_neither_shows_nor_pickles_itself(library):
    key = sm2.PrivateKey(ANNEX_PRIVATE, backend=library)
    assert "3945208f" not in f"{key!r} {key} {key._sign!r}"
    with pytest.raises(SigningError):
        pickle.dumps(key)
    with pytest.raises(SigningError):
        copy.deepcopy(key)


def test_a_random_source_that_gives_only_zeros_is_refused():
    with pytest.raises(SigningError):
        sm2.PrivateKey.generate(bytes)


def test_a_key_comes_from_the_injected_random_source():
    drawn = iter([bytes(32), b"\xff" * 32, ANNEX_PRIVATE])
    assert sm2.PrivateKey.generate(lambda _: next(drawn)).public == ANNEX_PUBLIC


def test_many_threads_share_one_key_and_one_library():
    key = sm2.PrivateKey(ANNEX_PRIVATE, backend=load_backend("openssl"))
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(20):
            message = f"{number} {turn}".encode()
            if not sm2.verify(key.public, message, key.sign(message)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_failed_verification_leaves_nothing_in_the_error_queue():
    library = LibCrypto()
    for signature in (b"", bytes(72), curve.encode_signature(1, 1), b"\x30\x03\x02\x01"):
        assert not library.sm2_verify(ANNEX_PUBLIC, ANNEX_MESSAGE, signature)
        assert library._lib.ERR_get_error() == 0
    with pytest.raises(KeyRejected):
        library.sm2_verify(b"\x04" + bytes(64), ANNEX_MESSAGE, b"")
    assert library._lib.ERR_get_error() == 0


def test_the_backend_names_library_and_version():
    openssl, gmssl = probe_backends()
    assert openssl.name.startswith("openssl 3.")
    assert gmssl.name == "gmssl 3.2.2"
    assert openssl.problem == gmssl.problem == ""
    assert load_backend() is load_backend("auto")
    assert load_backend().name == openssl.name


def test_an_unknown_backend_is_a_configuration_error():
    with pytest.raises(ConfigError, match="auto, openssl, gmssl"):
        load_backend("tongsuo")


@pytest.mark.parametrize("path", ["/nonexistent/libcrypto.so.3", "libc.so.6"])
def test_a_missing_or_foreign_libcrypto_is_named(path):
    with pytest.raises(BackendUnavailable, match="no usable libcrypto"):
        LibCrypto(path)


def test_auto_falls_back_to_gmssl_and_says_why(monkeypatch, caplog):
    def absent() -> LibCrypto:
        raise BackendUnavailable("libcrypto is not here.")

    monkeypatch.setattr(backends, "_loaded", {})
    monkeypatch.setattr(backends, "LibCrypto", absent)
    assert load_backend("auto").name == "gmssl 3.2.2"
    assert "libcrypto is not here" in caplog.text
    with pytest.raises(BackendUnavailable):
        load_backend("openssl")
    assert probe_backends()[0].problem == "libcrypto is not here."


def test_a_library_that_computes_something_else_is_not_used():
    class Wrong(LibCrypto):
        def sm2_verify(self, public, message, signature):
            return True

    with pytest.raises(BackendUnavailable, match=r"GB/T 32918\.5"):
        check_known_answers(Wrong())
