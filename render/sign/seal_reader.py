"""Reading seals and seal signatures (GB/T 38540-2020, version 4), with no tolerance.

The seal lies under the signature as a whole; the signer's certificate, which does not, must be on the seal's list.
Extensions are passed over: they lie under a signature, too, and nothing is known of them here. Time stamps are refused:
nothing else in the structure would notice a change of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from render.errors import KeyRejected, MalformedInput
from render.sign import der, oids
from render.sign.certificate import read_certificate, visible
from render.sign.cms_reader import DetachedSignature
from render.sign.seal import (
    CERTIFICATE_DIGESTS,
    CERTIFICATES,
    HEADER_ID,
    IA5_STRING,
    MAX_SEAL_BYTES,
    VERSION,
    Seal,
    SealSignature,
)

_PRINTABLE_STRING = 0x13
_EXTENSIONS_TAG = 0xA0
_TIME = re.compile(rb"\d{14}Z")
_MAX_HOLDERS = 64
_Read = TypeVar("_Read")


def read_seal(data: bytes) -> Seal:
    """Read a seal; its maker's signature is not checked here.

    Raises:
        MalformedInput: not strict DER, or not this structure.
        KeyRejected: the maker's key is not an SM2 key.
    """
    return _guarded(data, _read_seal, "seal")


def read_seal_signature(data: bytes) -> SealSignature:
    """Read a seal signature.

    Raises:
        MalformedInput: not strict DER, or not this structure.
        KeyRejected: a certificate's key is not an SM2 key.
    """
    return _guarded(data, _read_signature, "seal signature")


def _guarded(data: bytes, read: Callable[[bytes], _Read], what: str) -> _Read:
    if len(data) > MAX_SEAL_BYTES:
        raise MalformedInput(f"a {what} has at most {MAX_SEAL_BYTES} bytes, not {len(data)}.")
    try:
        der.check_canonical(data)
        return read(data)
    except (KeyRejected, MalformedInput):
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise MalformedInput(f"this is no {what} of GB/T 38540, version {VERSION}.") from error


def _read_signature(data: bytes) -> SealSignature:
    to_sign, certificate_octets, algorithm, bits = _signed_fields(data, "SES_Signature")
    fields = der.read_only(to_sign.raw, der.SEQUENCE)
    version, seal, moment, digest, info = _without_extensions(fields, 5, "TBS_Sign")
    _need_version(version)
    _need_algorithm(algorithm)
    certificate = read_certificate(_content(certificate_octets, der.OCTET_STRING))
    signed = DetachedSignature(
        content_types=None,
        certificate=certificate,
        message=to_sign.raw,
        signature=_whole_octets(bits),
        digest=_whole_octets(digest),
        signing_time=_moment(moment),
        certificate_digest=None,
    )
    return SealSignature(signed, _read_seal(seal.raw), _text(info, IA5_STRING))


def _read_seal(data: bytes) -> Seal:
    info, maker, algorithm, bits = _signed_fields(data, "SESeal")
    _need_algorithm(algorithm)
    fields = der.read_only(info.raw, der.SEQUENCE)
    header, seal_id, properties, picture = _without_extensions(fields, 4, "SES_SealInfo")
    identifier, version, _vendor = _fields(header, 3, "SES_Header")
    _need_version(version)
    if _text(identifier, IA5_STRING) != HEADER_ID:
        raise MalformedInput(f"the seal's header is not {HEADER_ID}.")
    _kind, name, list_type, holders, _made, begin, end = _fields(properties, 7, "SES_ESPropertyInfo")
    picture_type, octets, width, height = _fields(picture, 4, "SES_ESPictrueInfo")
    lists_digests = der.read_unsigned(list_type) == CERTIFICATE_DIGESTS
    if not lists_digests and der.read_unsigned(list_type) != CERTIFICATES:
        raise MalformedInput("the seal lists its users in an unknown way.")
    return Seal(
        der=data,
        info=info.raw,
        seal_id=visible(_text(seal_id, IA5_STRING)),
        name=visible(_text(name, der.UTF8_STRING)),
        holders=_holders(holders, lists_digests=lists_digests),
        lists_digests=lists_digests,
        not_before=_moment(begin),
        not_after=_moment(end),
        maker=read_certificate(_content(maker, der.OCTET_STRING)),
        signature=_whole_octets(bits),
        picture_type=visible(_text(picture_type, IA5_STRING)),
        picture=_content(octets, der.OCTET_STRING),
        size_mm=(der.read_unsigned(width), der.read_unsigned(height)),
    )


def _holders(listed: der.Element, *, lists_digests: bool) -> tuple[bytes, ...]:
    items = der.read_only(listed.raw, der.SEQUENCE)
    if not 1 <= len(items) <= _MAX_HOLDERS:
        raise MalformedInput(f"the seal lists {len(items)} users; it must list 1 to {_MAX_HOLDERS}.")
    if not lists_digests:
        return tuple(_content(item, der.OCTET_STRING) for item in items)
    pairs = [_fields(item, 2, "CertDigestObj") for item in items]
    if any(kind.tag != _PRINTABLE_STRING for kind, _ in pairs):
        raise MalformedInput("the seal names a kind of digest in an unknown way.")
    return tuple(_content(value, der.OCTET_STRING) for _, value in pairs)


def _signed_fields(data: bytes, name: str) -> list[der.Element]:
    fields = der.read_only(data, der.SEQUENCE)
    if len(fields) != 4:
        raise MalformedInput(f"{name} has {len(fields)} fields in place of 4 (time stamps are not verified here).")
    return fields


def _fields(element: der.Element, count: int, name: str) -> list[der.Element]:
    fields = der.read_only(element.raw, der.SEQUENCE)
    if len(fields) != count:
        raise MalformedInput(f"{name} has {len(fields)} fields in place of {count}.")
    return fields


def _without_extensions(fields: list[der.Element], count: int, name: str) -> list[der.Element]:
    if len(fields) == count + 1 and fields[-1].tag == _EXTENSIONS_TAG:
        return fields[:count]
    if len(fields) != count:
        raise MalformedInput(f"{name} has {len(fields)} fields in place of {count}.")
    return fields


def _need_version(element: der.Element) -> None:
    if element.raw != der.integer(VERSION):
        raise MalformedInput(f"the seal has another version than {VERSION}.", hint="Use a seal of GB/T 38540-2020.")


def _need_algorithm(element: der.Element) -> None:
    if element.raw != der.oid(oids.SM2_WITH_SM3):
        raise MalformedInput("the seal's signature algorithm is not SM2-with-SM3.", hint="Only that is verified.")


def _content(element: der.Element, tag: int) -> bytes:
    if element.tag != tag:
        raise MalformedInput(f"the seal has tag {element.tag:#04x} in place of {tag:#04x}.")
    return element.content


def _whole_octets(element: der.Element) -> bytes:
    content = _content(element, der.BIT_STRING)
    if content[:1] != b"\x00":
        raise MalformedInput("the seal has a BIT STRING that is no whole number of octets.")
    return content[1:]


def _text(element: der.Element, tag: int) -> str:
    return _content(element, tag).decode("utf-8" if tag == der.UTF8_STRING else "ascii")


def _moment(element: der.Element) -> datetime:
    octets = _content(element, der.GENERALIZED_TIME)
    if not _TIME.fullmatch(octets):
        raise MalformedInput("the seal has a time that is not in UTC and whole seconds.")
    return datetime.strptime(octets.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
