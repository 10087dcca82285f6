"""How the atlas names and stores glyphs: what they look like is a style, and style, glyph and phase are one number.

A table of keys is int64[2^n, 2], at most half full: key and value, EMPTY where there is neither; a key stands at its
hash or, if others were there before it, in the rows that follow.
"""

from __future__ import annotations

PHASES = 4
"""Sub-pixel positions of a glyph's origin; vertically a baseline lies on a whole pixel."""

PHASE_BITS, GLYPH_BITS = 2, 16
SCALE_BITS, SIZE_BITS = 16, 31
EMPTY = -1

CELL_ALIGN = 16
"""Rows of a cell are padded to a multiple of so many pixels."""
