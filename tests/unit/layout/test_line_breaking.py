"""Line breaking: exact widths, and where a line may end."""

import numpy as np
import pytest
from layout_samples import set_text

from render.fonts.face import ADVANCE_PER_EM
from render.layout.kernels.setting import set_texts, set_texts_scalar
from render.layout.text import widest

EM = ADVANCE_PER_EM


def broken(text, ems, fonts):
    return set_text(text, fonts, int(ems * EM))[1]


def test_chinese_breaks_between_any_two_characters(fonts):
    assert broken("甲乙丙丁戊", 2, fonts) == ["甲乙", "丙丁", "戊"]


def test_a_text_that_fits_exactly_stays_on_one_line_and_one_unit_less_breaks_it(fonts):
    assert broken("甲乙丙", 3, fonts) == ["甲乙丙"]
    assert set_text("甲乙丙", fonts, 3 * EM - 1)[1] == ["甲乙", "丙"]


def test_a_word_moves_to_the_next_line_whole(fonts):
    assert broken("型号ABC12", 4, fonts) == ["型号", "ABC12"]


def test_a_word_wider_than_a_line_is_split(fonts):
    assert broken("ABCDEFGHIJ", 2, fonts) == ["ABCD", "EFGH", "IJ"]


def test_a_number_is_not_split_at_its_point(fonts):
    assert broken("长度12.5米", 3.5, fonts) == ["长度", "12.5米"]


@pytest.mark.parametrize("mark", "，。）》、：；％")
def test_closing_punctuation_never_begins_a_line(fonts, mark):
    assert broken(f"甲乙丙{mark}丁", 3, fonts) == ["甲乙", f"丙{mark}丁"]


@pytest.mark.parametrize("mark", "（《「")
def test_opening_punctuation_never_ends_a_line(fonts, mark):
    assert broken(f"甲乙{mark}丙丁", 3, fonts) == ["甲乙", f"{mark}丙丁"]


def test_spaces_at_a_break_are_not_printed(fonts):
    assert broken("Sample  Goods", 4, fonts) == ["Sample", "Goods"]


def test_a_line_feed_ends_a_line_and_an_empty_line_counts(fonts):
    assert broken("甲\n\n乙", 5, fonts) == ["甲", "", "乙"]


def test_a_character_wider_than_the_line_fits_nowhere(fonts):
    assert broken("甲", 0.9, fonts) is None


def test_digits_are_half_an_em_and_cjk_in_mono_is_measured_in_the_face_that_prints_it(fonts):
    assert set_text("0123456789", fonts, EM)[0] == 5 * EM
    assert set_text("甲", fonts, EM, role="mono")[0] == EM


def test_widest_never_exceeds_the_width():
    limit = widest(36_200, 3_175)
    assert limit * 3_175 <= 36_200 * EM < (limit + 1) * 3_175


def test_a_text_of_more_lines_than_permitted_fits_nowhere(fonts):
    assert set_text("甲乙丙丁戊", fonts, 2 * EM, most=3)[1] == ["甲乙", "丙丁", "戊"]
    assert set_text("甲乙丙丁戊", fonts, 2 * EM, most=2)[1] is None


@pytest.mark.parametrize("seed", range(40))
def test_texts_are_set_the_same_compiled_and_not(fonts, seed):
    rng = np.random.default_rng(seed)
    text = "".join(rng.choice(list("甲乙（）。A1b2.  \n𩶘"), int(rng.integers(0, 40))))
    limit, most = int(rng.integers(EM // 2, 12 * EM)), int(rng.integers(0, 5))
    found = [set_text(text, fonts, limit, most=most, function=way) for way in (set_texts, set_texts_scalar)]
    assert found[0] == found[1]
    _, lines = found[0]
    assert lines is None or "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")
