"""The container of TIFF 6.0: pages of one strip each, in one file, least significant byte first."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from render.errors import Fault, InputError

MAX_FILE_BYTES = 2**32 - 1
"""TIFF 6.0, section 2: offsets have 32 bits."""

MAX_PAGES = 65_535
"""PageNumber is a SHORT."""

_HEADER = struct.pack("<2sHI", b"II", 42, 8)
_NEW_SUBFILE_TYPE, _STRIP_OFFSETS, _STRIP_BYTE_COUNTS, _PAGE_NUMBER, _XMP = 254, 273, 279, 297, 700
_PAGE_OF_MANY = 2


class Type(IntEnum):
    """Field types of TIFF 6.0, section 2."""

    BYTE = 1
    SHORT = 3
    LONG = 4
    RATIONAL = 5


_PACKING: Mapping[Type, tuple[str, int]] = MappingProxyType(
    {Type.BYTE: ("B", 1), Type.SHORT: ("H", 1), Type.LONG: ("I", 1), Type.RATIONAL: ("I", 2)}
)


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a directory: a tag and its numbers, two for each RATIONAL."""

    tag: int
    type: Type
    values: tuple[int, ...] | bytes

    def entry(self, at: int) -> tuple[bytes, bytes]:
        """Return the directory entry, and the bytes that must stand at offset ``at`` if they do not fit into it."""
        letter, numbers = _PACKING[self.type]
        body = struct.pack(f"<{len(self.values)}{letter}", *self.values)
        head = struct.pack("<HHI", self.tag, self.type, len(self.values) // numbers)
        if len(body) <= 4:
            return head + body.ljust(4, b"\0"), b""
        return head + struct.pack("<I", at), body + b"\0" * (len(body) % 2)


@dataclass(frozen=True, slots=True)
class TiffPage:
    """One page, compressed.

    Attributes:
        fields: the directory without what depends on the place in the file.
        strip: all rows.
    """

    fields: tuple[Field, ...]
    strip: bytes

    def __len__(self) -> int:
        return len(self.strip)


def tiff_file(pages: Sequence[TiffPage], packet: bytes = b"") -> bytes:
    """Return the file: header, then directory, long values and strip of each page.

    Args:
        pages: at least one; where there are more, each is marked as a page of a document, with its number.
        packet: XMP, put beside the first page; empty = none.

    Raises:
        InputError: more bytes than 32-bit offsets reach, or more pages than can be numbered.
    """
    if sum(len(page.strip) for page in pages) > MAX_FILE_BYTES - (1 << 20) or len(pages) > MAX_PAGES:
        message = f"{len(pages):,} pages exceed the 4 GiB or {MAX_PAGES:,} pages of a TIFF."
        hint = "Choose a lower resolution, or a format with a file a page."
        fault = Fault("outputs", "encode.file_size", message, hint)
        raise InputError("the document cannot be written as TIFF.", faults=(fault,))
    parts, at = [_HEADER], len(_HEADER)
    for number, page in enumerate(pages):
        more = _numbering(number, len(pages))
        if packet and number == 0:
            more.append(Field(_XMP, Type.BYTE, packet))
        part = _page(page, more, at, is_last=number + 1 == len(pages))
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _numbering(number: int, n_pages: int) -> list[Field]:
    if n_pages == 1:
        return []
    return [
        Field(_NEW_SUBFILE_TYPE, Type.LONG, (_PAGE_OF_MANY,)),
        Field(_PAGE_NUMBER, Type.SHORT, (number, n_pages)),
    ]


def _page(page: TiffPage, more: Sequence[Field], start: int, *, is_last: bool) -> bytes:
    """Return directory, long values and strip as they stand at the even offset ``start``."""
    fields = (*page.fields, *more)
    n_entries = len(fields) + 2
    values_at = start + 2 + 12 * n_entries + 4
    # The values' length is known when every entry is; where the strip begins does not change it.
    strip_at = values_at + sum(len(field.entry(0)[1]) for field in fields)
    place = (
        Field(_STRIP_OFFSETS, Type.LONG, (strip_at,)),
        Field(_STRIP_BYTE_COUNTS, Type.LONG, (len(page.strip),)),
    )
    entries, values, at = [], [], values_at
    for field in sorted((*fields, *place), key=lambda field: field.tag):
        entry, body = field.entry(at)
        entries.append(entry)
        values.append(body)
        at += len(body)
    # The last page's strip ends the file; before another directory, which must begin on an even offset, it is padded.
    padding = b"" if is_last else b"\0" * (len(page.strip) % 2)
    next_at = 0 if is_last else strip_at + len(page.strip) + len(padding)
    return b"".join(
        (struct.pack("<H", n_entries), *entries, struct.pack("<I", next_at), *values, page.strip, padding),
    )
