"""Embedded fonts: what a code draws, how wide it is, what it reads as."""

import io
import zlib

import numpy as np
import pikepdf
import pypdfium2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pdf_samples import info
from reportlab.pdfbase.ttfonts import TTFontFile

from render.display.builder import DisplayListBuilder
from render.display.resources import Resources
from render.fonts.characters import common_characters
from render.fonts.subset import subset
from render.pdf import unicode_map
from render.pdf.font import FontCache, make_font, make_font_fast, pair_keys
from render.pdf.kernels import unicode_map as kernel
from render.pdf.kernels import width_ranges
from render.pdf.unicode_map import pressed_map, to_unicode_map
from render.pdf.writer import PdfWriter


def _write(book, texts, **options):
    builder = DisplayListBuilder(book)
    builder.page(210_000, 140_000)
    black = builder.paint(0, 0, 0)
    for line, (role, text) in enumerate(texts):
        builder.text(role, 3_000, 5_000, 8_000 + 5_000 * line, text, paint=black, tag=f"t{line}", **options)
    return PdfWriter(Resources(book)).write(builder.freeze(), 0, info()).data


def _extract(data):
    with pypdfium2.PdfDocument(data) as pdf:
        return pdf[0].get_textpage().get_text_range()


def _keys(face, text):
    chars = np.array([ord(char) for char in text], np.uint32)
    return np.unique(pair_keys(face.cmap[chars], chars))


@pytest.mark.parametrize("role", ["kai", "mono"])
def test_reportlab_finds_the_same_glyph_for_each_character(book, role):
    face = book.face(role)
    theirs = TTFontFile(str(face.path), subfontIndex=face.index).charToGlyph
    chars = [char for char in theirs if char < len(face.cmap)]
    assert len(chars) > 600
    # ReportLab gives the no-break space the glyph of the space, whatever the font says.
    assert [char for char in chars if face.cmap[char] != theirs[char] and char != 0xA0] == []


def test_two_characters_of_one_glyph_extract_as_themselves(book):
    song = book.face("song")
    # The hyphen and the soft hyphen's neighbours share outlines in many fonts; find a pair that does in this one.
    chars = np.flatnonzero(song.cmap)
    glyphs = song.cmap[chars]
    shared = chars[np.isin(glyphs, np.flatnonzero(np.bincount(glyphs) > 1)) & (chars >= 0x2E80) & (chars < 0xFB00)]
    same_glyph = [chr(char) for char in shared if song.cmap[char] == song.cmap[shared[0]]]
    assert len(same_glyph) > 1
    text = f"甲{'乙'.join(same_glyph)}丙"
    assert _extract(_write(book, [("song", text)])) == text


def test_characters_beyond_the_basic_plane_extract(book):
    text = "姓名𬭊与𬱟，又𫖯"
    assert _extract(_write(book, [("kai", text)])) == text


def test_more_codes_than_one_byte_counts_extract_in_order(book):
    text = "".join(chr(char) for char in range(0x4E00, 0x4E00 + 700) if book.face("song").has(chr(char)))
    lines = [text[start : start + 60] for start in range(0, len(text), 60)]
    assert len(text) > 600
    assert _extract(_write(book, [("song", line) for line in lines])).split("\r\n") == lines


def test_widths_in_the_file_are_those_of_the_font(book):
    data = _write(book, [("song", "价税合计12.30元 ABC"), ("mono", "¥12.30"), ("kai", "备注:abcWMi")])
    with pikepdf.open(io.BytesIO(data)) as pdf:
        for key, font in pdf.pages[0].Resources.Font.items():
            face = book.faces[int(str(key)[2:])]
            child = font.DescendantFonts[0]
            widths = dict.fromkeys(range(1, 200), float(child.DW))
            entries = [float(entry) for entry in child.get("/W", [])]
            for first, last, width in zip(entries[::3], entries[1::3], entries[2::3], strict=True):
                widths.update(dict.fromkeys(range(int(first), int(last) + 1), width))
            text = {"song": "价税合计12.30元 ABC", "mono": "¥12.30", "kai": "备注:abcWMi"}[
                next(role for role in ("song", "mono", "kai") if book.face(role) is face)
            ]
            for code, char in enumerate(sorted(set(text)), start=1):
                assert widths[code] == pytest.approx(face.advance[face.cmap[ord(char)]] / 2048, abs=0.5), char


def test_to_unicode_ranges_keep_to_one_first_byte_and_sections_to_a_hundred(book):
    text = to_unicode_map(np.arange(0x4E00, 0x4E00 + 600))
    assert "<0001><00ff>[<4e00>" in text
    assert "<0100><01ff>[<4eff>" in text
    assert "<0200><0258>[<4fff>" in text
    assert "3 beginbfrange" in text
    many = to_unicode_map(np.arange(0x20, 0x20 + 30_000))
    assert many.count("100 beginbfrange") == 1
    assert many.count("18 beginbfrange") == 1


def test_a_map_of_one_range_is_written_as_any_other():
    for count in (1, 7, 255):
        chars = np.arange(0x4E00, 0x4E00 + count)
        assert to_unicode_map(chars) == unicode_map._map_of_ranges(unicode_map._utf16(chars))
    assert "<0001><0002>[<4e00><d840dc0b>]" in to_unicode_map(np.array([0x4E00, 0x2000B]))
    assert "beginbfrange" not in to_unicode_map(np.zeros(0, np.int64))


_one_range = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=255)


@given(_one_range, st.booleans())
def test_a_map_made_as_a_stream_inflates_to_the_map(chars, are_close):
    chars = np.sort(np.array(chars, np.int64) % (0x200 if are_close else 0x10000))
    chars = chars[(chars < 0xD800) | (chars > 0xDFFF)]
    assume(len(chars))
    pairs = chars << 16 | np.arange(len(chars))
    made = [pressed_map(pairs)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(unicode_map, "press_map", kernel.press_map_scalar)
        made.append(pressed_map(pairs))
    assert made[0] == made[1]
    assert zlib.decompress(made[0]) == to_unicode_map(chars).encode()


def test_a_map_made_as_a_stream_is_short():
    chars = np.array(sorted(common_characters()[::50]), np.int64)
    assert len(pressed_map(chars << 16)) < 1.1 * len(zlib.compress(to_unicode_map(chars).encode(), 9))


def test_maps_of_several_ranges_are_not_made_as_streams():
    assert pressed_map(np.arange(256) << 16) is None
    assert pressed_map(np.array([0x4E00, 0x2000B]) << 16) is None
    assert pressed_map(np.zeros(0, np.int64)) is None


def test_codes_of_every_byte_are_read_back(book):
    """A code is two bytes of a string, and some bytes end a string or change what follows."""
    chars = [chr(char) for char in sorted(set(common_characters())) if book.face("song").has(chr(char))][-600:]
    lines = ["".join(chars[start : start + 25]) for start in range(0, len(chars), 25)]
    assert len(chars) > 0x100 + 0x5C
    found = _extract(_write(book, [("song", text) for text in lines]))
    assert found.split() == lines


def test_the_fast_form_of_a_font_differs_in_its_compression_alone(book):
    for role in ("song", "kai"):
        face = book.face(role)
        well, fast = (make(face, _keys(face, "价税合计12.30元")) for make in (make_font, make_font_fast))
        assert well._replace(file=b"", to_unicode=b"") == fast._replace(file=b"", to_unicode=b"")
        for one, other in ((well.file, fast.file), (well.to_unicode, fast.to_unicode)):
            assert one[: one.index(b"/Length ")] == other[: other.index(b"/Length ")]
            assert _inflated(one) == _inflated(other)


def _inflated(stream):
    return zlib.decompress(stream[stream.index(b"stream\n") + 7 :].removesuffix(b"\nendstream"))


widths_in_runs = st.lists(st.tuples(st.sampled_from([0, 7, 500, 600, 1000, 12_345]), st.integers(1, 9)), max_size=9)


@given(widths_in_runs)
def test_widths_are_said_in_ranges(runs):
    widths = np.array([width for width, count in runs for _ in range(count)], np.int32)
    pairs = np.arange(len(widths)) | 0x4E00 << 16
    texts = []
    for function in (width_ranges.width_ranges, width_ranges.width_ranges_scalar):
        out = np.zeros(width_ranges.BYTES_A_CODE * len(pairs), np.uint8)
        texts.append(out[: function(pairs, widths, 1000, out)].tobytes().split())
    assert texts[0] == texts[1]
    numbers = list(map(int, texts[0]))
    said = np.full(len(widths), 1000)
    for first, last, width in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        said[first - 1 : last] = width
    assert said.tolist() == widths.tolist()
    changes = 1 + np.count_nonzero(np.diff(widths)) if len(widths) else 0
    assert len(numbers) <= 3 * changes


def test_every_subset_is_named_by_its_glyphs(book):
    song = book.face("song")

    def name(text):
        return make_font(song, _keys(song, text)).base_font

    assert name("甲乙") == name("乙甲甲")
    assert name("甲乙") != name("甲丙")
    assert name("甲乙")[7:] == "+NotoSerifCJKsc-Regular"


def test_subsets_keep_the_order_asked_for_behind_notdef(book):
    kai = book.face("kai")
    glyphs = [int(kai.cmap[ord(char)]) for char in "发票发"]
    part = subset(kai, np.array(glyphs))
    assert part.glyph_ids.tolist() == [0, *glyphs]
    assert not part.is_cff
    assert subset(book.face("song"), np.array([1, 2])).is_cff


def test_the_cache_forgets_the_oldest_and_returns_the_same_block(book):
    mono = book.face("mono")
    cache = FontCache(size=2)
    first = cache.font(mono, _keys(mono, "012"))
    assert cache.font(mono, _keys(mono, "012")) is first
    cache.font(mono, _keys(mono, "345"))
    cache.font(mono, _keys(mono, "678"))
    again = cache.font(mono, _keys(mono, "012"))
    assert again is not first
    assert again == first


def test_a_second_cut_brings_the_common_characters_along(book, monkeypatch):
    from render.fonts import subset as module

    face = book.face("song")
    kept = module._Kept(face)
    cuts = []
    keep = kept.outlines.keep
    monkeypatch.setattr(kept.outlines, "keep", lambda glyphs: cuts.append(len(glyphs)) or keep(glyphs))
    first, second, third = ([int(face.cmap[ord(char)]) for char in text] for text in ("甲乙", "丙丁", "戊己庚"))
    for glyphs in (first, first, second, third):
        kept.keep(np.array([0, *glyphs]))
    assert cuts[0] == 3
    assert cuts[1] > 3_800
    assert len(cuts) == 2


def test_common_characters_are_those_of_the_national_standard():
    chars = set(map(chr, common_characters()))
    assert len(chars) == 95 + 3_755
    assert {"啊", "座", "A", "~", " "} <= chars
    assert "龘" not in chars
