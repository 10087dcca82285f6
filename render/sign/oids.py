"""Object identifiers of commercial cryptography (商用密码) and of the signature formats that carry it.

Sources: GM/T 0006 (algorithms), GB/T 35275 (message syntax), RFC 5652, RFC 5035, RFC 8018.
"""

from __future__ import annotations

SM2_CURVE = "1.2.156.10197.1.301"
SM2_SIGN = "1.2.156.10197.1.301.1"
SM3 = "1.2.156.10197.1.401"
SM2_WITH_SM3 = "1.2.156.10197.1.501"
SM4_CBC = "1.2.156.10197.1.104.2"

GBT35275_DATA = "1.2.156.10197.6.1.4.2.1"
GBT35275_SIGNED_DATA = "1.2.156.10197.6.1.4.2.2"
PKCS7_DATA = "1.2.840.113549.1.7.1"
PKCS7_SIGNED_DATA = "1.2.840.113549.1.7.2"

CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"

EC_PUBLIC_KEY = "1.2.840.10045.2.1"
PBES2 = "1.2.840.113549.1.5.13"
PBKDF2 = "1.2.840.113549.1.5.12"
HMAC_SHA256 = "1.2.840.113549.2.9"
SHA256 = "2.16.840.1.101.3.4.2.1"

COMMON_NAME = "2.5.4.3"
SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
BASIC_CONSTRAINTS = "2.5.29.19"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"

_NAMES = {
    SM2_CURVE: "SM2",
    SM2_SIGN: "SM2 signature",
    SM3: "SM3",
    SM2_WITH_SM3: "SM2-with-SM3",
    SM4_CBC: "SM4-CBC",
    GBT35275_DATA: "GB/T 35275 data",
    GBT35275_SIGNED_DATA: "GB/T 35275 signedData",
    PKCS7_DATA: "PKCS#7 data",
    PKCS7_SIGNED_DATA: "PKCS#7 signedData",
    SHA256: "SHA-256",
}


def describe(oid: str) -> str:
    """Return the name of an identifier with its dotted form, for messages."""
    return f"{_NAMES[oid]} ({oid})" if oid in _NAMES else oid
