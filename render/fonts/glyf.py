"""TrueType subsets (OpenType ``glyf``) assembled from kept outlines, for FontFile2 with an identity CIDToGIDMap.

In the result glyph id = place in the request; parts of composite glyphs follow behind.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import uharfbuzz as hb

from render.fonts.face import Face
from render.fonts.outlines import OutlineCutter

_ARG_WORDS, _HAS_SCALE, _MORE, _HAS_XY_SCALE, _HAS_2X2 = 0x0001, 0x0008, 0x0020, 0x0040, 0x0080
_LONG_LOCA = 1
_CHECKSUM_MAGIC = 0xB1B0AFBA


@dataclass(frozen=True, slots=True)
class _Outline:
    """One glyph: its ``glyf`` bytes, its metrics, and where the ids of its parts stand in those bytes."""

    data: bytes
    advance: int
    bearing: int
    parts: tuple[tuple[int, int], ...]


class GlyfOutlines:
    """The outlines of one TrueType face, cut when first needed."""

    def __init__(self, face: Face) -> None:
        self._cutter = OutlineCutter(face)
        self._kept: dict[int, _Outline] = {}
        self._head = self._hhea = self._maxp = b""

    def assemble(self, glyph_ids: Sequence[int]) -> bytes:
        """Return a TrueType font whose glyph i is ``glyph_ids[i]``; the first one must be 0 (.notdef)."""
        missing = [glyph for glyph in glyph_ids if glyph not in self._kept]
        if missing:
            self._cut(missing)
        order = list(glyph_ids)
        place_of = {glyph: place for place, glyph in reversed(list(enumerate(order)))}
        # Parts are appended while the list is walked, so parts of parts are found as well.
        for glyph in order:
            for _, part in self._kept[glyph].parts:
                if part not in place_of:
                    place_of[part] = len(order)
                    order.append(part)
        outlines = [self._kept[glyph] for glyph in order]
        return self._font(outlines, [_place_parts(outline, place_of) for outline in outlines])

    def _cut(self, glyph_ids: Sequence[int]) -> None:
        font, places = self._cutter.cut(glyph_ids)
        if not self._head:
            self._head, self._hhea, self._maxp = (font.reference_table(tag).data for tag in ("head", "hhea", "maxp"))
        old_of = {new: old for old, new in places.items()}
        tables = _Tables(font)
        for new, old in old_of.items():
            if old not in self._kept:
                advance, bearing = tables.metrics(new)
                data = tables.outline(new)
                parts = tuple((at, old_of[part]) for at, part in _parts(data))
                self._kept[old] = _Outline(data, advance, bearing, parts)

    def _font(self, outlines: Sequence[_Outline], glyphs: Sequence[bytes]) -> bytes:
        count = len(glyphs)
        head = bytearray(self._head)
        struct.pack_into(">I", head, 8, 0)
        struct.pack_into(">h", head, 50, _LONG_LOCA)
        hhea = bytearray(self._hhea)
        struct.pack_into(">H", hhea, 34, count)
        maxp = bytearray(self._maxp)
        struct.pack_into(">H", maxp, 4, count)
        offsets = np.zeros(count + 1, ">u4")
        np.cumsum([len(glyph) for glyph in glyphs], out=offsets[1:])
        metrics = struct.pack(f">{'Hh' * count}", *(v for o in outlines for v in (o.advance, o.bearing)))
        tables = {
            b"glyf": b"".join(glyphs),
            b"head": bytes(head),
            b"hhea": bytes(hhea),
            b"hmtx": metrics,
            b"loca": offsets.tobytes(),
            b"maxp": bytes(maxp),
        }
        return _sfnt(tables)


class _Tables:
    """Reads glyph data and metrics of a font that HarfBuzz wrote."""

    def __init__(self, font: hb.Face) -> None:
        self._glyf: bytes = font.reference_table("glyf").data
        self._hmtx: bytes = font.reference_table("hmtx").data
        is_long = struct.unpack_from(">h", font.reference_table("head").data, 50)[0] == _LONG_LOCA
        loca = np.frombuffer(font.reference_table("loca").data, ">u4" if is_long else ">u2").astype(np.int64)
        self._loca = loca if is_long else loca * 2
        self._n_metrics = struct.unpack_from(">H", font.reference_table("hhea").data, 34)[0]

    def outline(self, glyph: int) -> bytes:
        data = self._glyf[self._loca[glyph] : self._loca[glyph + 1]]
        return data + b"\0" * (-len(data) % 4)

    def metrics(self, glyph: int) -> tuple[int, int]:
        """Return advance and left side bearing; glyphs behind the last full entry share its advance."""
        if glyph < self._n_metrics:
            return struct.unpack_from(">Hh", self._hmtx, 4 * glyph)
        advance = struct.unpack_from(">H", self._hmtx, 4 * (self._n_metrics - 1))[0]
        at = 4 * self._n_metrics + 2 * (glyph - self._n_metrics)
        return advance, struct.unpack_from(">h", self._hmtx, at)[0]


def _parts(data: bytes) -> list[tuple[int, int]]:
    """Return (offset of the id, id) of each part of a composite glyph; a simple glyph has none."""
    if len(data) < 10 or struct.unpack_from(">h", data)[0] >= 0:
        return []
    found, at, more = [], 10, True
    while more:
        flags, part = struct.unpack_from(">HH", data, at)
        found.append((at + 2, part))
        at += 4 + (4 if flags & _ARG_WORDS else 2)
        at += 2 if flags & _HAS_SCALE else 4 if flags & _HAS_XY_SCALE else 8 if flags & _HAS_2X2 else 0
        more = bool(flags & _MORE)
    return found


def _place_parts(outline: _Outline, place_of: dict[int, int]) -> bytes:
    if not outline.parts:
        return outline.data
    data = bytearray(outline.data)
    for at, part in outline.parts:
        struct.pack_into(">H", data, at, place_of[part])
    return bytes(data)


def _sfnt(tables: dict[bytes, bytes]) -> bytes:
    """Return a TrueType file of these tables, which must come sorted by tag."""
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    search = struct.pack(">HHH", power * 16, power.bit_length() - 1, (count - power) * 16)
    directory = [b"\0\1\0\0", struct.pack(">H", count), search]
    body = []
    at = 12 + 16 * count
    head_at = 0
    for tag, data in tables.items():
        padded = data + b"\0" * (-len(data) % 4)
        directory.append(struct.pack(">4sIII", tag, _checksum(padded), at, len(data)))
        head_at = at if tag == b"head" else head_at
        body.append(padded)
        at += len(padded)
    font = bytearray(b"".join((*directory, *body)))
    struct.pack_into(">I", font, head_at + 8, (_CHECKSUM_MAGIC - _checksum(font)) & 0xFFFFFFFF)
    return bytes(font)


def _checksum(data: bytes | bytearray) -> int:
    return int(np.frombuffer(data, ">u4").sum(dtype=np.uint64)) & 0xFFFFFFFF
