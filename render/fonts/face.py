"""One font file as lookup tables: characters to glyphs, glyphs to advances, named by content hash."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import uharfbuzz as hb
from numpy.typing import NDArray

from render.errors import ConfigError

CMAP_SIZE = 0x34000
"""Characters below this value can have a glyph: planes 0–3, which hold every Chinese character encoded so far."""

ADVANCE_PER_EM = 2_048_000
"""Advances are stored in this many parts of an em, so that fonts of 1000, 1024 and 2048 units mix exactly."""

_HALF_WIDTH_FEATURE = "hwid"


@dataclass(frozen=True, eq=False)
class Face:
    """A font face that layout can measure with array operations and exporters can embed.

    Attributes:
        digest: ``sha256:<hex>#<index>`` of the font file and the face's place in it.
        path: the file; ``index``: the face within a collection, 0 for a single font.
        units_per_em: design units in one em.
        cmap: uint16[CMAP_SIZE], glyph id for each character, 0 = no glyph.
        advance: int32[n_glyphs], horizontal advance in 1/ADVANCE_PER_EM em.
        is_cff: True for CFF outlines, False for TrueType (glyf).
        postscript_name: name record 6, ASCII without spaces.
        ascent, descent: hhea values in design units (descent is negative).
    """

    digest: str
    path: Path
    index: int
    units_per_em: int
    cmap: NDArray[np.uint16]
    advance: NDArray[np.int32]
    is_cff: bool
    postscript_name: str
    ascent: int
    descent: int

    @classmethod
    def load(cls, path: Path, index: int = 0, *, half_width: bool = False) -> Face:
        """Read the face at ``index`` of a font file.

        Args:
            path: a TrueType or OpenType file or collection.
            index: the face within a collection.
            half_width: map ASCII to the font's half-width forms (``hwid``), as 宋体 on an invoice has them:
                every digit is exactly half an em wide, so columns of figures align.

        Raises:
            ConfigError: the file is missing or is not a font that can be embedded.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"font file {path.name} cannot be read: {error.strerror}.",
                hint="Run `kaipiao setup`, or point KAIPIAO_FONT_* at the file.",
            ) from error
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}#{index}{'h' if half_width else ''}"
        face = hb.Face(data, index)
        glyph_count = face.glyph_count
        if glyph_count == 0 or face.upem == 0:
            raise ConfigError(f"{path.name} is not a usable font.", hint="Use a TrueType or OpenType file.")
        font = hb.Font(face)
        font.scale = (face.upem, face.upem)
        cmap = _read_cmap(face, font)
        if half_width:
            _apply_half_width(font, cmap)
        units = np.array([font.get_glyph_h_advance(gid) for gid in range(glyph_count)], np.int64)
        advance = ((units * ADVANCE_PER_EM + face.upem // 2) // face.upem).astype(np.int32)
        extents = font.get_font_extents("ltr")
        for array in (cmap, advance):
            array.flags.writeable = False
        return cls(
            digest=digest,
            path=path,
            index=index,
            units_per_em=face.upem,
            cmap=cmap,
            advance=advance,
            is_cff="CFF " in face.table_tags or "CFF2" in face.table_tags,
            postscript_name=_postscript_name(face, path),
            ascent=extents.ascender,
            descent=extents.descender,
        )

    @cached_property
    def data(self) -> memoryview:
        """The whole font file, mapped into memory on first use."""
        with self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def has(self, char: str) -> bool:
        """Tell whether the face has a glyph for one character."""
        return ord(char) < CMAP_SIZE and bool(self.cmap[ord(char)])


def _read_cmap(face: hb.Face, font: hb.Font) -> NDArray[np.uint16]:
    cmap = np.zeros(CMAP_SIZE, np.uint16)
    for char in face.unicodes:
        if char < CMAP_SIZE:
            cmap[char] = font.get_nominal_glyph(char) or 0
    return cmap


def _apply_half_width(font: hb.Font, cmap: NDArray[np.uint16]) -> None:
    """Replace the glyphs of printable ASCII by their half-width forms, where the font has them."""
    buffer = hb.Buffer()
    buffer.add_str("".join(map(chr, range(0x20, 0x7F))))
    buffer.guess_segment_properties()
    hb.shape(font, buffer, {_HALF_WIDTH_FEATURE: True, "liga": False, "kern": False, "ccmp": False, "locl": False})
    glyphs = [info.codepoint for info in buffer.glyph_infos]
    if len(glyphs) == 0x7F - 0x20:
        cmap[0x20:0x7F] = glyphs


def _postscript_name(face: hb.Face, path: Path) -> str:
    name = face.get_name(hb.OTNameIdPredefined.POSTSCRIPT_NAME) or path.stem
    return "".join(c for c in name if c.isascii() and (c.isalnum() or c in "-_")) or "Font"
