"""Detached CMS SignedData with SM2-with-SM3: reading, with no tolerance.

Only the attributes are under the signature; all around them, whatever could be said in two ways is refused, so that
no octet of the structure can change unnoticed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import cms, core, tsp

from render.errors import KeyRejected, MalformedInput
from render.sign import der, oids
from render.sign.certificate import Certificate, read_certificate
from render.sign.cms import ContentTypes

MAX_CMS_BYTES = 131_072
_ATTRIBUTES_TAG = 0xA0
_CERTIFICATES_TAG = 0xA0
_SIGNER_INFO_FIELDS = 6


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """One signature as it stands in a document; nothing in it has been verified.

    Attributes:
        content_types: which family of identifiers it uses; None = it is no CMS.
        certificate: of the signer.
        message: DER of the signed attributes, which is what was signed.
        signature: DER ``SEQUENCE {r, s}``.
        digest: 32 bytes, the document's digest as the signer saw it.
        signing_time: as claimed by the signer, with time zone; None = not stated.
        certificate_digest: digest of the certificate as the signer saw it, and its algorithm; None = not stated.
    """

    content_types: ContentTypes | None
    certificate: Certificate
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    signing_time: datetime | None
    certificate_digest: tuple[str, bytes] | None = field(repr=False)


def read_signed_data(data: bytes) -> DetachedSignature:
    """Read a detached SignedData with one signer.

    Raises:
        MalformedInput: not strict DER, or not this kind of structure.
        KeyRejected: the certificate's key is not an SM2 key.
    """
    if len(data) > MAX_CMS_BYTES:
        raise MalformedInput(f"a signature has at most {MAX_CMS_BYTES} bytes, not {len(data)}.")
    try:
        der.check_canonical(data)
        return _read(data)
    except KeyRejected:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise MalformedInput("the signature is not a CMS SignedData that could be read.") from error


def _read(data: bytes) -> DetachedSignature:
    outer, wrapped = _fields(data, 2, "ContentInfo")
    content_types = _content_types(outer)
    if wrapped.tag != _ATTRIBUTES_TAG:
        raise MalformedInput("ContentInfo has no content.")
    version, digests, content, certificates, signers = _fields(wrapped.content, 5, "SignedData")
    if version.raw != der.integer(1):
        raise MalformedInput("SignedData has another version than 1.")
    digest_algorithms = der.read_only(digests.raw, der.SET)
    if len(digest_algorithms) != 1:
        raise MalformedInput(f"SignedData names {len(digest_algorithms)} digest algorithms in place of one.")
    _need_algorithm(digest_algorithms[0], (oids.SM3,), "digest")
    if content.raw != der.sequence(der.oid(content_types.data)):
        raise MalformedInput("SignedData carries content, or content of another type; it must be detached.")
    if certificates.tag != _CERTIFICATES_TAG:
        raise MalformedInput("SignedData has no certificate.")
    found = der.read_all(certificates.content)
    if len(found) != 1:
        raise MalformedInput(f"SignedData has {len(found)} certificates; only the signer's own is accepted.")
    signer_infos = der.read_only(signers.raw, der.SET)
    if len(signer_infos) != 1:
        raise MalformedInput(f"SignedData has {len(signer_infos)} signers in place of one.")
    certificate = read_certificate(found[0].raw)
    return _read_signer(signer_infos[0].raw, certificate, content_types)


def _read_signer(data: bytes, certificate: Certificate, content_types: ContentTypes) -> DetachedSignature:
    fields = _fields(data, _SIGNER_INFO_FIELDS, "SignerInfo")
    version, signer_id, digest_algorithm, attributes, signature_algorithm, signature = fields
    if version.raw != der.integer(1):
        raise MalformedInput("SignerInfo has another version than 1.")
    if signer_id.raw != der.sequence(certificate.issuer_der, certificate.serial_der):
        raise MalformedInput("SignerInfo names another certificate than the one that is included.")
    _need_algorithm(digest_algorithm, (oids.SM3,), "digest")
    _need_algorithm(signature_algorithm, (oids.SM2_WITH_SM3, oids.SM2_SIGN), "signature")
    if attributes.tag != _ATTRIBUTES_TAG:
        raise MalformedInput("SignerInfo has no signed attributes.")
    if signature.tag != der.OCTET_STRING:
        raise MalformedInput("SignerInfo has no signature.")
    # Under the signature the attributes carry the tag of SET OF, in place of [0] (RFC 5652, 5.4).
    message = der.set_of(element.raw for element in der.read_all(attributes.content))
    if message[1:] != attributes.raw[1:]:
        raise MalformedInput("the signed attributes are not in the order of DER.")
    values = _attribute_values(message)
    if oids.CONTENT_TYPE not in values or oids.MESSAGE_DIGEST not in values:
        raise MalformedInput("the signed attributes lack content type or message digest.")
    if values[oids.CONTENT_TYPE] != der.oid(content_types.data):
        raise MalformedInput("the signed attributes name another content type.")
    return DetachedSignature(
        content_types=content_types,
        certificate=certificate,
        message=message,
        signature=signature.content,
        digest=core.OctetString.load(values[oids.MESSAGE_DIGEST], strict=True).native,
        signing_time=_signing_time(values.get(oids.SIGNING_TIME)),
        certificate_digest=_certificate_digest(values.get(oids.SIGNING_CERTIFICATE_V2)),
    )


def _fields(data: bytes, count: int, name: str) -> list[der.Element]:
    elements = der.read_only(data, der.SEQUENCE)
    if len(elements) != count:
        raise MalformedInput(f"{name} has {len(elements)} fields in place of {count}.")
    return elements


def _content_types(element: der.Element) -> ContentTypes:
    for content_types in ContentTypes:
        if element.raw == der.oid(content_types.signed_data):
            return content_types
    raise MalformedInput("the signature is not a SignedData of PKCS#7 or GB/T 35275.")


def _need_algorithm(element: der.Element, accepted: tuple[str, ...], role: str) -> None:
    """Check an AlgorithmIdentifier; parameters may be absent or NULL, since both are in use."""
    forms = {der.sequence(der.oid(oid), *rest) for oid in accepted for rest in ((), (der.NULL_DER,))}
    if element.raw not in forms:
        names = " or ".join(oids.describe(oid) for oid in accepted)
        raise MalformedInput(f"the {role} algorithm is not {names}.", hint="Only SM2 with SM3 is verified.")


def _attribute_values(message: bytes) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for attribute in der.read_only(message, der.SET):
        kind, holder = _fields(attribute.raw, 2, "Attribute")
        oid = core.ObjectIdentifier.load(kind.raw, strict=True).dotted
        held = der.read_only(holder.raw, der.SET)
        if oid in values or len(held) != 1:
            raise MalformedInput(f"the signed attribute {oid} does not have exactly one value.")
        values[oid] = held[0].raw
    return values


def _signing_time(value: bytes | None) -> datetime | None:
    if value is None:
        return None
    moment: datetime = cms.Time.load(value, strict=True).native
    return moment


def _certificate_digest(value: bytes | None) -> tuple[str, bytes] | None:
    if value is None:
        return None
    stated = tsp.SigningCertificateV2.load(value, strict=True)["certs"][0]
    return stated["hash_algorithm"]["algorithm"].dotted, stated["cert_hash"].native
