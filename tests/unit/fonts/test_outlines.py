"""Assembled subsets draw as the whole font does, whatever was cut before."""

import io

import freetype
import pytest

from render.fonts.cff import CffOutlines
from render.fonts.face import Face
from render.fonts.glyf import GlyfOutlines

_FLAGS = freetype.FT_LOAD_RENDER | freetype.FT_LOAD_NO_HINTING
_TEXT = "电子发票（增值税专用发票）肆仟玖佰圆整0123456789.-*ABCé"


def _outlines(face):
    return CffOutlines(face) if face.is_cff else GlyfOutlines(face)


def _glyphs(face, text=_TEXT):
    return [0, *(int(face.cmap[ord(char)]) for char in text if face.has(char))]


def _pictures(font, glyph_ids):
    font.set_pixel_sizes(0, 48)
    for glyph in glyph_ids:
        font.load_glyph(glyph, _FLAGS)
        slot = font.glyph
        yield bytes(slot.bitmap.buffer), slot.bitmap_left, slot.bitmap_top, slot.linearHoriAdvance


@pytest.fixture(params=["song", "kai", "mono"])
def face(request, fonts) -> Face:
    return fonts.face(request.param)


def test_each_assembled_glyph_draws_as_in_the_whole_font(face):
    glyphs = _glyphs(face)
    whole = freetype.Face(str(face.path), face.index)
    part = freetype.Face(io.BytesIO(_outlines(face).assemble(glyphs)))
    assert list(_pictures(part, range(len(glyphs)))) == list(_pictures(whole, glyphs))


def test_bytes_do_not_depend_on_what_was_cut_before(face):
    glyphs = _glyphs(face)
    fresh, used = _outlines(face), _outlines(face)
    for part in (glyphs[:4], [0, *glyphs[6:9]], glyphs[::3]):
        used.assemble(part)
    assert used.assemble(glyphs) == fresh.assemble(glyphs)


def test_a_glyph_may_stand_twice(face):
    glyphs = _glyphs(face)[:5]
    font = freetype.Face(io.BytesIO(_outlines(face).assemble([*glyphs, glyphs[3]])))
    pictures = list(_pictures(font, range(6)))
    assert pictures[5] == pictures[3]


def test_the_smallest_subset_holds_notdef_alone(face):
    font = freetype.Face(io.BytesIO(_outlines(face).assemble([0])))
    assert font.num_glyphs == 1
