"""Private keys at rest: encrypted PKCS#8 (RFC 5958) by PBES2 with PBKDF2-HMAC-SHA256 and SM4-CBC (RFC 8018).

HMAC-SHA256, because OpenSSL 3.0 knows no HMAC-SM3 in PBKDF2, and a key must open with `openssl pkey`.
"""

from __future__ import annotations

import hashlib
import os

from asn1crypto import core, pem

from render.errors import KeyRejected, MalformedInput
from render.sign import der, oids, sm2, sm4
from render.sign.certificate import key_algorithm
from render.sign.curve import PRIVATE_KEY_BYTES
from render.sign.passphrase import Passphrase

ITERATIONS = 600_000
MAX_ITERATIONS = 10_000_000
MAX_KEY_FILE_BYTES = 16_384
_SALT_BYTES = 16
_ENCRYPTED = "ENCRYPTED PRIVATE KEY"
_HOW_TO_ENCRYPT = "Encrypt it: openssl pkcs8 -topk8 -v2 sm4-cbc -v2prf hmacWithSHA256 -in KEY -out NEW."


def encrypt_private_key(
    key: sm2.PrivateKey,
    passphrase: Passphrase,
    *,
    random_bytes: sm2.RandomBytes = os.urandom,
    iterations: int = ITERATIONS,
) -> bytes:
    """Return a private key as an encrypted PKCS#8 PEM file.

    Args:
        key: to be encrypted.
        passphrase: that will open it.
        random_bytes: gives salt and IV.
        iterations: of PBKDF2.
    """
    ec_key = der.sequence(der.integer(1), der.octet_string(key.reveal()), der.explicit(1, der.bit_string(key.public)))
    plain = der.sequence(der.integer(0), key_algorithm(), der.octet_string(ec_key))
    salt, iv = random_bytes(_SALT_BYTES), random_bytes(sm4.BLOCK_BYTES)
    secret = sm4.sm4_cbc_encrypt(_derive(passphrase, salt, iterations), iv, plain)
    derivation = der.sequence(der.octet_string(salt), der.integer(iterations), _prf())
    scheme = der.sequence(
        der.oid(oids.PBES2),
        der.sequence(
            der.sequence(der.oid(oids.PBKDF2), derivation),
            der.sequence(der.oid(oids.SM4_CBC), der.octet_string(iv)),
        ),
    )
    armoured: bytes = pem.armor(_ENCRYPTED, der.sequence(scheme, der.octet_string(secret)))
    return armoured


def decrypt_private_key(data: bytes, passphrase: Passphrase) -> sm2.PrivateKey:
    """Read a private key from an encrypted PKCS#8 file, PEM or DER.

    Raises:
        KeyRejected: wrong passphrase, not encrypted, another scheme, or not an SM2 key.
    """
    if len(data) > MAX_KEY_FILE_BYTES:
        raise KeyRejected(f"a key file has at most {MAX_KEY_FILE_BYTES} bytes, not {len(data)}.")
    try:
        octets = _unarmor(data)
        der.check_canonical(octets)
        salt, iterations, iv, secret = _read_encrypted(octets)
    except (MalformedInput, ValueError, TypeError) as error:
        raise KeyRejected("the key file is not encrypted PKCS#8 by PBES2.", hint=_HOW_TO_ENCRYPT) from error
    try:
        plain = sm4.sm4_cbc_decrypt(_derive(passphrase, salt, iterations), iv, secret)
        der.check_canonical(plain)
        private, public = _read_plain(plain)
    except (MalformedInput, ValueError):
        # The cause is left out on purpose: it would tell about the plaintext.
        raise KeyRejected("the passphrase does not open the key.", hint="Check the passphrase file.") from None
    key = sm2.PrivateKey(private)
    if public is not None and public != key.public:
        raise KeyRejected("the key file holds a public key of another private key.", hint="Restore the key file.")
    return key


def _unarmor(data: bytes) -> bytes:
    if not pem.detect(data):
        return data
    kind, _headers, octets = pem.unarmor(data)
    if kind != _ENCRYPTED:
        raise KeyRejected(f"the key file holds {kind}, which is not encrypted PKCS#8.", hint=_HOW_TO_ENCRYPT)
    return bytes(octets)


def _read_encrypted(octets: bytes) -> tuple[bytes, int, bytes, bytes]:
    """Return salt, iterations, IV and ciphertext."""
    scheme, secret = der.read_only(octets, der.SEQUENCE)
    name, parameters = der.read_only(scheme.raw, der.SEQUENCE)
    derivation, cipher = der.read_only(parameters.raw, der.SEQUENCE)
    derivation_name, derivation_parameters = der.read_only(derivation.raw, der.SEQUENCE)
    cipher_name, iv = der.read_only(cipher.raw, der.SEQUENCE)
    salt, count, *rest = der.read_only(derivation_parameters.raw, der.SEQUENCE)
    if rest and rest[0].raw == der.integer(sm4.KEY_BYTES):
        rest = rest[1:]
    named = (name.raw, derivation_name.raw, cipher_name.raw, *(element.raw for element in rest))
    wanted = (der.oid(oids.PBES2), der.oid(oids.PBKDF2), der.oid(oids.SM4_CBC), _prf())
    if named != wanted:
        raise KeyRejected("the key file is encrypted by another scheme than ours.", hint=_HOW_TO_ENCRYPT)
    iterations = der.read_unsigned(count)
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise KeyRejected(f"the key file asks for {iterations} iterations; 1 to {MAX_ITERATIONS} are accepted.")
    return _octets(salt), iterations, _octets(iv), _octets(secret)


def _read_plain(plain: bytes) -> tuple[bytes, bytes | None]:
    """Return the private number, and the public point where the file states it."""
    version, algorithm, wrapped, *_ = der.read_only(plain, der.SEQUENCE)
    if version.raw != der.integer(0) or wrapped.tag != der.OCTET_STRING:
        raise MalformedInput("not PKCS#8.")
    if algorithm.raw != key_algorithm():
        raise KeyRejected(f"the key is for {_name(algorithm)}, not for SM2.", hint="Use a key made for SM2.")
    der.check_canonical(wrapped.content)
    ec_version, private, *rest = der.read_only(wrapped.content, der.SEQUENCE)
    if ec_version.raw != der.integer(1) or private.tag != der.OCTET_STRING or len(private.content) != PRIVATE_KEY_BYTES:
        raise MalformedInput("not an EC private key.")
    if rest and rest[0].raw == der.explicit(0, der.oid(oids.SM2_CURVE)):
        rest = rest[1:]
    if not rest:
        return private.content, None
    public = rest[0].content[3:]
    if len(rest) != 1 or rest[0].raw != der.explicit(1, der.bit_string(public)):
        raise MalformedInput("not an EC private key.")
    return private.content, public


def _name(algorithm: der.Element) -> str:
    kinds = [element for element in der.read_all(algorithm.content) if element.tag == der.OID]
    return ", ".join(oids.describe(core.ObjectIdentifier.load(kind.raw).dotted) for kind in kinds)


def _octets(element: der.Element) -> bytes:
    if element.tag != der.OCTET_STRING:
        raise MalformedInput("no OCTET STRING where one must be.")
    return element.content


def _prf() -> bytes:
    return der.sequence(der.oid(oids.HMAC_SHA256), der.NULL_DER)


def _derive(passphrase: Passphrase, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.reveal(), salt, iterations, sm4.KEY_BYTES)
