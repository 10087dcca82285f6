"""CID-keyed CFF subsets (Adobe Technical Note 5176) assembled from kept charstrings, for FontFile3 CIDFontType0C.

In the result CID = glyph id = place in the request, so a PDF writer needs no other map.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.deflating.huffman import MAX_BITS
from render.deflating.pieces import CODES, HEADER_WORDS, N_ABOUT_RUN, make_codes, press_pieces
from render.errors import ConfigError
from render.fonts.arena import Arena
from render.fonts.characters import common_characters
from render.fonts.face import Face
from render.fonts.kernels.cff_font import (
    CUT,
    FRAME_BYTES_A_GLYPH,
    LENGTH,
    N_KEPT,
    PRESSED,
    PRIVATE,
    RUN,
    START,
    STATE,
    cff_font,
    frame_bytes,
    pressed_cff_font,
)
from render.fonts.outlines import OutlineCutter

_OP_CHARSTRINGS, _OP_PRIVATE, _OP_SUBRS = 17, 18, 19
_OP_ESCAPE = 12
_OP_FONT_BBOX = 5
_OP_ROS, _OP_FD_ARRAY, _OP_FD_SELECT = (12, 30), (12, 36), (12, 37)
_HEADER = bytes((1, 0, 4, 4))
# The Top DICT names registry, ordering and supplement by the first two strings of the font itself, 391 and 392, and 0.
_REGISTRY = bytes((248, 27, 248, 28, 139, *_OP_ROS))
_SAMPLE_STEP = 19
_WORD_BYTES = 8

Dict = dict[int | tuple[int, int], tuple[bytes, list[int]]]


class CffOutlines:
    """The charstrings of one CFF face, cut when first needed."""

    def __init__(self, face: Face) -> None:
        self._front = _HEADER + _index([face.postscript_name.encode()])
        self._cutter = OutlineCutter(face)
        self._sample = _sample(face)
        self._kept = np.zeros((len(face.advance), N_KEPT), np.int64)
        self._data, self._words = Arena(np.uint8), Arena(np.uint64)
        # The Private DICTs that the width operands of charstrings refer to.
        self._privates: list[bytes] = []
        self._shared: tuple[Any, ...] = ()
        self._codes = np.zeros((CODES, 2), np.uint64)
        self._header, self._header_bits = np.zeros(HEADER_WORDS, np.uint64), 0
        self._frame_bytes = 0
        # What compressing takes beside glyphs and buffers.
        self._pressing: tuple[Any, ...] = ()
        self._scratch, self._pressed = np.zeros(0, np.uint8), np.zeros(0, np.uint64)
        self._pressed_bytes = self._pressed.view(np.uint8).data

    def lacks(self, glyph_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the glyphs that were not cut yet."""
        return np.asarray(glyph_ids[self._kept[glyph_ids, STATE] == 0])

    def keep(self, glyph_ids: NDArray[np.int64]) -> None:
        """Cut those of the glyphs that were not cut yet."""
        missing = self.lacks(glyph_ids)
        if not len(missing):
            return
        glyphs = np.unique(missing if self._privates else np.append(missing, self._sample))
        font, places = self._cutter.cut(glyphs.tolist())
        table = _Cff(font.reference_table("CFF ").data)
        programs, privates = zip(*(table.charstring(places[glyph]) for glyph in glyphs.tolist()), strict=True)
        about = np.full((len(glyphs), N_KEPT), CUT)
        about[:, LENGTH] = list(map(len, programs))
        ends = self._data.add(np.frombuffer(b"".join(programs), np.uint8)) + np.cumsum(about[:, LENGTH])
        about[:, START] = ends - about[:, LENGTH]
        if not self._privates:
            self._make_codes(about[np.isin(glyphs, self._sample)])
        self._privates += sorted(set(privates).difference(self._privates))
        about[:, PRIVATE] = list(map(self._privates.index, privates))
        self._share(table.top[_OP_FONT_BBOX][0])
        self._kept[glyphs] = about

    def press(self, glyph_ids: NDArray[np.int64]) -> None:
        """Compress those of the glyphs, all cut, that were not compressed yet."""
        glyphs = np.unique(glyph_ids[self._kept[glyph_ids, STATE] == CUT])
        if not len(glyphs):
            return
        about = self._kept[glyphs]
        start, length = np.ascontiguousarray(about[:, START]), np.ascontiguousarray(about[:, LENGTH])
        words = np.zeros(int(length.sum()) * MAX_BITS // 64 + 2 * len(length), np.uint64)
        runs = np.zeros((len(length), N_ABOUT_RUN), np.int64)
        n_words = press_pieces(self._data.used(), start, length, self._codes, words, runs)
        runs[:, 0] += self._words.add(words[:n_words])
        about[:, RUN:] = runs
        about[:, STATE] = PRESSED
        self._kept[glyphs] = about
        self._pressing = self._kept, self._words.used(), *self._shared, self._codes, self._header, self._header_bits

    def assemble(self, glyph_ids: NDArray[np.int64]) -> bytes:
        """Return a CFF font whose glyph i is ``glyph_ids[i]``, all cut; the first one must be 0 (.notdef)."""
        self._make_room(len(glyph_ids))
        data, out = self._data.used(), np.zeros(0, np.uint8)
        n_bytes = cff_font(glyph_ids[1:], self._scratch, out, self._kept, data, *self._shared)
        out = np.zeros(n_bytes, np.uint8)
        cff_font(glyph_ids[1:], self._scratch, out, self._kept, data, *self._shared)
        return out.tobytes()

    def assemble_pressed(self, pairs: NDArray[np.int64]) -> bytes | None:
        """Return a CFF font of .notdef and these glyphs as a zlib stream, or None where one was not compressed yet.

        Args:
            pairs: int64[n], glyph ids in the lowest sixteen bits.
        """
        if not self._pressing:
            return None
        self._make_room(len(pairs))
        n_bytes = pressed_cff_font(pairs, self._scratch, self._pressed, *self._pressing)
        if n_bytes > len(self._pressed_bytes):
            self._pressed = np.zeros(n_bytes // _WORD_BYTES + 1, np.uint64)
            self._pressed_bytes = self._pressed.view(np.uint8).data
            n_bytes = pressed_cff_font(pairs, self._scratch, self._pressed, *self._pressing)
        return bytes(self._pressed_bytes[:n_bytes]) if n_bytes >= 0 else None

    def _make_room(self, n_glyphs: int) -> None:
        if len(self._scratch) < self._frame_bytes + FRAME_BYTES_A_GLYPH * n_glyphs:
            self._scratch = np.zeros(self._frame_bytes + 2 * FRAME_BYTES_A_GLYPH * n_glyphs, np.uint8)

    def _make_codes(self, sample: NDArray[np.int64]) -> None:
        start, length = np.ascontiguousarray(sample[:, START]), np.ascontiguousarray(sample[:, LENGTH])
        self._header_bits = make_codes(self._data.used(), start, length, self._codes, self._header)

    def _share(self, bounding_box: bytes) -> None:
        """Put together what all subsets take from."""
        # Sorted, since the order in which they were first seen differs from process to process.
        order = sorted(range(len(self._privates)), key=self._privates.__getitem__)
        privates, private_ends = _joined(self._privates)
        top = b"%b%b%c" % (_REGISTRY, bounding_box, _OP_FONT_BBOX)
        fixed, fixed_ends = _joined([self._front, top, _STRINGS])
        self._shared = np.array(order, np.int64), privates, private_ends, fixed, fixed_ends
        self._frame_bytes = frame_bytes(len(order), len(fixed), len(privates))


def _sample(face: Face) -> NDArray[np.int64]:
    """Return glyphs that are like those of an invoice, from which the face's prefix codes are made."""
    chars = list(common_characters())[::_SAMPLE_STEP]
    return np.unique(np.append(face.cmap[chars], np.uint16(0)).astype(np.int64))


def _joined(pieces: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pieces one behind the other, and where each of them ends."""
    return np.frombuffer(b"".join(pieces), np.uint8), np.cumsum(list(map(len, pieces)), dtype=np.int64)


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
    """Return an INDEX of entries that are together shorter than 255 bytes."""
    ends = itertools.accumulate(map(len, entries), initial=1)
    return b"".join((struct.pack(">HB", len(entries), 1), bytes(ends), *entries)) if entries else b"\0\0"


_STRINGS = _index([b"Adobe", b"Identity"]) + _index([])
