"""Cleaned outlines of single glyphs, cut from a font once by HarfBuzz, from which subsets are assembled.

Cutting a subset out of a font of 65,535 glyphs costs milliseconds each time; putting ready outlines one behind the
other costs microseconds. An outline depends on its glyph alone (subroutines inlined, hints removed), so a subset has
the same bytes whatever was cut before.
"""

from __future__ import annotations

from collections.abc import Iterable

import uharfbuzz as hb

from render.errors import ConfigError
from render.fonts.face import Face

# The outline of .notdef goes as well: no code of ours draws it.
_FLAGS = hb.SubsetFlags.DESUBROUTINIZE | hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NO_LAYOUT_CLOSURE
_NOT_FOR_OUTLINES = ("GSUB", "GPOS", "GDEF", "BASE", "VORG", "vhea", "vmtx", "name", "cmap", "post", "OS/2", "gasp")


class OutlineCutter:
    """Cuts small fonts out of one face; keeps what HarfBuzz can prepare once."""

    def __init__(self, face: Face) -> None:
        self._name = face.postscript_name
        self._face = hb.Face(hb.Blob.from_file_path(str(face.path)), face.index)

    def cut(self, glyph_ids: Iterable[int]) -> tuple[hb.Face, dict[int, int]]:
        """Return a font of these glyphs, .notdef and what they are composed of, and old glyph id → id in that font.

        Raises:
            ConfigError: HarfBuzz refuses the font.
        """
        request = hb.SubsetInput()
        request.flags = _FLAGS
        request.sets(hb.SubsetInputSets.GLYPH_INDEX).set({0, *glyph_ids})
        dropped = request.sets(hb.SubsetInputSets.DROP_TABLE_TAG)
        for tag in _NOT_FOR_OUTLINES:
            dropped.add(int.from_bytes(tag.encode(), "big"))
        try:
            plan = hb.SubsetPlan(self._face, request)
            return plan.execute(), dict(plan.old_to_new_glyph_mapping)
        except (RuntimeError, ValueError) as error:
            hint = "Use another file for this role."
            raise ConfigError(f"font {self._name} cannot be subset: {error}.", hint=hint) from error
