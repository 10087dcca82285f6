"""Signing identities: a key, its certificate and a passphrase, loaded from files, or made for testing."""

from __future__ import annotations

import os
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from asn1crypto import pem

from render.errors import KeyRejected, MalformedInput
from render.sign.certificate import MAX_CERTIFICATE_BYTES, Certificate, read_certificate, self_signed_certificate
from render.sign.keyfiles import (
    PUBLIC_FILE_MODE,
    SECRET_FILE_MODE,
    create_file,
    make_secret_folder,
    read_passphrase,
    read_public,
    read_secret,
)
from render.sign.passphrase import Passphrase
from render.sign.pkcs8 import ITERATIONS, MAX_KEY_FILE_BYTES, decrypt_private_key, encrypt_private_key
from render.sign.sm2 import PrivateKey, RandomBytes

__all__ = [
    "IdentityPaths",
    "KeyFileSigner",
    "Passphrase",
    "create_test_identity",
    "load_identity",
    "load_signer",
    "set_up_test_identity",
]

TEST_COMMON_NAME = "KAIPIAO TEST ONLY 测试证书 不具法律效力"
_VALIDITY = timedelta(days=3650)
_CLOCK_SLACK = timedelta(days=1)
_SERIAL_BYTES = 16
_PASSPHRASE_BYTES = 20


@dataclass(frozen=True, slots=True)
class IdentityPaths:
    """Where an identity lies: key (encrypted PKCS#8), certificate (PEM or DER) and passphrase (one line)."""

    key: Path
    certificate: Path
    passphrase: Path

    @classmethod
    def test_identity(cls, home: Path) -> IdentityPaths:
        """Return where ``set_up_test_identity`` keeps the test identity of a state folder."""
        folder = home / "test-identity"
        return cls(folder / "key.pem", folder / "certificate.pem", home / "test-identity.passphrase")


class KeyFileSigner:
    """A signer whose key came from a file; several threads may use it.

    Attributes:
        certificate_der: certificate of the key; ``serial``: its number in hex; ``subject``: its name, for people.
        backend_name: library and version that signs.
    """

    __slots__ = ("_key", "backend_name", "certificate_der", "serial", "subject")

    def __init__(self, key: PrivateKey, certificate: Certificate) -> None:
        if certificate.public_key != key.public:
            raise KeyRejected("key and certificate do not belong together.", hint="Point both at one identity.")
        self._key = key
        self.certificate_der = certificate.der
        self.serial = certificate.serial_hex
        self.subject = certificate.subject
        self.backend_name = key.backend_name

    def sign_raw(self, message: bytes) -> bytes:
        """Sign a message by SM2-with-SM3; see ``RawSigner``."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"KeyFileSigner(serial={self.serial!r}, subject={self.subject!r}, key=***)"


def load_signer(key_path: Path, certificate_path: Path, passphrase: Passphrase) -> KeyFileSigner:
    """Load a key and its certificate.

    Raises:
        KeyUnavailable: a file is missing or unreadable.
        KeyRejected: wrong passphrase, wrong curve, a key that others can read, or key and certificate differ.
    """
    stored = read_secret(key_path, MAX_KEY_FILE_BYTES, "key file")
    try:
        certificate = read_certificate(read_public(certificate_path, MAX_CERTIFICATE_BYTES, "certificate"))
    except MalformedInput as error:
        raise KeyRejected(f"{certificate_path.name}: {error}", hint="Use an X.509 v3 certificate.") from error
    return KeyFileSigner(decrypt_private_key(stored, passphrase), certificate)


def load_identity(paths: IdentityPaths) -> KeyFileSigner:
    """Load an identity whose passphrase lies in a file.

    Raises:
        KeyUnavailable, KeyRejected: as ``load_signer``.
    """
    return load_signer(paths.key, paths.certificate, read_passphrase(paths.passphrase))


def create_test_identity(
    folder: Path,
    *,
    passphrase: Passphrase,
    now: datetime,
    random_bytes: RandomBytes = os.urandom,
    iterations: int = ITERATIONS,
) -> KeyFileSigner:
    """Make a key and a self-signed certificate that says it is for tests, or load those that are there.

    The key is written first: an interrupted run leaves a key, for which the next run makes the certificate.

    Args:
        folder: made with mode 0700 where missing; gets ``key.pem`` (0600) and ``certificate.pem``.
        passphrase: encrypts the key, or opens the one that is there.
        now: with a time zone; the certificate is valid from a day before, for ten years.
        random_bytes: gives key, serial, salt and IV.
        iterations: of the key derivation.

    Raises:
        KeyUnavailable: the folder cannot be written.
        KeyRejected: an identity is there that this passphrase does not open.
    """
    if now.tzinfo is None:
        raise KeyRejected("the time of issue has no time zone.", hint="Pass a datetime with a time zone.")
    make_secret_folder(folder)
    key_path, certificate_path = folder / "key.pem", folder / "certificate.pem"
    if not key_path.exists():
        key = PrivateKey.generate(random_bytes)
        stored = encrypt_private_key(key, passphrase, random_bytes=random_bytes, iterations=iterations)
        create_file(key_path, stored, SECRET_FILE_MODE)
    if not certificate_path.exists():
        key = decrypt_private_key(read_secret(key_path, MAX_KEY_FILE_BYTES, "key file"), passphrase)
        issued = self_signed_certificate(
            key,
            TEST_COMMON_NAME,
            serial=_draw_serial(random_bytes),
            not_before=now - _CLOCK_SLACK,
            not_after=now + _VALIDITY,
        )
        create_file(certificate_path, pem.armor("CERTIFICATE", issued), PUBLIC_FILE_MODE)
    return load_signer(key_path, certificate_path, passphrase)


def set_up_test_identity(
    home: Path, *, now: datetime, random_bytes: RandomBytes = os.urandom, iterations: int = ITERATIONS
) -> IdentityPaths:
    """Make the test identity of a state folder with a drawn passphrase in a file of its own (0600), or keep it.

    Args:
        home: state folder, made with mode 0700 where missing.
        now: with a time zone.
        random_bytes: gives passphrase, key, serial, salt and IV.
        iterations: of the key derivation.

    Raises:
        KeyUnavailable: the folder cannot be written.
        KeyRejected: what is there does not fit together.
    """
    paths = IdentityPaths.test_identity(home)
    make_secret_folder(home)
    create_file(paths.passphrase, b32encode(random_bytes(_PASSPHRASE_BYTES)) + b"\n", SECRET_FILE_MODE)
    passphrase = read_passphrase(paths.passphrase)
    create_test_identity(
        paths.key.parent, passphrase=passphrase, now=now, random_bytes=random_bytes, iterations=iterations
    )
    return paths


def _draw_serial(random_bytes: RandomBytes) -> int:
    """Draw a positive serial number of at most 16 octets (RFC 5280, 4.1.2.2)."""
    return int.from_bytes(random_bytes(_SERIAL_BYTES), "big") >> 1 | 1
