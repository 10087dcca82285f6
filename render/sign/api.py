"""The two seams of signing: who holds the key, and which library does the arithmetic."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""Contiguous bytes; slices of a file are passed as memoryviews, so that nothing is copied."""


@runtime_checkable
class RawSigner(Protocol):
    """Holds one SM2 key, wherever it lives: a file, a token, a remote service.

    SM2 hashes an identity, the public key and then the message (GB/T 32918.2, 5.5), so a signer takes the
    message itself and never a bare digest of it.
    """

    @property
    def certificate_der(self) -> bytes:
        """Certificate of the key, DER."""
        ...

    @property
    def serial(self) -> str:
        """Serial number of the certificate, lower-case hex of whole octets."""
        ...

    def sign_raw(self, message: bytes) -> bytes:
        """Sign a message by SM2-with-SM3 with the identity 1234567812345678 (GB/T 35276).

        Returns:
            DER ``SEQUENCE {r INTEGER, s INTEGER}``.

        Raises:
            SigningError: and its subclasses, when the key cannot be reached or used.
        """
        ...


class MessageSigner(Protocol):
    """One private key, loaded into a library."""

    def __call__(self, message: BytesLike) -> bytes:
        """Return the DER signature of a message."""
        ...


class CryptoBackend(Protocol):
    """A library that knows SM2, SM3 and SM4. Keys, blocks and signatures have been checked before they come here."""

    @property
    def name(self) -> str:
        """Library and version, such as ``openssl 3.0.19``; receipts carry it."""
        ...

    def sm3(self, *parts: BytesLike) -> bytes:
        """Return the 32-byte SM3 digest of the parts, as if they were one."""
        ...

    def sm3_state(self, prefix: BytesLike) -> object:
        """Return what SM3 knows after a prefix, for ``sm3_after``; it never changes, and threads may share it."""
        ...

    def sm3_after(self, state: Any, *parts: BytesLike) -> bytes:  # noqa: ANN401 each library has its own
        """Return the 32-byte SM3 digest of the prefix and the parts, as if they were one; None = no prefix."""
        ...

    def sm2_public_key(self, private: bytes) -> bytes:
        """Return the 65-byte public point (04 ‖ x ‖ y) of a 32-byte private key."""
        ...

    def sm2_signer(self, private: bytes, public: bytes) -> MessageSigner:
        """Load a key pair for signing."""
        ...

    def sm2_verify(self, public: bytes, message: BytesLike, signature: bytes) -> bool:
        """Tell whether a DER signature belongs to the message and the 65-byte public point."""
        ...

    def sm4_cbc(self, key: bytes, iv: bytes, data: BytesLike, *, encrypt: bool) -> bytes:
        """Encrypt or decrypt by SM4-CBC with PKCS#7 padding.

        Raises:
            MalformedInput: the padding of a ciphertext is wrong.
        """
        ...

    def sm4_ctr(self, key: bytes, counter: bytes, data: BytesLike) -> bytes:
        """Encrypt or decrypt by SM4-CTR; ``counter`` is the first block, big-endian."""
        ...
