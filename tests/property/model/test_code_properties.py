from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import independent
from render.model import uscc
from render.model.qr import crc
from render.model.words import MAX_YUAN, amount_in_words, words_to_amount

fens = st.integers(-MAX_YUAN * 100 + 1, MAX_YUAN * 100 - 1)
# Numbers with many zeros between their digits: where the rule is hard.
sparse = st.lists(st.sampled_from("0000123"), min_size=1, max_size=18).map(lambda digits: int("".join(digits)))
amounts = st.one_of(fens, sparse, st.integers(-1_000_000, 1_000_000)).map(lambda fen: Decimal(f"{fen}E-2"))
untimed = settings(deadline=None)
bodies = st.text(uscc.ALPHABET, min_size=17, max_size=17)


@untimed
@given(amounts)
def test_words_parse_back_to_the_amount(amount: Decimal) -> None:
    words = amount_in_words(amount)
    assert words_to_amount(words) == amount
    assert independent.words_to_amount(words) == amount


@untimed
@given(amounts)
def test_words_are_spelled_with_the_characters_of_the_rule(amount: Decimal) -> None:
    words = amount_in_words(amount).removeprefix("（负数）")
    assert set(words) <= set("零壹贰叁肆伍陆柒捌玖拾佰仟万亿圆角分整")
    assert "零零" not in words
    assert words.endswith("分") != words.endswith("整")
    assert words.count("圆") <= 1
    assert not words.startswith("零") or amount == 0


@untimed
@given(amounts)
def test_other_unit_words_mean_the_same(amount: Decimal) -> None:
    words = amount_in_words(amount)
    assert words_to_amount(words.replace("圆", "元").replace("整", "正")) == amount


@untimed
@given(st.text("零壹贰玖拾佰仟万亿圆元角分整正（负数）", max_size=20))
def test_whatever_is_read_as_an_amount_is_a_form_of_its_words(words: str) -> None:
    try:
        amount = words_to_amount(words)
    except ValueError:
        return

    def core(text: str) -> str:
        text = text.replace("元", "圆").replace("正", "整").removesuffix("整").replace("零", "")
        return text.replace("(", "（").replace(")", "）")

    assert core(words) == core(amount_in_words(amount))


@untimed
@given(bodies)
def test_a_code_with_its_check_digit_is_valid_by_both_calculations(body: str) -> None:
    code = uscc.with_check_digit(body)
    assert uscc.is_valid(code)
    assert code[-1] == independent.uscc_check(body)


@untimed
@given(bodies, st.integers(0, 16), st.sampled_from(uscc.ALPHABET))
def test_one_changed_character_is_found(body: str, place: int, char: str) -> None:
    code = uscc.with_check_digit(body)
    changed = code[:place] + char + code[place + 1 :]
    assert uscc.is_valid(changed) == (changed == code)


@untimed
@given(st.text())
def test_any_text_is_a_code_or_not(text: str) -> None:
    assert uscc.is_valid(text) is (uscc.has_shape(text) and uscc.check_digit(text[:17]) == text[17])


@untimed
@given(st.text(st.characters(max_codepoint=127), max_size=100))
def test_checksum_agrees_with_the_bitwise_calculation(text: str) -> None:
    assert crc(text) == independent.qr_crc(text)


@untimed
@given(st.text(st.characters(max_codepoint=127), min_size=1, max_size=60), st.data())
def test_checksum_finds_every_single_changed_character(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=127).filter(lambda char: char != text[place]))
    assert crc(text[:place] + other + text[place + 1 :]) != crc(text)


def test_checksum_takes_ascii_alone() -> None:
    with pytest.raises(UnicodeEncodeError):
        crc("０")
