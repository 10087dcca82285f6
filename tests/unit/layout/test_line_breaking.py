"""Line breaking: exact widths, and where a line may end."""

import pytest

from render.fonts.face import ADVANCE_PER_EM
from render.layout.text import Advances, break_lines, widest

EM = ADVANCE_PER_EM


@pytest.fixture(scope="module")
def song(fonts):
    return Advances(fonts, "song")


def broken(text, ems, advances):
    return break_lines(text, advances, int(ems * EM))


def test_chinese_breaks_between_any_two_characters(song):
    assert broken("甲乙丙丁戊", 2, song) == ["甲乙", "丙丁", "戊"]


def test_a_text_that_fits_exactly_stays_on_one_line_and_one_unit_less_breaks_it(song):
    assert broken("甲乙丙", 3, song) == ["甲乙丙"]
    assert break_lines("甲乙丙", song, 3 * EM - 1) == ["甲乙", "丙"]


def test_a_word_moves_to_the_next_line_whole(song):
    assert broken("型号ABC12", 4, song) == ["型号", "ABC12"]


def test_a_word_wider_than_a_line_is_split(song):
    assert broken("ABCDEFGHIJ", 2, song) == ["ABCD", "EFGH", "IJ"]


def test_a_number_is_not_split_at_its_point(song):
    assert broken("长度12.5米", 3.5, song) == ["长度", "12.5米"]


@pytest.mark.parametrize("mark", "，。）》、：；％")
def test_closing_punctuation_never_begins_a_line(song, mark):
    assert broken(f"甲乙丙{mark}丁", 3, song) == ["甲乙", f"丙{mark}丁"]


@pytest.mark.parametrize("mark", "（《「")
def test_opening_punctuation_never_ends_a_line(song, mark):
    assert broken(f"甲乙{mark}丙丁", 3, song) == ["甲乙", f"{mark}丙丁"]


def test_spaces_at_a_break_are_not_printed(song):
    assert broken("Sample  Goods", 4, song) == ["Sample", "Goods"]


def test_a_line_feed_ends_a_line_and_an_empty_line_counts(song):
    assert broken("甲\n\n乙", 5, song) == ["甲", "", "乙"]


def test_a_character_wider_than_the_line_fits_nowhere(song):
    assert broken("甲", 0.9, song) is None


def test_digits_are_half_an_em_and_cjk_in_mono_is_measured_in_the_face_that_prints_it(fonts, song):
    assert song.width("0123456789") == 5 * EM
    assert Advances(fonts, "mono").width("甲") == EM


def test_widest_never_exceeds_the_width():
    limit = widest(36_200, 3_175)
    assert limit * 3_175 <= 36_200 * EM < (limit + 1) * 3_175
