"""Detached CMS SignedData (RFC 5652) with SM2-with-SM3: writing.

Exactly one SignerInfo, the signer's certificate included, DER throughout, as PDF/A-3 (ISO 19005-3, annex B) asks.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from render.errors import KeyRejected, MalformedInput, SigningError
from render.sign import der, oids
from render.sign.api import RawSigner
from render.sign.curve import decode_signature
from render.sign.sm3 import DIGEST_BYTES, sm3


class ContentTypes(StrEnum):
    """Which identifiers name "data" and "signed data".

    GB/T 35275 defines identifiers of its own for the same structure. ``PKCS7`` is the default: PDF/A asks for a
    PKCS#7 object, and every CMS reader, GM-aware or not, then finds its way to certificate and attributes.
    ``GBT35275`` is for receivers that accept only the national identifiers.
    """

    PKCS7 = "pkcs7"
    GBT35275 = "gbt35275"

    @property
    def data(self) -> str:
        """Identifier of plain data."""
        return oids.PKCS7_DATA if self is ContentTypes.PKCS7 else oids.GBT35275_DATA

    @property
    def signed_data(self) -> str:
        """Identifier of SignedData."""
        return oids.PKCS7_SIGNED_DATA if self is ContentTypes.PKCS7 else oids.GBT35275_SIGNED_DATA


_SM3_ALGORITHM = der.sequence(der.oid(oids.SM3), der.NULL_DER)
_SM2_ALGORITHM = der.sequence(der.oid(oids.SM2_WITH_SM3))
_VERSION = der.integer(1)
_CONTEXT_0 = b"\xa0"


def signed_attributes(
    digest: bytes, certificate_der: bytes, signing_time: datetime, content_types: ContentTypes = ContentTypes.PKCS7
) -> bytes:
    """Return the DER of the SET OF attributes, which is the message that the key signs (RFC 5652, 5.4).

    They are: content type, message digest, signing time, and the SM3 digest of the certificate (RFC 5035), so that
    not one octet of the certificate can be exchanged.

    Args:
        digest: 32 bytes, SM3 of the document.
        certificate_der: of the signer.
        signing_time: with a time zone.
        content_types: identifiers to use.

    Raises:
        SigningError: the time has no time zone, or the digest another length.
    """
    if signing_time.tzinfo is None:
        raise SigningError("the signing time has no time zone.", hint="Pass a datetime with a time zone.")
    if len(digest) != DIGEST_BYTES:
        raise SigningError(f"an SM3 digest has {DIGEST_BYTES} bytes, not {len(digest)}.")
    moment = _time(signing_time)
    before, between, after = _around_time_and_digest(certificate_der, len(moment), content_types)
    return b"".join((before, moment, between, digest, after))


def assemble(
    certificate_der: bytes, attributes: bytes, signature: bytes, content_types: ContentTypes = ContentTypes.PKCS7
) -> bytes:
    """Return the DER of the whole ContentInfo around attributes and their signature.

    Args:
        certificate_der: of the signer.
        attributes: from ``signed_attributes``.
        signature: DER ``SEQUENCE {r, s}``.
        content_types: as for the attributes.

    Raises:
        KeyRejected: the certificate cannot be read.
    """
    before, between = _around_attributes(certificate_der, len(attributes), len(signature), content_types)
    return b"".join((before, attributes[1:], between, signature))


def sign_digest(
    digest: bytes, signer: RawSigner, signing_time: datetime, content_types: ContentTypes = ContentTypes.PKCS7
) -> bytes:
    """Sign the SM3 digest of a document and return the detached CMS, DER.

    Args:
        digest: 32 bytes.
        signer: holder of key and certificate.
        signing_time: with a time zone.
        content_types: identifiers to use.

    Raises:
        SigningError: the key failed, or gave something that is not an SM2 signature.
        KeyRejected: the signer's certificate cannot be used.
    """
    certificate = signer.certificate_der
    attributes = signed_attributes(digest, certificate, signing_time, content_types)
    signature = signer.sign_raw(attributes)
    try:
        decode_signature(signature)
    except MalformedInput as error:
        raise SigningError(f"the signer returned no SM2 signature: {error}", hint="Check the key store.") from error
    return assemble(certificate, attributes, signature, content_types)


_time = lru_cache(maxsize=64)(der.time)


@lru_cache(maxsize=64)
def _around_time_and_digest(
    certificate_der: bytes, time_bytes: int, content_types: ContentTypes
) -> tuple[bytes, bytes, bytes]:
    """Return what stands before, between and after signing time and digest, the same in every document."""
    time = _attribute(oids.SIGNING_TIME, bytes(time_bytes))
    digest = _attribute(oids.MESSAGE_DIGEST, der.octet_string(bytes(DIGEST_BYTES)))
    certificate_id = der.sequence(_SM3_ALGORITHM, der.octet_string(sm3(certificate_der)))
    certificate = _attribute(oids.SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(certificate_id)))
    content_type = _attribute(oids.CONTENT_TYPE, der.oid(content_types.data))
    # The order of DER follows from the lengths, which all differ, and never from time or digest.
    attributes = der.set_of((content_type, time, digest, certificate))
    after_time = attributes.index(time) + len(time)
    after_digest = attributes.index(digest) + len(digest)
    return (
        attributes[: after_time - time_bytes],
        attributes[after_time : after_digest - DIGEST_BYTES],
        attributes[after_digest:],
    )


@lru_cache(maxsize=64)
def _around_attributes(
    certificate_der: bytes, attributes_bytes: int, signature_bytes: int, content_types: ContentTypes
) -> tuple[bytes, bytes]:
    """Return what stands before the attributes, with their tag, and between them and the signature, which is last."""
    blank = _CONTEXT_0 + bytes(attributes_bytes - 1)
    ending = _SM2_ALGORITHM + der.octet_string(bytes(signature_bytes))
    signer_info = der.sequence(_VERSION, _issuer_and_serial(certificate_der), _SM3_ALGORITHM, blank, ending)
    signed_data = der.sequence(
        _VERSION,
        der.set_of([_SM3_ALGORITHM]),
        der.sequence(der.oid(content_types.data)),
        der.explicit(0, certificate_der),
        der.set_of([signer_info]),
    )
    whole = der.sequence(der.oid(content_types.signed_data), der.explicit(0, signed_data))
    return whole[: 1 - attributes_bytes - len(ending)], whole[-len(ending) : len(whole) - signature_bytes]


def _issuer_and_serial(certificate_der: bytes) -> bytes:
    try:
        tbs, *_ = der.read_only(certificate_der, der.SEQUENCE)
        _version, serial, _algorithm, issuer, *_ = der.read_only(tbs.raw, der.SEQUENCE)
    except (MalformedInput, ValueError) as error:
        raise KeyRejected(
            "the signer's certificate cannot be read.", hint="Use an X.509 v3 certificate in DER."
        ) from error
    return der.sequence(issuer.raw, serial.raw)


def _attribute(identifier: str, value: bytes) -> bytes:
    return der.sequence(der.oid(identifier), der.set_of([value]))
