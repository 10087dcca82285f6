"""CID-keyed CFF subsets (Adobe Technical Note 5176) assembled from kept charstrings, for FontFile3 CIDFontType0C.

In the result CID = glyph id = place in the request, so a PDF writer needs no other map.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.errors import ConfigError
from render.fonts.arena import GlyphArena
from render.fonts.face import Face
from render.fonts.outlines import OutlineCutter

_OP_CHARSET, _OP_CHARSTRINGS, _OP_PRIVATE, _OP_SUBRS = 15, 17, 18, 19
_OP_ESCAPE = 12
_OP_FONT_BBOX = 5
_OP_ROS, _OP_CID_COUNT, _OP_FD_ARRAY, _OP_FD_SELECT = (12, 30), (12, 34), (12, 36), (12, 37)
_HEADER = bytes((1, 0, 4, 4))
# The Top DICT names registry, ordering and supplement by the first two strings of the font itself, 391 and 392, and 0.
_REGISTRY = bytes((248, 27, 248, 28, 139, *_OP_ROS))
# Every number that follows takes five bytes, so the length of the Top DICT does not depend on the offsets in it.
_TOP_NUMBERS = struct.Struct(">Bi2sBiBBiBBi2sBi2s")
_PRIVATE_ENTRY = struct.Struct(">BiBiB")
# The Top DICT's own INDEX: one entry, offsets of one byte.
_TOP_HEAD = struct.Struct(">HBBB")
_NUMBER = 29

Dict = dict[int | tuple[int, int], tuple[bytes, list[int]]]


class CffOutlines:
    """The charstrings of one CFF face, cut when first needed."""

    def __init__(self, face: Face) -> None:
        self._strings = _index([b"Adobe", b"Identity"]) + _index([])
        self._front = _HEADER + _index([face.postscript_name.encode()])
        self._dicts: dict[frozenset[int], _PrivateDicts] = {}
        self._cutter = OutlineCutter(face)
        self._programs = GlyphArena(len(face.advance))
        # The Private DICTs that the width operands of programs refer to, and which of them each glyph's refers to.
        self._privates: list[bytes] = []
        self._private_of = np.zeros(len(face.advance), np.uint8)
        self._bbox = b""

    def keep(self, glyph_ids: NDArray[np.int64]) -> None:
        """Cut those of the glyphs that were not cut yet."""
        missing = self._programs.lacks(glyph_ids).tolist()
        if not missing:
            return
        font, places = self._cutter.cut(missing)
        table = _Cff(font.reference_table("CFF ").data)
        self._bbox = self._bbox or table.top[_OP_FONT_BBOX][0]
        for glyph in dict.fromkeys(missing):
            program, private = table.charstring(places[glyph])
            if private not in self._privates:
                self._privates.append(private)
            self._programs.add(glyph, program)
            self._private_of[glyph] = self._privates.index(private)

    def lacks(self, glyph_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the glyphs that were not cut yet."""
        return self._programs.lacks(glyph_ids)

    def assemble(self, glyph_ids: NDArray[np.int64]) -> bytes:
        """Return a CFF font whose glyph i is ``glyph_ids[i]``, all cut; the first one must be 0 (.notdef)."""
        count = len(glyph_ids)
        private_of = self._private_of[glyph_ids].tobytes()
        dicts = self._private_dicts(frozenset(private_of))
        fd_select = b"\0" + private_of.translate(dicts.renumbered)
        charset = struct.pack(">BHH", 2, 1, count - 2) if count > 1 else b"\0"
        data, ends = self._programs.join(glyph_ids)
        width = _offset_width(len(data) + 1)
        ends += 1
        programs_head = struct.pack(">HB", count, width) + ends.astype(f">u{width}").tobytes()
        at_charset = len(self._front) + _TOP_HEAD.size + self._top_length() + len(self._strings)
        at_fd_select = at_charset + len(charset)
        at_programs = at_fd_select + len(fd_select)
        at_fd_array = at_programs + len(programs_head) + len(data)
        at_private = at_fd_array + len(dicts.fonts_head) + _PRIVATE_ENTRY.size * len(dicts.sizes)
        fonts = []
        for size in dicts.sizes:
            fonts.append(_PRIVATE_ENTRY.pack(_NUMBER, size, _NUMBER, at_private, _OP_PRIVATE))
            at_private += size
        top = self._top_dict(count, at_charset, at_programs, at_fd_array, at_fd_select)
        front = (self._front, top, self._strings, charset, fd_select, programs_head)
        return b"".join((*front, data.data, dicts.fonts_head, *fonts, dicts.data))

    def _private_dicts(self, used: frozenset[int]) -> _PrivateDicts:
        """Return the Private DICTs of a subset; most subsets of a face use the same ones."""
        if used not in self._dicts:
            # Sorted, since the order in which they were first seen differs from process to process.
            order = sorted(used, key=self._privates.__getitem__)
            privates = [self._privates[index] for index in order]
            self._dicts[used] = _PrivateDicts(
                bytes.maketrans(bytes(order), bytes(range(len(order)))),
                tuple(map(len, privates)),
                b"".join(privates),
                _index_head([_PRIVATE_ENTRY.size] * len(privates)),
            )
        return self._dicts[used]

    def _top_length(self) -> int:
        return len(_REGISTRY) + len(self._bbox) + 1 + _TOP_NUMBERS.size

    def _top_dict(self, count: int, charset: int, programs: int, fd_array: int, fd_select: int) -> bytes:
        """Return the INDEX that holds the Top DICT alone."""
        numbers = _TOP_NUMBERS.pack(
            *(_NUMBER, count, bytes(_OP_CID_COUNT)),
            *(_NUMBER, charset, _OP_CHARSET),
            *(_NUMBER, programs, _OP_CHARSTRINGS),
            *(_NUMBER, fd_array, bytes(_OP_FD_ARRAY)),
            *(_NUMBER, fd_select, bytes(_OP_FD_SELECT)),
        )
        head = _TOP_HEAD.pack(1, 1, 1, self._top_length() + 1)
        return b"%b%b%b%c%b" % (head, _REGISTRY, self._bbox, _OP_FONT_BBOX, numbers)


@dataclass(frozen=True, slots=True)
class _PrivateDicts:
    """The Private DICTs that a subset refers to, in the order of their bytes.

    Attributes:
        renumbered: translates what glyphs refer to into places in this order.
        sizes: of each; ``data``: all of them.
        fonts_head: what stands before the Font DICTs that name them.
    """

    renumbered: bytes
    sizes: tuple[int, ...]
    data: bytes
    fonts_head: bytes


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

    def charstring(self, glyph: int) -> tuple[bytes, bytes]:
        """Return a glyph's program and its Private DICT."""
        return self._programs[glyph], self._privates[self._fd_of[glyph]]

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


def _index(entries: Sequence[bytes]) -> bytes:
    return b"".join((_index_head(list(map(len, entries))), *entries))


def _index_head(lengths: Sequence[int]) -> bytes:
    """Return what stands before entries of these lengths."""
    if not lengths:
        return b"\0\0"
    ends = list(itertools.accumulate(lengths, initial=1))
    width = _offset_width(ends[-1])
    return struct.pack(f">HB{len(ends)}{'_BHII'[width]}", len(lengths), width, *ends)


def _offset_width(end: int) -> int:
    """Return 1, 2 or 4 bytes, since no format of three is at hand."""
    width = (end.bit_length() + 7) // 8
    return 4 if width == 3 else width
