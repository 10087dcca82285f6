"""The objects of a PDF file, numbered and placed, and the table of where each one is (ISO 32000-1, 7.5).

Streams and signatures stand in the file as they are; every other object goes into a compressed object stream, which
saves a tenth of an invoice. Their table is therefore a cross-reference stream.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from render.errors import OutputInvalid
from render.pdf.syntax import stream

_FREE, _PLAIN, _PACKED = 0, 1, 2
_ENTRY = struct.Struct(">BIH")
_ENTRY_WIDTHS = "[1 4 2]"
_OBJECTS_A_STREAM = 500
_KEPT_ENTRIES = 128

Deflate = Callable[[bytes], bytes]

FREE_ENTRY = _ENTRY.pack(_FREE, 0, 0xFFFF)
"""The entry of object 0."""


class ObjectStream(NamedTuple):
    """A finished object stream and how many objects it holds."""

    n_objects: int
    data: bytes


def pack_objects(objects: Sequence[tuple[int, str]], deflate: Deflate) -> list[ObjectStream]:
    """Return object streams (ISO 32000-1, 7.5.7) of objects, each with its number."""
    starts = range(0, len(objects), _OBJECTS_A_STREAM)
    return [_object_stream(objects[start : start + _OBJECTS_A_STREAM], deflate) for start in starts]


def _object_stream(objects: Sequence[tuple[int, str]], deflate: Deflate) -> ObjectStream:
    index, texts, offset = [], [], 0
    for number, text in objects:
        index.append(f"{number} {offset}")
        texts.append(text)
        offset += len(text) + 1
    head = " ".join(index) + "\n"
    data = (head + "\n".join(texts)).encode("ascii")
    entries = f"/Type/ObjStm/N {len(objects)}/First {len(head)}/Filter/FlateDecode"
    return ObjectStream(len(objects), stream(entries, deflate(data)))


class Body:
    """Collects objects in file order; numbers follow from ``first`` on."""

    def __init__(self, first: int, offset: int) -> None:
        self._first = first
        self._next = first
        self._at = offset
        self._chunks: list[bytes] = []
        self._packed: list[tuple[int, str]] = []
        # By number; objects that were packed together have all their entries at the first of them.
        self._entries: list[bytes] = []

    @property
    def next_number(self) -> int:
        """The number that the next object will get."""
        return self._next

    def reserve(self) -> int:
        """Return a number for an object that follows later."""
        number = self._next
        self._next += 1
        self._entries.append(b"")
        return number

    def add(self, content: str, number: int | None = None) -> int:
        """Take an object that may be packed with others, and return its number."""
        if number is None:
            number = self.reserve()
        self._packed.append((number, content))
        return number

    def add_packed(self, streams: Sequence[ObjectStream]) -> range:
        """Append objects that were packed with the numbers that follow here, and return these numbers."""
        numbers = range(self._next, self._next + sum(part.n_objects for part in streams))
        self._next = numbers.stop
        self._entries.extend([b""] * len(numbers))
        first = numbers.start
        for part in streams:
            self._entries[first - self._first] = _packed_entries(self.place(part.data), part.n_objects)
            first += part.n_objects
        return numbers

    def place(self, content: bytes, number: int | None = None) -> int:
        """Append a stream, or an object whose place in the file matters, and return its number."""
        if number is None:
            number = self.reserve()
        chunk = b"%d 0 obj\n%b\nendobj\n" % (number, content)
        self._entries[number - self._first] = _ENTRY.pack(_PLAIN, self._at, 0)
        self._chunks.append(chunk)
        self._at += len(chunk)
        return number

    def pack(self, deflate: Deflate) -> None:
        """Append the objects taken so far as object streams."""
        taken, first, entries = iter(self._packed), self._first, self._entries
        for part in pack_objects(self._packed, deflate):
            # The entries first, since whoever runs out first has taken one from the other.
            for entry, (number, _) in zip(_each_packed(self.place(part.data), part.n_objects), taken, strict=False):
                entries[number - first] = entry
        self._packed = []

    def chunks(self) -> list[bytes]:
        """Return the bytes of all objects that are placed, in file order."""
        return self._chunks

    def table(self) -> bytes:
        """Return the cross-reference entries of all objects, by number.

        Raises:
            OutputInvalid: a number was reserved and never used.
        """
        table = b"".join(self._entries)
        if len(table) != _ENTRY.size * len(self._entries):
            raise OutputInvalid("an object is missing.", hint="Please report this defect.")
        return table

    def finish(self, before: bytes, trailer: str, deflate: Deflate) -> bytes:
        """Return what ends the file: the cross-reference stream, which is the trailer as well, and where it stands.

        Args:
            before: the entries of the objects whose numbers precede this body's.
            trailer: the trailer's entries but for the size.
            deflate: compresses the table.
        """
        number = self.reserve()
        self._entries[number - self._first] = _ENTRY.pack(_PLAIN, self._at, 0)
        head = f"/Type/XRef/W{_ENTRY_WIDTHS}/Size {self._next}{trailer}/Filter/FlateDecode"
        table = stream(head, deflate(before + self.table()))
        return b"%d 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (number, table, self._at)

    def offset_of(self, number: int) -> int:
        """Return where a placed object begins in the file."""
        kind, offset, _ = _ENTRY.unpack(self._entries[number - self._first])
        if kind != _PLAIN:
            raise ValueError(f"object {number} has no place of its own")
        return int(offset)


@lru_cache(maxsize=_KEPT_ENTRIES)
def _packed_entries(holder: int, count: int) -> bytes:
    """Return the cross-reference entries of all objects of an object stream, by their place in it."""
    return b"".join(_each_packed(holder, count))


@lru_cache(maxsize=_KEPT_ENTRIES)
def _each_packed(holder: int, count: int) -> tuple[bytes, ...]:
    return tuple([_ENTRY.pack(_PACKED, holder, place) for place in range(count)])
