"""Assembled subsets draw as the whole font does, whatever was cut before."""

import io
import zlib

import freetype
import numpy as np
import pytest
from fontTools.cffLib import CFFFontSet
from fontTools.misc.psCharStrings import T2WidthExtractor
from fontTools.ttLib import TTFont

from render.fonts.cff import CffOutlines
from render.fonts.face import ADVANCE_PER_EM, Face
from render.fonts.glyf import GlyfOutlines
from render.fonts.kernels import cff_font, gather

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


def _pressed(outlines, glyphs):
    outlines.press(np.array([0, *glyphs]) & 0xFFFF)
    return outlines.assemble_pressed(np.array(glyphs, np.int64))


@pytest.fixture
def song(fonts) -> Face:
    return fonts.face("song")


def test_a_font_of_ready_pieces_is_the_assembled_one_compressed(song):
    glyphs = _glyphs(song, sorted(set(_TEXT)))
    outlines = _outlines(song)
    plain = _assemble(outlines, glyphs)
    characters = np.arange(len(glyphs) - 1) << 16
    assert zlib.decompress(_pressed(outlines, glyphs[1:])) == plain
    assert _pressed(outlines, characters | np.array(glyphs[1:])) == _pressed(outlines, glyphs[1:])
    assert len(_pressed(outlines, glyphs[1:])) < 1.06 * len(zlib.compress(plain)) + 60


def test_ready_pieces_do_not_depend_on_what_was_cut_before(song):
    glyphs = _glyphs(song)
    fresh, used = _outlines(song), _outlines(song)
    for part in (glyphs[:4], [0, *glyphs[6:9]], glyphs[::3], glyphs):
        used.keep(np.array(part))
    fresh.keep(np.array(glyphs))
    assert _pressed(used, glyphs[1:]) == _pressed(fresh, glyphs[1:])


def test_a_font_with_glyphs_that_were_not_compressed_is_refused(song):
    outlines = _outlines(song)
    glyphs = np.array(_glyphs(song, "甲乙丙龘"))
    assert outlines.assemble_pressed(glyphs[1:]) is None
    outlines.keep(glyphs)
    assert outlines.assemble_pressed(glyphs[1:]) is None
    outlines.press(glyphs[1:4])
    assert outlines.assemble_pressed(glyphs[1:4]) is None, "for .notdef"
    outlines.press(glyphs[:4])
    assert zlib.decompress(outlines.assemble_pressed(glyphs[1:4])) == outlines.assemble(glyphs[:4])
    assert outlines.assemble_pressed(glyphs[1:]) is None
    assert zlib.decompress(_pressed(outlines, [])) == outlines.assemble(np.array([0]))


def test_buffers_grow_with_the_font(song):
    chars = "".join(chr(char) for char in range(0x4E00, 0x4E00 + 1_500))
    outlines = _outlines(song)
    few, many = _glyphs(song, "甲乙"), _glyphs(song, chars)
    for glyphs in (few, many, few):
        plain = _assemble(outlines, glyphs)
        assert zlib.decompress(_pressed(outlines, glyphs[1:])) == plain
        assert freetype.Face(io.BytesIO(plain)).num_glyphs == len(glyphs)


@pytest.mark.parametrize(("text", "form"), [("电子发票增值税专用发票肆仟玖佰圆整", 3), ("电a子b发c票d1增2值3税", 0)])
def test_each_glyph_refers_to_its_own_widths(song, text, form):
    glyphs = _glyphs(song, text)
    font = CFFFontSet()
    data = _assemble(_outlines(song), glyphs)
    font.decompile(io.BytesIO(data), None)
    top = font.topDictIndex[0]
    assert top.FDSelect.format == form
    privates = [top.FDArray[top.FDSelect[place]].Private for place in range(len(glyphs))]
    widths = []
    for place, private in enumerate(privates):
        program = top.CharStrings.charStringsIndex[place]
        program.private = private
        extractor = T2WidthExtractor([], [], private.nominalWidthX, private.defaultWidthX)
        extractor.execute(program)
        widths.append(extractor.width)
    assert widths[1:] == (song.advance[glyphs[1:]] * 1000 / ADVANCE_PER_EM).tolist()


def test_fonts_are_the_same_compiled_and_not(song):
    glyphs = _glyphs(song)
    outlines = _outlines(song)
    plain = _assemble(outlines, glyphs)
    pairs, scratch, pressed = np.array(glyphs[1:]), np.zeros(20_000, np.uint8), _pressed(outlines, glyphs[1:])
    out, words = np.zeros(len(plain), np.uint8), np.zeros(len(plain), np.uint64)
    data, shared = outlines._data.used(), outlines._shared
    assert cff_font.cff_font_scalar(pairs, scratch, out, outlines._kept, data, *shared) == len(plain)
    assert out.tobytes() == plain
    n_bytes = cff_font.pressed_cff_font_scalar(pairs, scratch, words, *outlines._pressing)
    assert words.view(np.uint8)[:n_bytes].tobytes() == pressed


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
