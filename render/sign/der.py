"""DER (ITU-T X.690): writing the few types that signatures need, and reading with no tolerance at all.

The reader refuses whatever has two spellings: indefinite and padded lengths, padded integers, loose booleans. A
signature file is only partly covered by the signature itself, so one meaning must have exactly one form.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from render.errors import MalformedInput

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x0C, 0x17, 0x18, 0x30, 0x31
CONSTRUCTED = 0x20

NULL_DER = b"\x05\x00"
MAX_DEPTH = 24
_LONG_TAG = 0x1F
_FIRST_YEAR_OF_GENERALIZED_TIME = 2050


class Element(NamedTuple):
    """One tag-length-value: tag octet, the value, and all its octets."""

    tag: int
    content: bytes
    raw: bytes


def tlv(tag: int, content: bytes) -> bytes:
    """Return the content with its tag and the shortest length."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*parts: bytes) -> bytes:
    """Return SEQUENCE of encoded parts."""
    return tlv(SEQUENCE, b"".join(parts))


def set_of(parts: Iterable[bytes]) -> bytes:
    """Return SET OF the encoded parts in the order that DER asks for (X.690, 11.6)."""
    return tlv(SET, b"".join(sorted(parts)))


def explicit(number: int, content: bytes) -> bytes:
    """Return the constructed context tag [number] around encoded content."""
    return tlv(0xA0 | number, content)


def integer(value: int) -> bytes:
    """Return INTEGER of any sign, shortest form."""
    magnitude = value if value >= 0 else ~value
    return tlv(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def octet_string(content: bytes) -> bytes:
    """Return OCTET STRING."""
    return tlv(OCTET_STRING, content)


def bit_string(content: bytes) -> bytes:
    """Return BIT STRING of whole octets."""
    return tlv(BIT_STRING, b"\x00" + content)


@lru_cache(maxsize=128)
def oid(dotted: str) -> bytes:
    """Return OBJECT IDENTIFIER of the dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        octets += bytes(reversed(groups))
    return tlv(OID, bytes(octets))


def time(moment: datetime) -> bytes:
    """Return UTCTime, or GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5), in whole seconds.

    Args:
        moment: with a time zone.
    """
    utc = moment.astimezone(UTC)
    if utc.year < _FIRST_YEAR_OF_GENERALIZED_TIME:
        return tlv(UTC_TIME, utc.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return tlv(GENERALIZED_TIME, utc.strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def read(data: bytes, start: int = 0) -> Element:
    """Read the element that begins at ``start``; octets after it are not looked at.

    Raises:
        MalformedInput: not DER, or cut short.
    """
    if start + 2 > len(data):
        raise MalformedInput("DER ends inside a header.")
    tag, size, begin = data[start], data[start + 1], start + 2
    if tag & _LONG_TAG == _LONG_TAG:
        raise MalformedInput("DER uses a long tag, which no signature has.")
    if size & 0x80:
        count = size & 0x7F
        octets = data[begin : begin + count]
        size = int.from_bytes(octets, "big")
        if not 1 <= count <= 4 or len(octets) != count or octets[0] == 0 or size < 0x80:
            raise MalformedInput("DER has a length that is indefinite or not in its shortest form.")
        begin += count
    end = begin + size
    if end > len(data):
        raise MalformedInput("DER ends inside a value.")
    return Element(tag, data[begin:end], data[start:end])


def read_all(content: bytes) -> list[Element]:
    """Read the elements that fill the content exactly.

    Raises:
        MalformedInput: not DER.
    """
    elements, at = [], 0
    while at < len(content):
        element = read(content, at)
        elements.append(element)
        at += len(element.raw)
    return elements


def read_only(data: bytes, tag: int) -> list[Element]:
    """Read one constructed element that fills the data, and return its children.

    Raises:
        MalformedInput: another tag, octets left over, or not DER.
    """
    element = read(data)
    if element.tag != tag or len(element.raw) != len(data):
        raise MalformedInput(
            f"DER has tag {element.tag:#04x} and {len(element.raw)} octets in place of "
            f"tag {tag:#04x} and {len(data)} octets."
        )
    return read_all(element.content)


def read_unsigned(element: Element) -> int:
    """Return the value of a non-negative INTEGER in its shortest form.

    Raises:
        MalformedInput: anything else.
    """
    value = int.from_bytes(element.content, "big", signed=True)
    if element.tag != INTEGER or not element.content or value < 0 or integer(value) != element.raw:
        raise MalformedInput("DER has no plain unsigned INTEGER where one must be.")
    return value


def check_canonical(data: bytes, depth: int = 0) -> None:
    """Check that the data is one DER element, through all levels.

    Raises:
        MalformedInput: a value is not in its only permitted form, or is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise MalformedInput(f"DER is nested more than {MAX_DEPTH} levels deep.")
    element = read(data)
    if len(element.raw) != len(data):
        raise MalformedInput(f"{len(data) - len(element.raw)} octets follow the DER value.")
    if element.tag & CONSTRUCTED:
        for child in read_all(element.content):
            check_canonical(child.raw, depth + 1)
    elif not _is_canonical_primitive(element):
        raise MalformedInput(f"DER value with tag {element.tag:#04x} is not in its only permitted form.")


def _is_canonical_primitive(element: Element) -> bool:
    content = element.content
    if element.tag == INTEGER:
        return bool(content) and integer(int.from_bytes(content, "big", signed=True)) == element.raw
    if element.tag == BOOLEAN:
        return content in (b"\x00", b"\xff")
    if element.tag == NULL:
        return not content
    if element.tag == BIT_STRING:
        return bool(content) and content[0] <= 7 and not (content[0] and content[-1] & ((1 << content[0]) - 1))
    return element.tag not in (SEQUENCE & ~CONSTRUCTED, SET & ~CONSTRUCTED)
