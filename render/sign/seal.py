"""Electronic seals (电子印章) and their signatures (GB/T 38540-2020, version 4): what they are, and writing them.

A seal holds a picture, the certificates of those who may use it, and its maker's signature; a seal signature
(SES_Signature) holds the whole seal, the digest of the document, and the signature of one of those certificates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from render.errors import KeyRejected, MalformedInput, SigningError
from render.sign import der, oids
from render.sign.api import RawSigner
from render.sign.certificate import Certificate
from render.sign.cms_reader import DetachedSignature
from render.sign.curve import MAX_SIGNATURE_BYTES, decode_signature
from render.sign.sm3 import DIGEST_BYTES, sm3

MAX_SEAL_BYTES = 1_048_576
VERSION = 4
HEADER_ID = "ES"
CERTIFICATES, CERTIFICATE_DIGESTS = 1, 2
"""What a seal lists of its users (certListType)."""
IA5_STRING = 0x16


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal as it was read; its maker's signature has not been checked.

    Attributes:
        der: the whole SESeal; ``info``: its signed part, SES_SealInfo.
        seal_id: identifier (esID); ``name``: for people, control characters made visible.
        holders: certificates, DER, of those who may use it, or their SM3 digests.
        lists_digests: whether ``holders`` are digests.
        not_before, not_after: validity, with time zone.
        maker: certificate of whoever made the seal; ``signature``: DER ``SEQUENCE {r, s}`` over ``info``.
        picture_type: such as ``png`` or ``ofd``; ``picture``: its bytes; ``size_mm``: width and height.
    """

    der: bytes = field(repr=False)
    info: bytes = field(repr=False)
    seal_id: str
    name: str
    holders: tuple[bytes, ...] = field(repr=False)
    lists_digests: bool
    not_before: datetime
    not_after: datetime
    maker: Certificate = field(repr=False)
    signature: bytes = field(repr=False)
    picture_type: str
    picture: bytes = field(repr=False)
    size_mm: tuple[int, int]

    def is_of(self, certificate_der: bytes) -> bool:
        """Tell whether the seal lists a certificate among its users."""
        return (sm3(certificate_der) if self.lists_digests else certificate_der) in self.holders


@dataclass(frozen=True, slots=True)
class SealSignature:
    """A seal signature as it was read; nothing in it has been verified.

    Attributes:
        signed: signer, message, digest and time, in the form that a CMS gives them, too.
        seal: the seal with which it was signed.
        property_info: what the signer says of the signed data, for people.
    """

    signed: DetachedSignature
    seal: Seal
    property_info: str


def sign_with_seal(digest: bytes, seal: Seal, signer: RawSigner, signing_time: datetime, property_info: str) -> bytes:
    """Sign the SM3 digest of a document with a seal and return the SES_Signature, DER.

    Args:
        digest: 32 bytes.
        seal: that lists the signer's certificate.
        signer: holder of key and certificate.
        signing_time: with a time zone.
        property_info: ASCII, says which data was signed.

    Raises:
        KeyRejected: the seal is not the signer's, or was not valid at that time.
        SigningError: the time has no time zone, or the key failed.
    """
    if signing_time.tzinfo is None:
        raise SigningError("the signing time has no time zone.", hint="Pass a datetime with a time zone.")
    if not seal.is_of(signer.certificate_der):
        raise KeyRejected("the seal does not list the signer's certificate.", hint="Use a seal of this signer.")
    if not seal.not_before <= signing_time <= seal.not_after:
        raise KeyRejected("the seal is not valid at the signing time.", hint="Have the seal renewed.")
    message = _to_sign(seal.der, digest, signing_time, property_info)
    signature = signer.sign_raw(message)
    try:
        decode_signature(signature)
    except MalformedInput as error:
        raise SigningError(f"the signer returned no SM2 signature: {error}", hint="Check the key store.") from error
    return _assemble(message, signer.certificate_der, signature)


def longest_signature(seal: Seal, certificate_der: bytes, property_info: str) -> int:
    """Return how many bytes a signature with this seal has at most."""
    message = _to_sign(seal.der, bytes(DIGEST_BYTES), datetime(2100, 1, 1, tzinfo=UTC), property_info)
    return len(_assemble(message, certificate_der, bytes(MAX_SIGNATURE_BYTES)))


def seal_info(
    *,
    vendor: str,
    seal_id: str,
    kind: int,
    name: str,
    holders: Sequence[bytes],
    validity: tuple[datetime, datetime],
    picture: tuple[str, bytes, int, int],
) -> bytes:
    """Return SES_SealInfo, DER: what the maker of a seal signs.

    Args:
        vendor: of the seal, ASCII (Vid).
        seal_id: its identifier, ASCII (esID).
        kind: of the seal, a number that the maker defines (type).
        name: for people.
        holders: certificates of those who may use it, DER.
        validity: first and last moment, with time zone; the first is also when it was made.
        picture: type, bytes, width and height in mm.
    """
    begin, end = (generalized_time(moment) for moment in validity)
    listed = der.sequence(*(der.octet_string(holder) for holder in holders))
    picture_type, octets, width, height = picture
    return der.sequence(
        der.sequence(_ia5(HEADER_ID), der.integer(VERSION), _ia5(vendor)),
        _ia5(seal_id),
        der.sequence(
            der.integer(kind),
            der.tlv(der.UTF8_STRING, name.encode()),
            der.integer(CERTIFICATES),
            listed,
            begin,
            begin,
            end,
        ),
        der.sequence(_ia5(picture_type), der.octet_string(octets), der.integer(width), der.integer(height)),
    )


def seal_of(info: bytes, maker_certificate: bytes, signature: bytes) -> bytes:
    """Return SESeal, DER, around SES_SealInfo and its maker's signature."""
    return der.sequence(
        info, der.octet_string(maker_certificate), der.oid(oids.SM2_WITH_SM3), der.bit_string(signature)
    )


def generalized_time(moment: datetime) -> bytes:
    """Return GeneralizedTime in UTC and whole seconds."""
    return der.tlv(der.GENERALIZED_TIME, moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def _to_sign(seal: bytes, digest: bytes, moment: datetime, property_info: str) -> bytes:
    return der.sequence(
        der.integer(VERSION), seal, generalized_time(moment), der.bit_string(digest), _ia5(property_info)
    )


def _assemble(message: bytes, certificate: bytes, signature: bytes) -> bytes:
    return der.sequence(message, der.octet_string(certificate), der.oid(oids.SM2_WITH_SM3), der.bit_string(signature))


def _ia5(text: str) -> bytes:
    return der.tlv(IA5_STRING, text.encode("ascii"))
