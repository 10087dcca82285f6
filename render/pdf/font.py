"""Font subsets as PDF objects: composite fonts with Identity-H (ISO 32000-1, 9.7), exact widths and ToUnicode.

A code stands for a pair of glyph and character, not for a glyph, so that one outline that serves two characters
extracts as each of them. Codes are 1, 2, 3 … in the order of the pairs; code = CID = glyph id of the subset.
"""

from __future__ import annotations

import hashlib
import struct
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import uharfbuzz as hb
from numpy.typing import NDArray

from render.fonts.face import ADVANCE_PER_EM, Face
from render.fonts.subset import pressed_subset, subset
from render.pdf.body import Body
from render.pdf.deflate import deflate_fast, deflate_once
from render.pdf.kernels.operators import UNITS
from render.pdf.kernels.unicode_map import CHARACTER_SHIFT
from render.pdf.kernels.width_ranges import BYTES_A_CODE, width_ranges
from render.pdf.syntax import name, stream
from render.pdf.unicode_map import pressed_map, to_unicode_map

_KEPT_FACES = 64
_KEPT_BLOCKS = 8
_SYMBOLIC = 4
_STEM_V = 80
_OS2_CAP_HEIGHT = 88
_TAG_LETTERS = 6
_CAPITALS = bytes(ord("A") + byte % 26 for byte in range(256))

_FILTER = "/Filter/FlateDecode"
_CFF_ENTRIES = f"{_FILTER}/Subtype/CIDFontType0C"


class FontBlock(NamedTuple):
    """One embedded subset, complete but for its object numbers."""

    base_font: str
    is_cff: bool
    file: bytes
    to_unicode: bytes
    descriptor: str
    widths: str

    def write(self, body: Body) -> int:
        """Append the font's objects and return the number of the Type 0 font."""
        file = body.place(self.file)
        file_key = "FontFile3" if self.is_cff else "FontFile2"
        descriptor = body.add(
            f"<</Type/FontDescriptor/FontName{self.base_font}{self.descriptor}/{file_key} {file} 0 R>>"
        )
        kind = "/CIDFontType0" if self.is_cff else "/CIDFontType2/CIDToGIDMap/Identity"
        cid_font = body.add(
            f"<</Type/Font/Subtype{kind}/BaseFont{self.base_font}"
            f"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            f"/DW {UNITS}{self.widths}/FontDescriptor {descriptor} 0 R>>"
        )
        to_unicode = body.place(self.to_unicode)
        base_font = f"{self.base_font}-Identity-H" if self.is_cff else self.base_font
        return body.add(
            f"<</Type/Font/Subtype/Type0/BaseFont{base_font}/Encoding/Identity-H"
            f"/DescendantFonts[{cid_font} 0 R]/ToUnicode {to_unicode} 0 R>>"
        )


def make_font(face: Face, pairs: NDArray[np.int64]) -> FontBlock:
    """Return the subset in which code i + 1 draws the glyph of ``pairs[i]`` and reads as its character.

    It is compressed well, for being used in many documents.

    Args:
        face: the font to embed.
        pairs: int64[n], as :func:`pair_keys` makes them, ascending.

    Raises:
        ConfigError: the face cannot be subset.
        OutputInvalid: more glyphs than a font can number.
    """
    return _block(face, pairs, _font_file(face, pairs, deflate_once), deflate_once(_map_bytes(pairs)))


def make_font_fast(face: Face, pairs: NDArray[np.int64]) -> FontBlock:
    """Return what :func:`make_font` does, compressed for one document: in a tenth of the time, some 4 % longer."""
    pressed = pressed_subset(face, pairs)
    file = _font_file(face, pairs, deflate_fast) if pressed is None else stream(_CFF_ENTRIES, pressed)
    return _block(face, pairs, file, pressed_map(pairs) or deflate_fast(_map_bytes(pairs)))


def _block(face: Face, pairs: NDArray[np.int64], file: bytes, to_unicode: bytes) -> FontBlock:
    return FontBlock(
        f"/{_subset_tag(face, pairs)}+{_font_name(face)}",
        face.is_cff,
        file,
        stream(_FILTER, to_unicode),
        _descriptor(face),
        _width_array(face, pairs),
    )


def _font_file(face: Face, pairs: NDArray[np.int64], deflate: Callable[[bytes], bytes]) -> bytes:
    part = subset(face, glyphs_of(pairs))
    return stream(_CFF_ENTRIES if part.is_cff else f"{_FILTER}/Length1 {len(part.data)}", deflate(part.data))


class FontCache:
    """Keeps the last subsets: the one of tax ids and sums is that of the next document, other text seldom repeats."""

    def __init__(self, size: int = _KEPT_BLOCKS) -> None:
        self._size = size
        self._blocks: OrderedDict[tuple[str, bytes], FontBlock] = OrderedDict()

    def font(self, face: Face, pairs: NDArray[np.int64]) -> FontBlock:
        """Return the subset for these pairs, int64[n], ascending."""
        key = (face.digest, pairs.tobytes())
        block = self._blocks.get(key)
        if block is None:
            block = make_font_fast(face, pairs)
            self._blocks[key] = block
            if len(self._blocks) > self._size:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(key)
        return block


def pair_keys(glyph_ids: NDArray[np.uint16], chars: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return char × 2¹⁶ + glyph of each glyph, which sorts by character."""
    return (chars.astype(np.int64) << CHARACTER_SHIFT) | glyph_ids


def glyphs_of(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the glyph of each pair."""
    return pairs & 0xFFFF


def _map_bytes(pairs: NDArray[np.int64]) -> bytes:
    return to_unicode_map(pairs >> CHARACTER_SHIFT).encode("ascii")


def stated_widths(advance: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the widths that a file states for advances of 1/ADVANCE_PER_EM em.

    Whole numbers, since some readers drop the fraction; text is spaced by what is stated, so that nothing is lost.
    """
    per_unit = ADVANCE_PER_EM // UNITS
    return (advance + per_unit // 2) // per_unit


@lru_cache(maxsize=_KEPT_FACES)
def _widths(face: Face) -> NDArray[np.int32]:
    return stated_widths(face.advance)


def _width_array(face: Face, pairs: NDArray[np.int64]) -> str:
    """Return the /W entry of stated widths; those that the default covers are left out."""
    text = np.empty(BYTES_A_CODE * len(pairs), np.uint8)
    n_bytes = width_ranges(pairs, _widths(face), UNITS, text)
    return f"/W[{text[: n_bytes - 1].tobytes().decode('ascii')}]" if n_bytes else ""


def _subset_tag(face: Face, pairs: NDArray[np.int64]) -> str:
    """Return six capitals that differ between subsets of one face (ISO 32000-1, 9.6.4)."""
    digest = hashlib.blake2b(face.digest.encode() + pairs.tobytes(), digest_size=_TAG_LETTERS)
    return digest.digest().translate(_CAPITALS).decode("ascii")


@lru_cache(maxsize=_KEPT_FACES)
def _font_name(face: Face) -> str:
    return name(face.postscript_name)[1:]


@lru_cache(maxsize=_KEPT_FACES)
def _descriptor(face: Face) -> str:
    """Return the entries of a font descriptor that do not depend on the subset (ISO 32000-1, 9.8)."""
    tables = hb.Face(hb.Blob.from_file_path(str(face.path)), face.index)
    per_unit = UNITS / face.units_per_em
    bbox = struct.unpack_from(">4h", tables.reference_table("head").data, 36)
    os2 = tables.reference_table("OS/2").data
    has_cap_height = len(os2) >= _OS2_CAP_HEIGHT + 2 and struct.unpack_from(">H", os2)[0] > 1
    cap_height = struct.unpack_from(">h", os2, _OS2_CAP_HEIGHT)[0] if has_cap_height else face.ascent
    box = " ".join(str(round(value * per_unit)) for value in bbox)
    return (
        f"/Flags {_SYMBOLIC}/FontBBox[{box}]/ItalicAngle 0/Ascent {round(face.ascent * per_unit)}"
        f"/Descent {round(face.descent * per_unit)}/CapHeight {round(cap_height * per_unit)}/StemV {_STEM_V}"
    )
