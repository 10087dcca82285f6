"""Font subsets for embedding: the outlines of chosen glyphs of one face, as a small font file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from render.errors import OutputInvalid
from render.fonts.cff import CffOutlines
from render.fonts.face import Face
from render.fonts.glyf import GlyfOutlines

MAX_GLYPHS = 0xFFFF
_KEPT_FACES = 64


@dataclass(frozen=True, slots=True)
class Subset:
    """A font file of chosen glyphs.

    Attributes:
        data: a bare CID-keyed CFF where ``is_cff``, else a TrueType file without ``cmap``.
        glyph_ids: the face's glyph id for each new id; the first is .notdef. New id = place in this tuple.
        is_cff: which of the two ``data`` is.
    """

    data: bytes = field(repr=False)
    glyph_ids: tuple[int, ...]
    is_cff: bool


def subset(face: Face, glyph_ids: Sequence[int]) -> Subset:
    """Return a font of .notdef followed by these glyphs, in the order given.

    Args:
        face: the font to cut from.
        glyph_ids: glyph ids of ``face``; one that stands twice gets two new ids, so that one outline can carry two
            characters.

    Raises:
        ConfigError: the face cannot be subset.
        OutputInvalid: more glyphs than a font can number.
    """
    order = (0, *glyph_ids)
    if len(order) > MAX_GLYPHS:
        raise OutputInvalid(
            f"{len(order):,} glyphs of {face.postscript_name} do not fit one font.", hint="Split the document."
        )
    return Subset(_outlines(face).assemble(order), order, face.is_cff)


@lru_cache(maxsize=_KEPT_FACES)
def _outlines(face: Face) -> CffOutlines | GlyfOutlines:
    """Return the face's outline store, the same one each time, so that a glyph is cut from the file once."""
    return CffOutlines(face) if face.is_cff else GlyfOutlines(face)
