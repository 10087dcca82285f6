"""Verifies the signature of a PDF without any of our own code: asn1crypto reads, hashlib digests, gmssl verifies.

The digest of the file comes from OpenSSL's SM3, since SM3 in pure Python takes a quarter of a second for 60 KB; the
SM3 that enters the signature equation, Z and the curve are pure gmssl.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import cms, core, x509
from gmssl import sm2

GM_SIGNED_DATA = "1.2.156.10197.6.1.4.2.2"
PKCS7_SIGNED_DATA = "1.2.840.113549.1.7.2"
SM3 = "1.2.156.10197.1.401"
SM2_CURVE = "1.2.156.10197.1.301"
SM2_WITH_SM3 = "1.2.156.10197.1.501"
SM2_SIGN = "1.2.156.10197.1.301.1"

_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")
_SET_TAG = b"\x31"


class _ContentInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("content_type", core.ObjectIdentifier), ("content", core.Any, {"explicit": 0})]  # noqa: RUF012


class _Sm2Signature(core.Sequence):  # type: ignore[misc]
    _fields = [("r", core.Integer), ("s", core.Integer)]  # noqa: RUF012


@dataclass(frozen=True, slots=True)
class SignedBytes:
    """The two halves of a signed PDF: what the signature covers, and the CMS structure that it is."""

    covered: bytes
    cms_der: bytes


def extract(pdf: bytes) -> SignedBytes:
    """Cut a PDF with one signature at its byte range.

    Raises:
        ValueError: not one signature, or it does not cover every byte but its own value.
    """
    ranges = _BYTE_RANGE.findall(pdf)
    if len(ranges) != 1:
        raise ValueError(f"{len(ranges)} byte ranges instead of one")
    start, length, resume, rest = map(int, ranges[0])
    if start != 0 or resume + rest != len(pdf) or not 0 < length < resume:
        raise ValueError("the byte range does not reach from the first byte to the last")
    value = pdf[length:resume]
    if not (value.startswith(b"<") and value.endswith(b">")):
        raise ValueError("the gap of the byte range is not the signature value")
    # What pads the reserved room stands after the outermost DER value, whose own length says where it ends.
    padded = bytes.fromhex(value[1:-1].decode("ascii"))
    der = core.Sequence.load(padded, strict=False).dump()
    if any(padded[len(der) :]):
        raise ValueError("something other than padding stands after the signature value")
    return SignedBytes(covered=pdf[:length] + pdf[resume:], cms_der=der)


def problems_of(pdf: bytes) -> list[str]:
    """Return what is wrong with the signature of a PDF; an empty list means that it verifies."""
    try:
        signed = extract(pdf)
        outer = _ContentInfo.load(signed.cms_der, strict=True)
        if outer["content_type"].native not in {GM_SIGNED_DATA, PKCS7_SIGNED_DATA}:
            return [f"content type {outer['content_type'].native} is not signed data"]
        return _problems(signed, outer["content"].parse(cms.SignedData))
    except (ValueError, TypeError, KeyError) as error:
        return [f"the signature cannot be read: {error}"]


def _problems(signed: SignedBytes, data: cms.SignedData) -> list[str]:
    signers, certificates = data["signer_infos"], data["certificates"]
    if len(signers) != 1 or not certificates:
        return [f"{len(signers)} signers and {len(certificates)} certificates"]
    signer, certificate = signers[0], _certificate_of(signers[0], certificates)
    if certificate is None:
        return ["the signer's certificate is not in the signature"]
    problems = []
    for what, found, allowed in (
        ("digest", signer["digest_algorithm"]["algorithm"].dotted, {SM3}),
        ("signature", signer["signature_algorithm"]["algorithm"].dotted, {SM2_WITH_SM3, SM2_SIGN}),
    ):
        if found not in allowed:
            problems.append(f"{what} algorithm is {found}")
    attributes = signer["signed_attrs"]
    digests = [
        value.native for item in attributes if item["type"].native == "message_digest" for value in item["values"]
    ]
    if digests != [hashlib.new("sm3", signed.covered).digest()]:
        problems.append("the document is not the one that was signed")
    if not any(item["type"].native == "signing_time" for item in attributes):
        problems.append("no signing time")
    message = _SET_TAG + attributes.dump()[1:]
    if not is_sm2_signature(_key_of(certificate), message, signer["signature"].native):
        problems.append("the signature is not by the key of the certificate")
    return problems + _certificate_problems(certificate)


def _certificate_problems(certificate: x509.Certificate) -> list[str]:
    """Check that a certificate was issued by its own key, as test identities are: other issuers are not known here."""
    body = certificate["tbs_certificate"]
    if body["issuer"].dump() != body["subject"].dump():
        return ["the certificate's issuer is not known here"]
    is_right = _is_sealed(_key_of(certificate), body.dump(), certificate["signature_value"].native)
    return [] if is_right else ["the self-signed certificate is not signed by its own key"]


def _key_of(certificate: x509.Certificate) -> bytes:
    # The first byte of a bit string counts unused bits.
    return bytes(certificate["tbs_certificate"]["subject_public_key_info"]["public_key"].contents[1:])


def _certificate_of(signer: cms.SignerInfo, certificates: cms.CertificateSet) -> x509.Certificate | None:
    """Return the certificate that the signer names by issuer and serial number."""
    if signer["sid"].name != "issuer_and_serial_number":
        return None
    named = signer["sid"].chosen
    for item in certificates:
        body = item.chosen["tbs_certificate"]
        if body["serial_number"].native == named["serial_number"].native:
            return item.chosen if body["issuer"].dump() == named["issuer"].dump() else None
    return None


def is_sm2_signature(point: bytes, message: bytes, signature_der: bytes) -> bool:
    """Tell whether gmssl accepts an SM2-with-SM3 signature under the usual identity 1234567812345678.

    Args:
        point: the public key, 0x04 ‖ x ‖ y, 65 bytes.
        message: what was signed, before any digest.
        signature_der: SEQUENCE {r, s}.
    """
    pair = _Sm2Signature.load(signature_der, strict=True)
    r, s = pair["r"].native, pair["s"].native
    order = int(sm2.default_ecc_table["n"], 16)
    if not _is_on_curve(point) or not (0 < r < order and 0 < s < order):
        return False
    verifier = sm2.CryptSM2(private_key="", public_key="")
    # Set afterwards: the constructor strips every leading 0 and 4 of a key, also those of x.
    verifier.public_key = point[1:].hex()
    return bool(verifier.verify_with_sm3(f"{r:064x}{s:064x}", message))


# Many documents carry one certificate.
_is_sealed = lru_cache(maxsize=8)(is_sm2_signature)


def _is_on_curve(point: bytes) -> bool:
    if len(point) != 65 or point[0] != 4:
        return False
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    p, a, b = (int(sm2.default_ecc_table[name], 16) for name in "pab")
    return x < p and y < p and (y * y - (x * x * x + a * x + b)) % p == 0
