"""Assembled subsets draw as the whole font does, whatever was cut before."""

import io

import freetype
import numpy as np
import pytest
from fontTools.ttLib import TTFont

from render.fonts.cff import CffOutlines
from render.fonts.face import Face
from render.fonts.glyf import GlyfOutlines
from render.fonts.kernels import gather

_FLAGS = freetype.FT_LOAD_RENDER | freetype.FT_LOAD_NO_HINTING
_TEXT = "电子发票（增值税专用发票）肆仟玖佰圆整0123456789.-*ABCé"


def _outlines(face):
    return CffOutlines(face) if face.is_cff else GlyfOutlines(face)


def _assemble(outlines, glyphs):
    ids = np.array(glyphs, np.int64)
    outlines.keep(np.unique(ids))
    return outlines.assemble(ids)


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
    part = freetype.Face(io.BytesIO(_assemble(_outlines(face), glyphs)))
    # .notdef has no outline: nothing draws it.
    assert list(_pictures(part, range(1, len(glyphs)))) == list(_pictures(whole, glyphs[1:]))


def test_bytes_do_not_depend_on_what_was_cut_before(face):
    glyphs = _glyphs(face)
    fresh, used = _outlines(face), _outlines(face)
    for part in (glyphs[:4], [0, *glyphs[6:9]], glyphs[::3]):
        _assemble(used, part)
    assert _assemble(used, glyphs) == _assemble(fresh, glyphs)


def test_a_glyph_may_stand_twice(face):
    glyphs = _glyphs(face)[:5]
    font = freetype.Face(io.BytesIO(_assemble(_outlines(face), [*glyphs, glyphs[3]])))
    pictures = list(_pictures(font, range(6)))
    assert pictures[5] == pictures[3]


def test_the_smallest_subset_holds_notdef_alone(face):
    font = freetype.Face(io.BytesIO(_assemble(_outlines(face), [0])))
    assert font.num_glyphs == 1


def test_parts_of_composite_glyphs_follow_behind(fonts):
    mono = fonts.face("mono")
    composites = [int(mono.cmap[ord(char)]) for char in "éÀñ"]
    outlines = GlyfOutlines(mono)
    font = freetype.Face(io.BytesIO(_assemble(outlines, [0, *composites])))
    whole = freetype.Face(str(mono.path), mono.index)
    assert outlines._parts.keys() >= set(composites)
    assert font.num_glyphs > 4
    assert list(_pictures(font, range(1, 4))) == list(_pictures(whole, composites))


@pytest.mark.parametrize("role", ["kai", "mono"])
def test_truetype_checksums_are_right(fonts, role):
    face = fonts.face(role)
    data = _assemble(GlyfOutlines(face), _glyphs(face))
    font = TTFont(io.BytesIO(data), checkChecksums=2)
    assert set(font.keys()) >= {"glyf", "head", "hhea", "hmtx", "loca", "maxp"}
    for tag in ("glyf", "head", "hhea", "hmtx", "loca", "maxp"):
        assert font.reader[tag]
    assert sum(np.frombuffer(data, ">u4").tolist()) & 0xFFFFFFFF == 0xB1B0AFBA


def test_kernels_do_the_same_compiled_and_not():
    rng = np.random.default_rng(3)
    data = rng.integers(0, 256, 4_000, dtype=np.uint8)
    length = rng.integers(0, 90, 40)
    start = np.array([rng.integers(0, 4_000 - count) for count in length])
    glyphs = rng.integers(0, 40, 25)
    outs = []
    for function in (gather.gather, gather.gather_scalar):
        out, ends = np.zeros(int(length[glyphs].sum()), np.uint8), np.zeros(26, np.int64)
        assert function(glyphs, start, length, data, out, ends) == len(out)
        outs.append((out.tobytes(), ends.tolist()))
    joined = b"".join(data[start[glyph] : start[glyph] + length[glyph]].tobytes() for glyph in glyphs)
    assert outs[0] == outs[1]
    assert outs[0][0] == joined
    assert gather.checksum(data) == gather.checksum_scalar(data) == int(data.view(">u4").sum(dtype=np.uint64)) % 2**32
