"""The objects of a PDF file: collected and numbered first, then put together as often as their values change.

Streams and signatures stand in the file as they are; every other object goes into a compressed object stream, which
saves a tenth of an invoice. Their table is therefore a cross-reference stream (ISO 32000-1, 7.5.7 and 7.5.8).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from render.errors import OutputInvalid
from render.pdf.syntax import stream

_FREE, _PLAIN, _PACKED = 0, 1, 2
_ENTRY = struct.Struct(">BIH")
_OFFSET_AT = 1
_OFFSET = struct.Struct(">I")
_NO_ENTRY = b"\xff"
_SHORT_END = 1 << 16
_OBJECTS_A_STREAM = 250
_KEPT_ENTRIES = 128
_SLOT = re.compile("\x01(\\d+)\x02")
_CONTENT_SLOT = re.compile(b"\x01(\\d+)\x02")
_END_OBJECT = b"\nendobj\n"

Deflate = Callable[[bytes], bytes]

FREE_ENTRY = _ENTRY.pack(_FREE, 0, 0xFFFF)
"""The entry of object 0."""


def slot(place: int) -> str:
    """Return what stands for a value that differs from file to file: of texts and of contents, each numbered from 0.

    No object holds such control characters.
    """
    return f"\x01{place}\x02"


class ObjectStream(NamedTuple):
    """A finished object stream and how many objects it holds."""

    n_objects: int
    data: bytes


def pack_objects(objects: Sequence[tuple[int, str]], deflate: Deflate) -> list[ObjectStream]:
    """Return object streams (ISO 32000-1, 7.5.7) of objects, each with its number."""
    starts = range(0, len(objects), _OBJECTS_A_STREAM)
    parts = [objects[start : start + _OBJECTS_A_STREAM] for start in starts]
    return [ObjectStream(len(part), _PackForm(part).fill((), deflate)) for part in parts]


class _PackForm:
    """An object stream whose objects have slots."""

    def __init__(self, objects: Sequence[tuple[int, str]]) -> None:
        pieces: list[str] = [""]
        self._offsets: list[tuple[int, int]] = []
        fixed = 0
        for _, text in objects:
            # Where an object begins: after so much that is fixed, and after so many values.
            self._offsets.append((fixed, len(pieces) // 2))
            first, *rest = _SLOT.split(text)
            pieces[-1] += first
            pieces += rest
            pieces[-1] += "\n"
            fixed += len(first) + sum(map(len, rest[1::2])) + 1
        pieces[-1] = pieces[-1][:-1]
        self._slots = tuple(map(int, pieces[1::2]))
        self._pieces = pieces
        self._index_form = " ".join([f"{number} %d" for number, _ in objects]) + "\n"
        self._entries = f"/Type/ObjStm/N {len(objects)}/First "

    def fill(self, texts: Sequence[str], deflate: Deflate) -> bytes:
        values = [texts[place] for place in self._slots]
        pieces = self._pieces.copy()
        pieces[1::2] = values
        ends = list(accumulate(map(len, values), initial=0))
        index = self._index_form % tuple([fixed + ends[n_values] for fixed, n_values in self._offsets])
        data = deflate(f"{index}{''.join(pieces)}".encode("ascii"))
        return stream(f"{self._entries}{len(index)}/Filter/FlateDecode", data)


class Body:
    """Collects objects in file order; numbers follow from ``first`` on.

    Texts and contents may be, or texts may have in them, a :func:`slot`.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.placed: list[tuple[int, bytes | _PackForm]] = []
        """Number and content of what stands in the file as it is, in that order."""

        # By number, but for the offsets of what is placed.
        self.entries: list[bytes] = []
        self._taken: list[tuple[int, str]] = []

    @property
    def next_number(self) -> int:
        """The number that the next object will get."""
        return self.first + len(self.entries)

    def reserve(self) -> int:
        """Return a number for an object that follows later."""
        self.entries.append(_NO_ENTRY)
        return self.next_number - 1

    def add(self, content: str, number: int | None = None) -> int:
        """Take an object that may be packed with others, and return its number."""
        if number is None:
            number = self.reserve()
        self._taken.append((number, content))
        return number

    def add_packed(self, streams: Sequence[ObjectStream]) -> range:
        """Append objects that were packed with the numbers that follow here, and return these numbers."""
        numbers = range(self.next_number, self.next_number + sum(part.n_objects for part in streams))
        self.entries += [_NO_ENTRY] * len(numbers)
        first = numbers.start - self.first
        for part in streams:
            self.entries[first : first + part.n_objects] = _packed_entries(self.place(part.data), part.n_objects)
            first += part.n_objects
        return numbers

    def place(self, content: bytes | _PackForm, number: int | None = None) -> int:
        """Append a stream, or an object whose place in the file matters, and return its number."""
        if number is None:
            number = self.reserve()
        self.entries[number - self.first] = _ENTRY.pack(_PLAIN, 0, 0)
        self.placed.append((number, content))
        return number

    def pack(self) -> None:
        """Append the objects taken so far as object streams."""
        for start in range(0, len(self._taken), _OBJECTS_A_STREAM):
            part = self._taken[start : start + _OBJECTS_A_STREAM]
            entries = _packed_entries(self.place(_PackForm(part)), len(part))
            for (number, _), entry in zip(part, entries, strict=True):
                self.entries[number - self.first] = entry
        self._taken = []


class Filled(NamedTuple):
    """Objects with all their values.

    Attributes:
        chunks: their bytes.
        offsets: where each of those that are placed begins in the file, by order, and the end of all.
        table: the cross-reference entries of all objects, by number.
    """

    chunks: list[bytes]
    offsets: list[int]
    table: bytes


class BodyForm:
    """The objects of a body that is complete, to be put together with any values for its slots.

    Args:
        body: whose objects were all packed or placed.

    Raises:
        OutputInvalid: a number was reserved and never used.
    """

    def __init__(self, body: Body) -> None:
        if _NO_ENTRY in body.entries:
            raise OutputInvalid("an object is missing.", hint="Please report this defect.")
        self._table = b"".join(body.entries)
        self._offset_at = [_ENTRY.size * (number - body.first) + _OFFSET_AT for number, _ in body.placed]
        # What never changes, or what begins an object and where its content comes from.
        self._items: list[tuple[bytes, int | _PackForm | None]] = []
        for number, content in body.placed:
            head = b"%d 0 obj\n" % number
            if isinstance(content, _PackForm):
                self._items.append((head, content))
            elif found := _CONTENT_SLOT.fullmatch(content):
                self._items.append((head, int(found[1])))
            else:
                self._items.append((b"%b%b%b" % (head, content, _END_OBJECT), None))

    def n_chunks(self, n_items: int) -> int:
        """Return how many chunks the first of what is placed becomes."""
        return sum(1 if source is None else 3 for _, source in self._items[:n_items])

    def fill(self, at: int, texts: Sequence[str], contents: Sequence[bytes], deflate: Deflate) -> Filled:
        """Return the objects.

        Args:
            at: where the first of them begins in the file.
            texts: for the slots of texts.
            contents: for the slots of contents.
            deflate: compresses object streams.
        """
        chunks: list[bytes] = []
        offsets = []
        table = bytearray(self._table)
        for (head, source), offset_at in zip(self._items, self._offset_at, strict=True):
            offsets.append(at)
            _OFFSET.pack_into(table, offset_at, at)
            if source is None:
                chunks.append(head)
                at += len(head)
            else:
                content = contents[source] if isinstance(source, int) else source.fill(texts, deflate)
                chunks += (head, content, _END_OBJECT)
                at += len(head) + len(content) + len(_END_OBJECT)
        offsets.append(at)
        return Filled(chunks, offsets, bytes(table))


def end_of_file(table: bytes, at: int, trailer: str, deflate: Deflate) -> bytes:
    """Return the cross-reference stream, which is the trailer as well, and where it stands (ISO 32000-1, 7.5.8).

    Args:
        table: the entries of all objects before it, from object 0 on.
        at: where it begins.
        trailer: the trailer's entries but for the size.
        deflate: compresses a table of long offsets.
    """
    number = len(table) // _ENTRY.size
    table += _ENTRY.pack(_PLAIN, at, 0)
    if at < _SHORT_END:
        # Two bytes of the offset and one of the place: as short as the compressed table, and no work.
        short = bytearray(len(table) // _ENTRY.size * 4)
        for place, column in enumerate((0, 3, 4, 6)):
            short[place::4] = table[column :: _ENTRY.size]
        widths, entries = "[1 2 1]", bytes(short)
    else:
        widths, entries = "[1 4 2]/Filter/FlateDecode", deflate(table)
    found = stream(f"/Type/XRef/Size {number + 1}{trailer}/W{widths}", entries)
    return b"%d 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (number, found, at)


@lru_cache(maxsize=_KEPT_ENTRIES)
def _packed_entries(holder: int, count: int) -> tuple[bytes, ...]:
    """Return the cross-reference entries of all objects of an object stream, by their place in it."""
    return tuple([_ENTRY.pack(_PACKED, holder, place) for place in range(count)])
