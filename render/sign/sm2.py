"""SM2 signatures with SM3 (GB/T 32918.2, curve of GB/T 32918.5, identity of GB/T 35276)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from render.errors import KeyRejected, MalformedInput, SigningError
from render.sign.api import BytesLike, CryptoBackend
from render.sign.backend import load_backend
from render.sign.curve import PRIVATE_KEY_BYTES, check_private_key, check_public_key, decode_signature

RandomBytes = Callable[[int], bytes]

_MAX_DRAWS = 64


class PrivateKey:
    """An SM2 private key, ready to sign; many threads may share it.

    Args:
        private: 32 bytes, big-endian.
        backend: None = the one that ``auto`` chooses.

    Attributes:
        public: 65 bytes, 04 ‖ x ‖ y; ``backend_name``: library and version that signs.

    Raises:
        KeyRejected: the number is out of range.
    """

    __slots__ = ("_private", "_sign", "backend_name", "public")

    def __init__(self, private: bytes, *, backend: CryptoBackend | None = None) -> None:
        library = backend or load_backend()
        self._private = check_private_key(private)
        self.public = library.sm2_public_key(private)
        self.backend_name = library.name
        self._sign = library.sm2_signer(private, self.public)

    @classmethod
    def generate(cls, random_bytes: RandomBytes = os.urandom, *, backend: CryptoBackend | None = None) -> PrivateKey:
        """Make a key: draw 32 bytes until they lie in 1…n-2 (GB/T 32918.1, 6.1).

        Args:
            random_bytes: gives as many unpredictable bytes as asked for.
            backend: None = the one that ``auto`` chooses.

        Raises:
            SigningError: the source gives nothing usable.
        """
        for _ in range(_MAX_DRAWS):
            drawn = random_bytes(PRIVATE_KEY_BYTES)
            try:
                check_private_key(drawn)
            except KeyRejected:
                continue
            return cls(drawn, backend=backend)
        raise SigningError("the random source gave no usable private key.", hint="Check the random source.")

    def sign(self, message: BytesLike) -> bytes:
        """Return the DER signature of a message; two signatures of one message differ.

        Raises:
            SigningError: the library refused.
        """
        return self._sign(message)

    def reveal(self) -> bytes:
        """Return the 32 secret bytes, for encryption at rest and nothing else."""
        return self._private

    def __repr__(self) -> str:
        return "PrivateKey(***)"

    def __reduce__(self) -> NoReturn:
        raise SigningError("a private key is never pickled.", hint="Load it in the process that signs.")


def verify(public: bytes, message: BytesLike, signature: bytes, *, backend: CryptoBackend | None = None) -> bool:
    """Tell whether a signature belongs to a message and a public key; malformed signatures do not.

    Args:
        public: 65 bytes, 04 ‖ x ‖ y.
        message: what was signed, not its digest.
        signature: DER ``SEQUENCE {r, s}``.
        backend: None = the one that ``auto`` chooses.

    Raises:
        KeyRejected: the public key is not a point of the curve.
    """
    check_public_key(public)
    try:
        decode_signature(signature)
    except MalformedInput:
        return False
    return (backend or load_backend()).sm2_verify(public, message, bytes(signature))
