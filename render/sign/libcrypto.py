"""SM2, SM3 and SM4 by the system's libcrypto (OpenSSL 3), through cffi in ABI mode: nothing to compile.

Calls drop the interpreter lock. Algorithms are fetched once; what threads share is immutable, and contexts belong to
a call or, where a key signs, to a thread. Each failure is read from OpenSSL's queue, the queue is emptied, and an
error of ours is raised.
"""

from __future__ import annotations

import ctypes.util
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import cffi

from render.errors import BackendUnavailable, KeyRejected, MalformedInput, SigningError
from render.sign.api import BytesLike
from render.sign.curve import DEFAULT_ID, MAX_SIGNATURE_BYTES, PUBLIC_KEY_BYTES, identity_message

_FUNCTIONS = """
unsigned long OpenSSL_version_num(void);
const char *OpenSSL_version(int);
unsigned long ERR_get_error(void);
void ERR_error_string_n(unsigned long, char *, size_t);

EVP_MD *EVP_MD_fetch(void *, const char *, const char *);
EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *);
void EVP_MD_CTX_set_pkey_ctx(EVP_MD_CTX *, EVP_PKEY_CTX *);
int EVP_DigestInit_ex(EVP_MD_CTX *, const EVP_MD *, void *);
int EVP_MD_CTX_copy_ex(EVP_MD_CTX *, const EVP_MD_CTX *);
int EVP_DigestUpdate(EVP_MD_CTX *, const void *, size_t);
int EVP_DigestFinal_ex(EVP_MD_CTX *, unsigned char *, unsigned int *);
int EVP_DigestVerifyInit(EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *, void *, EVP_PKEY *);
int EVP_DigestVerify(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);

EVP_PKEY_CTX *EVP_PKEY_CTX_new(EVP_PKEY *, void *);
EVP_PKEY_CTX *EVP_PKEY_CTX_new_from_name(void *, const char *, const char *);
void EVP_PKEY_CTX_free(EVP_PKEY_CTX *);
int EVP_PKEY_CTX_set1_id(EVP_PKEY_CTX *, const void *, int);
int EVP_PKEY_sign_init(EVP_PKEY_CTX *);
int EVP_PKEY_sign(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t);
int EVP_PKEY_fromdata_init(EVP_PKEY_CTX *);
int EVP_PKEY_fromdata(EVP_PKEY_CTX *, EVP_PKEY **, int, OSSL_PARAM *);
void EVP_PKEY_free(EVP_PKEY *);

int OBJ_sn2nid(const char *);
EC_GROUP *EC_GROUP_new_by_curve_name(int);
void EC_GROUP_free(EC_GROUP *);
EC_POINT *EC_POINT_new(const EC_GROUP *);
void EC_POINT_clear_free(EC_POINT *);
int EC_POINT_mul(const EC_GROUP *, EC_POINT *, const BIGNUM *, const EC_POINT *, const BIGNUM *, void *);
size_t EC_POINT_point2oct(const EC_GROUP *, const EC_POINT *, int, unsigned char *, size_t, void *);
BIGNUM *BN_bin2bn(const unsigned char *, int, BIGNUM *);
void BN_clear_free(BIGNUM *);

EVP_CIPHER *EVP_CIPHER_fetch(void *, const char *, const char *);
EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *);
int EVP_CipherInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, void *, const unsigned char *, const unsigned char *, int);
int EVP_CipherUpdate(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);
int EVP_CipherFinal_ex(EVP_CIPHER_CTX *, unsigned char *, int *);
"""
_TYPES = """
typedef struct evp_md EVP_MD;
typedef struct evp_md_ctx EVP_MD_CTX;
typedef struct evp_pkey EVP_PKEY;
typedef struct evp_pkey_ctx EVP_PKEY_CTX;
typedef struct evp_cipher EVP_CIPHER;
typedef struct evp_cipher_ctx EVP_CIPHER_CTX;
typedef struct ec_group EC_GROUP;
typedef struct ec_point EC_POINT;
typedef struct bignum BIGNUM;
typedef struct {
    const char *key; unsigned int data_type; void *data; size_t data_size; size_t return_size;
} OSSL_PARAM;
"""

_FIRST_VERSION = 0x30000000
_LIBRARY_NAMES = ("libcrypto.so.3", "libcrypto.3.dylib")
_UNSIGNED_INTEGER, _UTF8_STRING, _OCTET_STRING = 2, 4, 5
_SELECT_PUBLIC_KEY, _SELECT_KEY_PAIR = 0x86, 0x87
_UNCOMPRESSED = 4
_BLOCK_BYTES = 16
_DIGEST_BYTES = 32
_CHUNK_BYTES = 1 << 30
_ERROR_TEXT_BYTES = 256

_ffi: Any = cffi.FFI()
_ffi.cdef(_TYPES + _FUNCTIONS)


def _function_names() -> list[str]:
    return [line.split("(")[0].split()[-1].lstrip("*") for line in _FUNCTIONS.splitlines() if line]


def _candidates() -> Iterator[str]:
    yield from _LIBRARY_NAMES
    # Asked last: it starts compilers and ldconfig to find out.
    found = ctypes.util.find_library("crypto")
    if found:
        yield found


def _open_library(path: str | None) -> Any:  # noqa: ANN401 cffi libraries have no static type
    reasons = []
    for name in (path,) if path else _candidates():
        try:
            library = _ffi.dlopen(name)
            for function in _function_names():
                getattr(library, function)
        except (OSError, AttributeError) as error:
            reasons.append(f"{name}: {error}")
            continue
        if library.OpenSSL_version_num() >= _FIRST_VERSION:
            return library
        reasons.append(f"{name}: older than OpenSSL 3")
    raise BackendUnavailable(
        f"no usable libcrypto ({'; '.join(reasons)}).",
        hint="Install OpenSSL 3 (Debian: libssl3), or choose the gmssl backend.",
    )


class LibCrypto:
    """The ``openssl`` backend.

    Args:
        path: library file; None = the system's.

    Raises:
        BackendUnavailable: no libcrypto 3, or one built without SM2, SM3 or SM4.
    """

    def __init__(self, path: str | None = None) -> None:
        self._lib = _open_library(path)
        self.name = _ffi.string(self._lib.OpenSSL_version(0)).decode("ascii", "replace").lower()
        self.name = " ".join(self.name.split()[:2])
        self._sm3 = self._lib.EVP_MD_fetch(_ffi.NULL, b"SM3", _ffi.NULL)
        self._cbc = self._lib.EVP_CIPHER_fetch(_ffi.NULL, b"SM4-CBC", _ffi.NULL)
        self._ctr = self._lib.EVP_CIPHER_fetch(_ffi.NULL, b"SM4-CTR", _ffi.NULL)
        self._curve = self._lib.EC_GROUP_new_by_curve_name(self._lib.OBJ_sn2nid(b"SM2"))
        if _ffi.NULL in (self._sm3, self._cbc, self._ctr, self._curve):
            raise BackendUnavailable(
                f"{self.name} was built without SM2, SM3 or SM4: {self._drain_errors()}.",
                hint="Use the distribution's OpenSSL, or choose the gmssl backend.",
            )
        self._curve = _ffi.gc(self._curve, self._lib.EC_GROUP_free)

    def sm3(self, *parts: BytesLike) -> bytes:
        """Return the 32-byte SM3 digest of the parts, as if they were one; nothing is copied.

        Raises:
            SigningError: the library refused.
        """
        return self.sm3_after(None, *parts)

    def sm3_state(self, prefix: BytesLike) -> Any:  # noqa: ANN401 a context of cffi
        """Return what SM3 knows after a prefix; it is only ever copied.

        Raises:
            SigningError: the library refused.
        """
        context = _ffi.gc(self._lib.EVP_MD_CTX_new(), self._lib.EVP_MD_CTX_free)
        self._begin_sm3(context, None)
        self._update_sm3(context, (prefix,))
        return context

    def sm3_after(self, state: Any, *parts: BytesLike) -> bytes:  # noqa: ANN401
        """Return the 32-byte SM3 digest of what led to a state, and the parts.

        Raises:
            SigningError: the library refused.
        """
        lib = self._lib
        context = lib.EVP_MD_CTX_new()
        try:
            self._begin_sm3(context, state)
            self._update_sm3(context, parts)
            digest = _ffi.new("unsigned char[]", _DIGEST_BYTES)
            self._need(lib.EVP_DigestFinal_ex(context, digest, _ffi.NULL) == 1, "SM3")
            return bytes(_ffi.buffer(digest))
        finally:
            lib.EVP_MD_CTX_free(context)

    def _begin_sm3(self, context: Any, state: Any) -> None:  # noqa: ANN401
        lib = self._lib
        self._need(context != _ffi.NULL, "SM3")
        if state is None:
            self._need(lib.EVP_DigestInit_ex(context, self._sm3, _ffi.NULL) == 1, "SM3")
        else:
            self._need(lib.EVP_MD_CTX_copy_ex(context, state) == 1, "SM3")

    def _update_sm3(self, context: Any, parts: Iterable[BytesLike]) -> None:  # noqa: ANN401
        for part in parts:
            with _octets(part) as octets:
                self._need(self._lib.EVP_DigestUpdate(context, octets, len(octets)) == 1, "SM3")

    def sm2_public_key(self, private: bytes) -> bytes:
        """Return the 65-byte public point of a 32-byte private key.

        Raises:
            KeyRejected: the number has no public point.
        """
        lib = self._lib
        point = lib.EC_POINT_new(self._curve)
        number = lib.BN_bin2bn(private, len(private), _ffi.NULL)
        try:
            octets = _ffi.new("unsigned char[]", PUBLIC_KEY_BYTES)
            made = (
                _ffi.NULL not in (point, number)
                and lib.EC_POINT_mul(self._curve, point, number, _ffi.NULL, _ffi.NULL, _ffi.NULL) == 1
                and lib.EC_POINT_point2oct(self._curve, point, _UNCOMPRESSED, octets, PUBLIC_KEY_BYTES, _ffi.NULL)
                == PUBLIC_KEY_BYTES
            )
            if not made:
                raise KeyRejected(f"no public key belongs to this private key: {self._drain_errors()}.")
            return bytes(_ffi.buffer(octets))
        finally:
            lib.BN_clear_free(number)
            lib.EC_POINT_clear_free(point)

    def sm2_signer(self, private: bytes, public: bytes) -> _KeyPair:
        """Load a key pair for signing.

        Raises:
            KeyRejected: not a key of the SM2 curve.
        """
        identity = self.sm3_state(self.sm3(identity_message(public)))
        return _KeyPair(self, self._import_key(public, private), identity)

    def sm2_context(self, key: Any) -> Any:  # noqa: ANN401 an EVP_PKEY pointer of cffi
        """Return a context that signs digests with an imported key pair, one after the other; use ``sm2_signer``.

        Raises:
            SigningError: the library refused.
        """
        lib = self._lib
        context = lib.EVP_PKEY_CTX_new(key, _ffi.NULL)
        self._need(context != _ffi.NULL, "SM2 signing")
        context = _ffi.gc(context, lib.EVP_PKEY_CTX_free)
        self._need(lib.EVP_PKEY_sign_init(context) == 1, "SM2 signing")
        return context

    def sm2_sign_digest(self, context: Any, digest: bytes) -> bytes:  # noqa: ANN401
        """Sign the digest of Z and a message; use ``sm2_signer``.

        Raises:
            SigningError: the library refused.
        """
        signature = _ffi.new("unsigned char[]", MAX_SIGNATURE_BYTES)
        size = _ffi.new("size_t *", MAX_SIGNATURE_BYTES)
        signed = self._lib.EVP_PKEY_sign(context, signature, size, digest, len(digest)) == 1
        self._need(signed, "SM2 signing")
        return bytes(_ffi.buffer(signature, size[0]))

    def sm2_verify(self, public: bytes, message: BytesLike, signature: bytes) -> bool:
        """Tell whether a DER signature belongs to the message and the public point.

        Raises:
            KeyRejected: the public key is not a point of the curve.
            SigningError: the library refused to begin.
        """
        lib = self._lib
        key = self._import_key(public)
        with self._sm2_context(key) as context, _octets(message) as octets:
            self._need(lib.EVP_DigestVerifyInit(context, _ffi.NULL, self._sm3, _ffi.NULL, key) == 1, "SM2 verifying")
            is_valid = bool(lib.EVP_DigestVerify(context, signature, len(signature), octets, len(octets)) == 1)
        if not is_valid:
            self._drain_errors()
        return is_valid

    def sm4_cbc(self, key: bytes, iv: bytes, data: BytesLike, *, encrypt: bool) -> bytes:
        """Encrypt or decrypt by SM4-CBC with PKCS#7 padding.

        Raises:
            MalformedInput: the padding of a ciphertext is wrong.
        """
        return self._sm4(self._cbc, key, iv, data, encrypt=encrypt)

    def sm4_ctr(self, key: bytes, counter: bytes, data: BytesLike) -> bytes:
        """Encrypt or decrypt by SM4-CTR.

        Raises:
            SigningError: the library refused.
        """
        return self._sm4(self._ctr, key, counter, data, encrypt=True)

    def _sm4(self, cipher: Any, key: bytes, iv: bytes, data: BytesLike, *, encrypt: bool) -> bytes:  # noqa: ANN401
        lib = self._lib
        context = lib.EVP_CIPHER_CTX_new()
        try:
            begun = context != _ffi.NULL and lib.EVP_CipherInit_ex(context, cipher, _ffi.NULL, key, iv, encrypt) == 1
            self._need(begun, "SM4")
            output = _ffi.new("unsigned char[]", len(data) + 2 * _BLOCK_BYTES)
            written, size = 0, _ffi.new("int *")
            with _octets(data) as octets:
                for start in range(0, len(octets), _CHUNK_BYTES):
                    count = min(_CHUNK_BYTES, len(octets) - start)
                    done = lib.EVP_CipherUpdate(context, output + written, size, octets + start, count) == 1
                    self._need(done, "SM4")
                    written += size[0]
            if lib.EVP_CipherFinal_ex(context, output + written, size) != 1:
                self._drain_errors()
                raise MalformedInput("the SM4 ciphertext has a wrong padding.", hint="Check key and ciphertext.")
            return bytes(_ffi.buffer(output, written + size[0]))
        finally:
            lib.EVP_CIPHER_CTX_free(context)

    def _import_key(self, public: bytes, private: bytes | None = None) -> Any:  # noqa: ANN401
        lib = self._lib
        group, point = _ffi.new("char[]", b"SM2"), _ffi.new("unsigned char[]", public)
        # OSSL_PARAM numbers are in the machine's own byte order.
        number = _ffi.new("unsigned char[]", private[:: -1 if sys.byteorder == "little" else 1] if private else b"")
        names = [_ffi.new("char[]", name) for name in (b"group", b"pub", b"priv")]
        parameters = _ffi.new("OSSL_PARAM[4]")
        _fill(parameters[0], names[0], _UTF8_STRING, group, 3)
        _fill(parameters[1], names[1], _OCTET_STRING, point, len(public))
        if private:
            _fill(parameters[2], names[2], _UNSIGNED_INTEGER, number, len(private))
        context = lib.EVP_PKEY_CTX_new_from_name(_ffi.NULL, b"SM2", _ffi.NULL)
        try:
            key = _ffi.new("EVP_PKEY **")
            selection = _SELECT_KEY_PAIR if private else _SELECT_PUBLIC_KEY
            made = (
                context != _ffi.NULL
                and lib.EVP_PKEY_fromdata_init(context) == 1
                and lib.EVP_PKEY_fromdata(context, key, selection, parameters) == 1
            )
            if not made:
                raise KeyRejected(
                    f"not a key of the SM2 curve: {self._drain_errors()}.", hint="Use a key made for SM2."
                )
            return _ffi.gc(key[0], lib.EVP_PKEY_free)
        finally:
            lib.EVP_PKEY_CTX_free(context)
            _ffi.memmove(number, bytes(len(number)), len(number))

    @contextmanager
    def _sm2_context(self, key: Any) -> Iterator[Any]:  # noqa: ANN401
        lib = self._lib
        key_context = lib.EVP_PKEY_CTX_new(key, _ffi.NULL)
        context = lib.EVP_MD_CTX_new()
        try:
            self._need(_ffi.NULL not in (key_context, context), "SM2")
            lib.EVP_MD_CTX_set_pkey_ctx(context, key_context)
            self._need(lib.EVP_PKEY_CTX_set1_id(key_context, DEFAULT_ID, len(DEFAULT_ID)) == 1, "SM2")
            yield context
        finally:
            lib.EVP_MD_CTX_free(context)
            lib.EVP_PKEY_CTX_free(key_context)

    def _need(self, done: bool, what: str) -> None:  # noqa: FBT001 the outcome of a C call
        if not done:
            raise SigningError(f"{what} failed in {self.name}: {self._drain_errors()}.", hint="Check the library.")

    def _drain_errors(self) -> str:
        """Empty this thread's error queue and return its first entry."""
        first, text = "no reason given", _ffi.new("char[]", _ERROR_TEXT_BYTES)
        number, is_first = self._lib.ERR_get_error(), True
        while number:
            if is_first:
                self._lib.ERR_error_string_n(number, text, _ERROR_TEXT_BYTES)
                first, is_first = _ffi.string(text).decode("ascii", "replace"), False
            number = self._lib.ERR_get_error()
        return first


class _KeyPair:
    """A private key inside libcrypto; says nothing about itself.

    The digest of Z and the message is made here, since libcrypto would digest the identity anew for every signature;
    and each thread keeps its context.
    """

    __slots__ = ("_backend", "_identity", "_kept", "_key")

    def __init__(self, backend: LibCrypto, key: Any, identity: Any) -> None:  # noqa: ANN401
        self._backend, self._key, self._identity = backend, key, identity
        self._kept = threading.local()

    def __call__(self, message: BytesLike) -> bytes:
        context = getattr(self._kept, "context", None)
        if context is None:
            context = self._kept.context = self._backend.sm2_context(self._key)
        return self._backend.sm2_sign_digest(context, self._backend.sm3_after(self._identity, message))

    def __repr__(self) -> str:
        return "<SM2 key in libcrypto>"


def _fill(parameter: Any, name: Any, kind: int, data: Any, size: int) -> None:  # noqa: ANN401
    parameter.key, parameter.data_type, parameter.data, parameter.data_size = name, kind, data, size


def _octets(data: BytesLike) -> Any:  # noqa: ANN401
    return _ffi.from_buffer("unsigned char[]", data)
