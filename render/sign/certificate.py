"""X.509 v3 certificates with SM2 keys (RFC 5280, GB/T 20518): writing self-signed ones, reading any."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asn1crypto import pem, x509

from render.errors import KeyRejected, MalformedInput
from render.sign import der, oids, sm2
from render.sign.curve import check_public_key
from render.sign.sm3 import sm3

MAX_CERTIFICATE_BYTES = 16_384
_KEY_ID_BYTES = 20
_DIGITAL_SIGNATURE_AND_NON_REPUDIATION = b"\x06\xc0"
_ATTRIBUTE_LABELS = {
    "common_name": "CN",
    "country_name": "C",
    "locality_name": "L",
    "organization_name": "O",
    "organizational_unit_name": "OU",
    "state_or_province_name": "ST",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a signature check needs of a certificate.

    Attributes:
        der: the whole certificate; ``tbs``: its signed part, as it stands in ``der``.
        subject: for people, such as ``CN=…, O=…``, control characters made visible.
        subject_der, issuer_der: names as they stand in the certificate.
        serial: serial number; ``serial_der``: its INTEGER.
        public_key: 65 bytes, a point of the SM2 curve.
        signature: DER ``SEQUENCE {r, s}``; ``is_sm2_signed``: whether it claims to be SM2-with-SM3.
        not_before, not_after: validity, with time zone.
        key_usage: names as in RFC 5280 with underscores; None = not restricted.
        is_authority: may sign other certificates.
    """

    der: bytes = field(repr=False)
    tbs: bytes = field(repr=False)
    subject: str
    subject_der: bytes = field(repr=False)
    issuer_der: bytes = field(repr=False)
    serial: int
    serial_der: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    is_sm2_signed: bool
    not_before: datetime
    not_after: datetime
    key_usage: frozenset[str] | None
    is_authority: bool

    @property
    def serial_hex(self) -> str:
        """Serial number in lower-case hex of whole octets."""
        return serial_hex(self.serial)

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name."""
        return self.subject_der == self.issuer_der

    def is_signed_by(self, public_key: bytes) -> bool:
        """Tell whether the certificate's own signature belongs to a public key."""
        return self.is_sm2_signed and sm2.verify(public_key, self.tbs, self.signature)


def serial_hex(serial: int) -> str:
    """Return a serial number in lower-case hex of whole octets."""
    return serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex()


def self_signed_certificate(
    key: sm2.PrivateKey, common_name: str, *, serial: int, not_before: datetime, not_after: datetime
) -> bytes:
    """Write an X.509 v3 end-entity certificate, signed by its own key with SM2-with-SM3.

    Args:
        key: whose public half is certified, and which signs.
        common_name: 1 to 64 characters.
        serial: positive, at most 20 octets.
        not_before: begin of validity, with time zone.
        not_after: end of validity, with time zone.

    Returns:
        DER.

    Raises:
        SigningError: the key cannot sign.
    """
    algorithm = der.sequence(der.oid(oids.SM2_WITH_SM3))
    attribute = der.sequence(der.oid(oids.COMMON_NAME), der.tlv(der.UTF8_STRING, common_name.encode()))
    name = der.sequence(der.set_of([attribute]))
    key_id = sm3(key.public)[:_KEY_ID_BYTES]
    extensions = der.sequence(
        _extension(oids.BASIC_CONSTRAINTS, der.sequence(), is_critical=True),
        _extension(oids.KEY_USAGE, der.tlv(der.BIT_STRING, _DIGITAL_SIGNATURE_AND_NON_REPUDIATION), is_critical=True),
        _extension(oids.SUBJECT_KEY_IDENTIFIER, der.octet_string(key_id)),
        _extension(oids.AUTHORITY_KEY_IDENTIFIER, der.sequence(der.tlv(0x80, key_id))),
    )
    tbs = der.sequence(
        der.explicit(0, der.integer(2)),
        der.integer(serial),
        algorithm,
        name,
        der.sequence(der.time(not_before), der.time(not_after)),
        name,
        public_key_info(key.public),
        der.explicit(3, extensions),
    )
    return der.sequence(tbs, algorithm, der.bit_string(key.sign(tbs)))


def public_key_info(public: bytes) -> bytes:
    """Return SubjectPublicKeyInfo of an SM2 key, DER (GB/T 35276, 7.1)."""
    return der.sequence(key_algorithm(), der.bit_string(public))


def key_algorithm() -> bytes:
    """Return the AlgorithmIdentifier of SM2 keys: an EC key on the curve named SM2."""
    return der.sequence(der.oid(oids.EC_PUBLIC_KEY), der.oid(oids.SM2_CURVE))


def read_certificate(data: bytes) -> Certificate:
    """Read a certificate of an SM2 key from DER or PEM; its signature is not checked here.

    Raises:
        MalformedInput: not a certificate in strict DER.
        KeyRejected: the key is not an SM2 key.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise MalformedInput(f"a certificate has at most {MAX_CERTIFICATE_BYTES} bytes, not {len(data)}.")
    try:
        octets = pem.unarmor(data)[2] if pem.detect(data) else data
        der.check_canonical(octets)
        return _extract(octets)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise MalformedInput(f"not an X.509 certificate: {_first_line(error)}.", hint="Use DER or PEM.") from error


def _extract(octets: bytes) -> Certificate:
    tbs, algorithm, signature = der.read_only(octets, der.SEQUENCE)
    fields = der.read_only(tbs.raw, der.SEQUENCE)
    if fields[0].tag != 0xA0:
        raise MalformedInput("the certificate is not X.509 v3.", hint="Use a v3 certificate.")
    _, serial, inner_algorithm, issuer, _, subject, key_info, *_ = fields
    if inner_algorithm.raw != algorithm.raw:
        raise MalformedInput("the certificate names two signature algorithms.")
    if signature.tag != der.BIT_STRING or signature.content[:1] != b"\x00":
        raise MalformedInput("the certificate's signature is no BIT STRING of whole octets.")
    parsed = x509.Certificate.load(octets, strict=True)
    validity = parsed["tbs_certificate"]["validity"]
    constraints = parsed.basic_constraints_value
    usage = parsed.key_usage_value
    usages = frozenset(usage.native) if usage is not None else None
    return Certificate(
        der=octets,
        tbs=tbs.raw,
        subject=_readable(parsed.subject),
        subject_der=subject.raw,
        issuer_der=issuer.raw,
        serial=der.read_unsigned(serial),
        serial_der=serial.raw,
        public_key=_sm2_key(key_info.raw),
        signature=signature.content[1:],
        is_sm2_signed=_is_sm2_with_sm3(algorithm),
        not_before=validity["not_before"].native,
        not_after=validity["not_after"].native,
        key_usage=usages,
        is_authority=bool(constraints and constraints["ca"].native) and (usages is None or "key_cert_sign" in usages),
    )


def _sm2_key(key_info: bytes) -> bytes:
    algorithm, bits = der.read_only(key_info, der.SEQUENCE)
    if algorithm.raw != key_algorithm():
        raise KeyRejected("the certificate's key is not on the SM2 curve.", hint="Use a certificate of an SM2 key.")
    if bits.tag != der.BIT_STRING or bits.content[:1] != b"\x00":
        raise MalformedInput("the certificate's key is no BIT STRING of whole octets.")
    return check_public_key(bits.content[1:])


def _is_sm2_with_sm3(algorithm: der.Element) -> bool:
    plain = der.sequence(der.oid(oids.SM2_WITH_SM3))
    with_null = der.sequence(der.oid(oids.SM2_WITH_SM3), der.NULL_DER)
    return algorithm.raw in (plain, with_null)


def _readable(name: Any) -> str:  # noqa: ANN401 asn1crypto has no types
    parts = []
    for relative in name.chosen:
        for attribute in relative:
            kind = attribute["type"].native
            parts.append(f"{_ATTRIBUTE_LABELS.get(kind, kind)}={visible(str(attribute['value'].native))}")
    return ", ".join(parts)


def visible(text: str) -> str:
    """Return text with control, bidirectional and other unprintable characters spelt out, in normal form C."""
    normal = unicodedata.normalize("NFC", text)
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in normal)


def _first_line(error: Exception) -> str:
    return visible(" ".join(str(error).split())[:160])


def _extension(identifier: str, value: bytes, *, is_critical: bool = False) -> bytes:
    critical = der.tlv(der.BOOLEAN, b"\xff") if is_critical else b""
    return der.sequence(der.oid(identifier), critical + der.octet_string(value))
