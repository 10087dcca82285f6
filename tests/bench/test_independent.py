from decimal import Decimal

import pytest

from bench.independent import organisation_check, qr_crc, uscc_check, words_to_amount


def test_qr_check_value_of_the_published_vector() -> None:
    assert qr_crc("01,31,,24312000000000000001,1130.00,20240528,,") == "49EE"


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        ("陆仟零柒圆壹角肆分", "6007.14"),
        ("壹拾万柒仟圆伍角叁分", "107000.53"),
        ("壹万陆仟肆佰零玖圆零贰分", "16409.02"),
        ("壹拾圆整", "10.00"),
        ("伍角整", "0.50"),
        ("伍分", "0.05"),
        ("零圆整", "0"),
        ("壹亿零壹仟圆整", "100001000"),
        ("壹佰零壹万零壹佰零壹圆零壹分", "1010101.01"),
        ("壹万亿零贰元整", "1000000000002"),
        ("（负数）肆仟圆叁角整", "-4000.30"),
    ],
)
def test_words_are_read_back(words: str, amount: str) -> None:
    assert words_to_amount(words) == Decimal(amount)


@pytest.mark.parametrize("words", ["壹百圆整", "圆1角", "壹佰圆x"])
def test_words_with_other_characters_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="not part of an amount"):
        words_to_amount(words)


def test_codes_carry_both_check_characters() -> None:
    assert organisation_check("D2143569") == "X"
    assert uscc_check("91990000FAKE48971") == "4"
    assert uscc_check("91500102563638729") != "E"
