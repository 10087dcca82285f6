"""The objects of a PDF file, numbered and placed, and the table of where each one is (ISO 32000-1, 7.5).

Streams and signatures stand in the file as they are; every other object goes into a compressed object stream, which
saves a tenth of an invoice. Their table is therefore a cross-reference stream.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence

from render.pdf.syntax import stream

_FREE, _PLAIN, _PACKED = 0, 1, 2
_ENTRY = struct.Struct(">BIH")
_ENTRY_WIDTHS = "[1 4 2]"
_OBJECTS_A_STREAM = 500

FREE_ENTRY = _ENTRY.pack(_FREE, 0, 0xFFFF)
"""The entry of object 0."""


class Body:
    """Collects objects in file order; numbers follow from ``first`` on."""

    def __init__(self, first: int, offset: int) -> None:
        self._first = first
        self._next = first
        self._at = offset
        self._chunks: list[bytes] = []
        self._packed: list[tuple[int, str]] = []
        self._entries: dict[int, bytes] = {}

    @property
    def next_number(self) -> int:
        """The number that the next object will get."""
        return self._next

    @property
    def end(self) -> int:
        """File offset behind the last object that is placed."""
        return self._at

    def reserve(self) -> int:
        """Return a number for an object that follows later."""
        number = self._next
        self._next += 1
        return number

    def add(self, content: str, number: int | None = None) -> int:
        """Take an object that may be packed with others, and return its number."""
        if number is None:
            number = self.reserve()
        self._packed.append((number, content))
        return number

    def add_all(self, contents: Sequence[str]) -> range:
        """Take objects that may be packed with others, and return their numbers."""
        numbers = range(self._next, self._next + len(contents))
        self._next = numbers.stop
        self._packed.extend(zip(numbers, contents, strict=True))
        return numbers

    def place(self, content: bytes, number: int | None = None) -> int:
        """Append a stream, or an object whose place in the file matters, and return its number."""
        if number is None:
            number = self.reserve()
        chunk = b"%d 0 obj\n%b\nendobj\n" % (number, content)
        self._entries[number] = _ENTRY.pack(_PLAIN, self._at, 0)
        self._chunks.append(chunk)
        self._at += len(chunk)
        return number

    def pack(self, deflate: Callable[[bytes], bytes]) -> None:
        """Append the objects taken so far as object streams (ISO 32000-1, 7.5.7)."""
        for start in range(0, len(self._packed), _OBJECTS_A_STREAM):
            self._pack(self._packed[start : start + _OBJECTS_A_STREAM], deflate)
        self._packed = []

    def _pack(self, objects: Sequence[tuple[int, str]], deflate: Callable[[bytes], bytes]) -> None:
        texts = [text for _, text in objects]
        offsets = itertools.accumulate([len(text) + 1 for text in texts], initial=0)
        index = " ".join([f"{number} {offset}" for (number, _), offset in zip(objects, offsets, strict=False)]) + "\n"
        data = (index + "\n".join(texts)).encode("ascii")
        entries = f"/Type/ObjStm/N {len(objects)}/First {len(index)}/Filter/FlateDecode"
        holder = self.place(stream(entries, deflate(data)))
        pack = _ENTRY.pack
        self._entries.update((number, pack(_PACKED, holder, place)) for place, (number, _) in enumerate(objects))

    def chunks(self) -> list[bytes]:
        """Return the bytes of all objects that are placed, in file order."""
        return self._chunks

    def table(self) -> bytes:
        """Return the cross-reference entries of all objects, by number."""
        entries = self._entries
        return b"".join([entries[number] for number in range(self._first, self._next)])

    def finish(self, before: bytes, trailer: str, deflate: Callable[[bytes], bytes]) -> bytes:
        """Return what ends the file: the cross-reference stream, which is the trailer as well, and where it stands.

        Args:
            before: the entries of the objects whose numbers precede this body's.
            trailer: the trailer's entries but for the size.
            deflate: compresses the table.
        """
        number = self.reserve()
        self._entries[number] = _ENTRY.pack(_PLAIN, self._at, 0)
        head = f"/Type/XRef/W{_ENTRY_WIDTHS}/Size {self._next}{trailer}/Filter/FlateDecode"
        table = stream(head, deflate(before + self.table()))
        return b"%d 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (number, table, self._at)

    def offset_of(self, number: int) -> int:
        """Return where a placed object begins in the file."""
        kind, offset, _ = _ENTRY.unpack(self._entries[number])
        if kind != _PLAIN:
            raise ValueError(f"object {number} has no place of its own")
        return int(offset)
