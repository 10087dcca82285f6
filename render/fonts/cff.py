"""CID-keyed CFF subsets (Adobe Technical Note 5176) assembled from kept charstrings, for FontFile3 CIDFontType0C.

In the result CID = glyph id = place in the request, so a PDF writer needs no other map.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from render.errors import ConfigError
from render.fonts.face import Face
from render.fonts.outlines import OutlineCutter

_OP_CHARSET, _OP_CHARSTRINGS, _OP_PRIVATE, _OP_SUBRS = 15, 17, 18, 19
_OP_ESCAPE = 12
_OP_FONT_BBOX = 5
_OP_ROS, _OP_CID_COUNT, _OP_FD_ARRAY, _OP_FD_SELECT = (12, 30), (12, 34), (12, 36), (12, 37)
_FIRST_CUSTOM_SID = 391
_HEADER = bytes((1, 0, 4, 4))

Dict = dict[int | tuple[int, int], tuple[bytes, list[int]]]


@dataclass(frozen=True, slots=True)
class _Charstring:
    """One glyph's program and the Private DICT that its width operand refers to."""

    program: bytes
    private: bytes


class CffOutlines:
    """The charstrings of one CFF face, cut when first needed."""

    def __init__(self, face: Face) -> None:
        self._name = face.postscript_name.encode()
        self._cutter = OutlineCutter(face)
        self._kept: dict[int, _Charstring] = {}
        self._bbox = b""

    def assemble(self, glyph_ids: Sequence[int]) -> bytes:
        """Return a CFF font whose glyph i is ``glyph_ids[i]``; the first one must be 0 (.notdef)."""
        missing = [glyph for glyph in glyph_ids if glyph not in self._kept]
        if missing:
            self._cut(missing)
        charstrings = [self._kept[glyph] for glyph in glyph_ids]
        privates = sorted({charstring.private for charstring in charstrings})
        return self._font(charstrings, privates)

    def _cut(self, glyph_ids: Sequence[int]) -> None:
        font, places = self._cutter.cut(glyph_ids)
        table = _Cff(font.reference_table("CFF ").data)
        self._bbox = self._bbox or table.top[_OP_FONT_BBOX][0]
        for glyph in glyph_ids:
            self._kept[glyph] = table.charstring(places[glyph])

    def _font(self, charstrings: Sequence[_Charstring], privates: Sequence[bytes]) -> bytes:
        count = len(charstrings)
        front = _HEADER + _index([self._name])
        strings = _index([b"Adobe", b"Identity"]) + _index([])
        charset = struct.pack(">BHH", 2, 1, count - 2) if count > 1 else b"\0"
        fd_of = {private: place for place, private in enumerate(privates)}
        fd_select = b"\0" + bytes([fd_of[charstring.private] for charstring in charstrings])
        programs = _index([charstring.program for charstring in charstrings])
        # Every number in the Top DICT takes five bytes, so its length does not depend on the offsets in it.
        top_length = len(_index([self._top_dict(count, 0, 0, 0, 0)]))
        at_charset = len(front) + top_length + len(strings)
        at_fd_select = at_charset + len(charset)
        at_programs = at_fd_select + len(fd_select)
        at_fd_array = at_programs + len(programs)
        fd_length = len(_index([_private_entry(0, 0)] * len(privates)))
        at_private = at_fd_array + fd_length
        fonts = []
        for private in privates:
            fonts.append(_private_entry(len(private), at_private))
            at_private += len(private)
        top = self._top_dict(count, at_charset, at_programs, at_fd_array, at_fd_select)
        return b"".join((front, _index([top]), strings, charset, fd_select, programs, _index(fonts), *privates))

    def _top_dict(self, count: int, charset: int, programs: int, fd_array: int, fd_select: int) -> bytes:
        registry = _number(_FIRST_CUSTOM_SID) + _number(_FIRST_CUSTOM_SID + 1) + _number(0) + bytes(_OP_ROS)
        return b"".join(
            (
                registry,
                self._bbox + bytes((_OP_FONT_BBOX,)),
                _number(count) + bytes(_OP_CID_COUNT),
                _number(charset) + bytes((_OP_CHARSET,)),
                _number(programs) + bytes((_OP_CHARSTRINGS,)),
                _number(fd_array) + bytes(_OP_FD_ARRAY),
                _number(fd_select) + bytes(_OP_FD_SELECT),
            )
        )


class _Cff:
    """Reads the tables of a CFF that HarfBuzz wrote."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        _, at = self._index_at(data[2])
        tops, at = self._index_at(at)
        self.top = _parse_dict(tops[0])
        self._programs, _ = self._index_at(self._operand(self.top, _OP_CHARSTRINGS))
        if _OP_FD_ARRAY in self.top:
            fonts, _ = self._index_at(self._operand(self.top, _OP_FD_ARRAY))
            self._privates = [self._private(_parse_dict(font)) for font in fonts]
            self._fd_of = self._read_fd_select(self._operand(self.top, _OP_FD_SELECT))
        else:
            self._privates = [self._private(self.top)]
            self._fd_of = [0] * len(self._programs)

    def charstring(self, glyph: int) -> _Charstring:
        return _Charstring(self._programs[glyph], self._privates[self._fd_of[glyph]])

    def _private(self, font: Dict) -> bytes:
        """Return a Private DICT without its local subroutines, which no charstring calls any more."""
        size, at = font[_OP_PRIVATE][1]
        entries = _parse_dict(self._data[at : at + size])
        return b"".join(
            raw + (bytes(op) if isinstance(op, tuple) else bytes((op,)))
            for op, (raw, _) in entries.items()
            if op != _OP_SUBRS
        )

    def _read_fd_select(self, at: int) -> list[int]:
        data, count = self._data, len(self._programs)
        if data[at] == 0:
            return list(data[at + 1 : at + 1 + count])
        if data[at] != 3:
            raise ConfigError(f"FDSelect format {data[at]} is unknown.", hint="Use another font file.")
        ranges = struct.unpack_from(">H", data, at + 1)[0]
        fd_of: list[int] = []
        for place in range(ranges):
            first, fd, following = struct.unpack_from(">HBH", data, at + 3 + 3 * place)
            fd_of += [fd] * (following - first)
        return fd_of

    def _operand(self, entries: Dict, op: int | tuple[int, int]) -> int:
        return entries[op][1][0]

    def _index_at(self, at: int) -> tuple[list[bytes], int]:
        """Return the entries of an INDEX and the offset behind it."""
        data = self._data
        count = struct.unpack_from(">H", data, at)[0]
        if count == 0:
            return [], at + 2
        width = data[at + 2]
        first = at + 3
        ends = [int.from_bytes(data[first + i * width : first + (i + 1) * width], "big") for i in range(count + 1)]
        base = first + (count + 1) * width - 1
        return [data[base + a : base + b] for a, b in itertools.pairwise(ends)], base + ends[-1]


def _parse_dict(data: bytes) -> Dict:
    """Return operator → (raw operands, integer operands); real numbers are kept raw only."""
    entries: Dict = {}
    at = start = 0
    numbers: list[int] = []
    while at < len(data):
        first = data[at]
        if first <= 21:
            raw = data[start:at]
            op: int | tuple[int, int] = first
            if first == _OP_ESCAPE:
                op, at = (first, data[at + 1]), at + 1
            entries[op] = (raw, numbers)
            at, numbers = at + 1, []
            start = at
        else:
            number, at = _parse_number(data, at)
            numbers.append(number)
    return entries


def _parse_number(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first == 28:
        return struct.unpack_from(">h", data, at + 1)[0], at + 3
    if first == 29:
        return struct.unpack_from(">i", data, at + 1)[0], at + 5
    if first == 30:
        while data[at + 1] & 0x0F != 0x0F and data[at + 1] >> 4 != 0x0F:
            at += 1
        return 0, at + 2
    if first <= 246:
        return first - 139, at + 1
    if first <= 250:
        return (first - 247) * 256 + data[at + 1] + 108, at + 2
    return -(first - 251) * 256 - data[at + 1] - 108, at + 2


def _number(value: int) -> bytes:
    return b"\x1d" + value.to_bytes(4, "big", signed=True)


def _private_entry(size: int, at: int) -> bytes:
    return _number(size) + _number(at) + bytes((_OP_PRIVATE,))


def _index(entries: Sequence[bytes]) -> bytes:
    if not entries:
        return b"\0\0"
    end = 1
    ends = [end]
    for entry in entries:
        end += len(entry)
        ends.append(end)
    width = (end.bit_length() + 7) // 8
    if width == 3:
        width = 4
    offsets = struct.pack(f">{len(ends)}{'_BHII'[width]}", *ends)
    return b"".join((struct.pack(">HB", len(entries), width), offsets, *entries))
