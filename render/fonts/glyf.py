"""TrueType subsets (OpenType ``glyf``) assembled from kept outlines, for FontFile2 with an identity CIDToGIDMap.

In the result glyph id = place in the request; parts of composite glyphs follow behind.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import uharfbuzz as hb
from numpy.typing import NDArray

from render.fonts.arena import GlyphArena
from render.fonts.face import Face
from render.fonts.kernels.gather import checksum
from render.fonts.outlines import OutlineCutter

_ARG_WORDS, _HAS_SCALE, _MORE, _HAS_XY_SCALE, _HAS_2X2 = 0x0001, 0x0008, 0x0020, 0x0040, 0x0080
_LONG_LOCA = 1
_GLYPH_HEADER_BYTES = 10
# Short offsets count pairs of bytes, in 16 bits.
_MAX_SHORT_LOCA = 2 * 0xFFFF
_CHECKSUM_MAGIC = 0xB1B0AFBA


class GlyfOutlines:
    """The outlines of one TrueType face, cut when first needed."""

    def __init__(self, face: Face) -> None:
        self._cutter = OutlineCutter(face)
        self._outlines = GlyphArena(len(face.advance))
        # Advance and left side bearing, as ``hmtx`` has them.
        self._metrics = np.zeros(len(face.advance), ">u4")
        # Of a glyph that is composed of others: where the ids of its parts stand in its data, and these ids.
        self._parts: dict[int, tuple[tuple[int, int], ...]] = {}
        self._head = self._hhea = self._maxp = b""

    def lacks(self, glyph_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the glyphs that were not cut yet."""
        return self._outlines.lacks(glyph_ids)

    def keep(self, glyph_ids: NDArray[np.int64]) -> None:
        """Cut those of the glyphs that were not cut yet, and what they are composed of."""
        missing = self.lacks(glyph_ids).tolist()
        if not missing:
            return
        font, places = self._cutter.cut(missing)
        if not self._head:
            self._head, self._hhea, self._maxp = (font.reference_table(tag).data for tag in ("head", "hhea", "maxp"))
        tables = _Tables(font)
        cut = np.array(list(places), np.int64)
        for old in self.lacks(cut).tolist():
            data = tables.outline(places[old])
            self._outlines.add(old, data)
            self._metrics[old] = tables.metrics(places[old])
            old_of = {new: glyph for glyph, new in places.items()} if _is_composite(data) else {}
            parts = tuple((at, old_of[part]) for at, part in _parts(data))
            if parts:
                self._parts[old] = parts

    def assemble(self, glyph_ids: NDArray[np.int64]) -> bytes:
        """Return a TrueType font whose glyph i is ``glyph_ids[i]``, all cut; the first one must be 0 (.notdef)."""
        is_composed = not self._parts.keys().isdisjoint(glyph_ids.tolist())
        order = self._with_parts(glyph_ids) if is_composed else glyph_ids
        glyf, loca = self._outlines.join(order)
        if is_composed:
            self._place_parts(glyf, loca, order)
        count = len(order)
        is_long = len(glyf) > _MAX_SHORT_LOCA
        tables = {
            b"glyf": glyf.tobytes(),
            b"head": _with(_with(self._head, 8, ">I", 0), 50, ">h", int(is_long)),
            b"hhea": _with(self._hhea, 34, ">H", count),
            b"hmtx": self._metrics[order].tobytes(),
            b"loca": loca.astype(">u4").tobytes() if is_long else (loca // 2).astype(">u2").tobytes(),
            b"maxp": _with(self._maxp, 4, ">H", count),
        }
        return _sfnt(tables)

    def _with_parts(self, glyph_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the glyphs with the parts of composite ones behind them."""
        order = glyph_ids.tolist()
        known = set(order)
        # Parts are appended while the list is walked, so parts of parts are found as well.
        for glyph in order:
            new = [part for _, part in self._parts.get(glyph, ()) if part not in known]
            order.extend(dict.fromkeys(new))
            known.update(new)
        return np.array(order, np.int64)

    def _place_parts(self, glyf: NDArray[np.uint8], loca: NDArray[np.int64], order: NDArray[np.int64]) -> None:
        """Write the new ids of parts into the data of the glyphs that they compose."""
        place_of = {glyph: place for place, glyph in reversed(list(enumerate(order.tolist())))}
        for place, glyph in enumerate(order.tolist()):
            for at, part in self._parts.get(glyph, ()):
                glyf[int(loca[place]) + at : int(loca[place]) + at + 2] = divmod(place_of[part], 256)


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

    def metrics(self, glyph: int) -> int:
        """Return advance × 2¹⁶ + left side bearing; glyphs behind the last full entry share its advance."""
        last = 4 * (self._n_metrics - 1)
        advance_at = min(4 * glyph, last)
        bearing_at = 4 * glyph + 2 if glyph < self._n_metrics else last + 4 + 2 * (glyph - self._n_metrics)
        advance, bearing = self._hmtx[advance_at : advance_at + 2], self._hmtx[bearing_at : bearing_at + 2]
        return int.from_bytes(advance + bearing, "big")


def _is_composite(data: bytes) -> bool:
    """Tell whether a glyph is made of others: its number of contours is negative."""
    return len(data) >= _GLYPH_HEADER_BYTES and bool(data[0] & 0x80)


def _parts(data: bytes) -> list[tuple[int, int]]:
    """Return (offset of the id, id) of each part of a composite glyph; a simple glyph has none."""
    if not _is_composite(data):
        return []
    found, at, more = [], _GLYPH_HEADER_BYTES, True
    while more:
        flags, part = struct.unpack_from(">HH", data, at)
        found.append((at + 2, part))
        at += 4 + (4 if flags & _ARG_WORDS else 2)
        at += 2 if flags & _HAS_SCALE else 4 if flags & _HAS_XY_SCALE else 8 if flags & _HAS_2X2 else 0
        more = bool(flags & _MORE)
    return found


def _with(table: bytes, at: int, form: str, value: int) -> bytes:
    """Return a table with one number in it changed."""
    changed = bytearray(table)
    struct.pack_into(form, changed, at, value)
    return bytes(changed)


def _sfnt(tables: Mapping[bytes, bytes]) -> bytes:
    """Return a TrueType file of these tables, which must come sorted by tag; ``head`` with no checksum in it."""
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    start = 12 + 16 * count
    body = b"".join([data + bytes(-len(data) % 4) for data in tables.values()])
    words = np.frombuffer(body, np.uint8)
    directory = [struct.pack(">IHHHH", 0x10000, count, power * 16, power.bit_length() - 1, (count - power) * 16)]
    at = head_at = total = 0
    for tag, data in tables.items():
        end = at + len(data) + -len(data) % 4
        found = checksum(words[at:end])
        total += found
        directory.append(struct.pack(">4sIII", tag, found, start + at, len(data)))
        head_at = at if tag == b"head" else head_at
        at = end
    front = b"".join(directory)
    total += checksum(np.frombuffer(front, np.uint8))
    font = bytearray(front + body)
    struct.pack_into(">I", font, start + head_at + 8, (_CHECKSUM_MAGIC - total) & 0xFFFFFFFF)
    return bytes(font)
