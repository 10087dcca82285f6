"""The body of a PDF file: numbered objects one behind the other, and where each begins."""

from __future__ import annotations

from collections.abc import Sequence


class Body:
    """Collects objects in file order; numbers follow from ``first`` on."""

    def __init__(self, first: int, offset: int) -> None:
        self._next = first
        self._first = first
        self._at = offset
        self._chunks: list[bytes] = []
        self._offsets: dict[int, int] = {}

    @property
    def next_number(self) -> int:
        """The number that the next object will get."""
        return self._next

    @property
    def end(self) -> int:
        """File offset behind the last object."""
        return self._at

    def reserve(self) -> int:
        """Return a number for an object that follows later."""
        number = self._next
        self._next += 1
        return number

    def add(self, content: bytes | str, number: int | None = None) -> int:
        """Append an object and return its number."""
        if number is None:
            number = self.reserve()
        data = content.encode("ascii") if isinstance(content, str) else content
        chunk = b"%d 0 obj\n%b\nendobj\n" % (number, data)
        self._offsets[number] = self._at
        self._chunks.append(chunk)
        self._at += len(chunk)
        return number

    def offset_of(self, number: int) -> int:
        """Return where an object begins in the file."""
        return self._offsets[number]

    def chunks(self) -> list[bytes]:
        """Return the bytes of all objects, in file order."""
        return self._chunks

    def table(self) -> bytes:
        """Return the cross-reference entries of all objects, by number."""
        offsets = [self._offsets[number] for number in range(self._first, self._next)]
        return table_entries(offsets)


def table_entries(offsets: Sequence[int]) -> bytes:
    """Return cross-reference entries of 20 bytes each (ISO 32000-1, 7.5.4)."""
    return (b"%010d 00000 n \n" * len(offsets)) % tuple(offsets)
