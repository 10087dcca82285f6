from decimal import Decimal, localcontext

import pytest

from render.model.words import amount_in_words, words_to_amount

# Worked by hand from the rule for filling in bills and settlement vouchers.
CASES = {
    "6007.14": "陆仟零柒圆壹角肆分",
    "1680.32": "壹仟陆佰捌拾圆叁角贰分",
    "107000.53": "壹拾万柒仟圆伍角叁分",
    "16409.02": "壹万陆仟肆佰零玖圆零贰分",
    "325.04": "叁佰贰拾伍圆零肆分",
    "10.00": "壹拾圆整",
    "0.50": "伍角整",
    "0.05": "伍分",
    "0.00": "零圆整",
    "100000.00": "壹拾万圆整",
    "10001.00": "壹万零壹圆整",
    "100001000.00": "壹亿零壹仟圆整",
    "1010101.01": "壹佰零壹万零壹佰零壹圆零壹分",
    "4449": "肆仟肆佰肆拾玖圆整",
    "526": "伍佰贰拾陆圆整",
    "10000": "壹万圆整",
    "1000000000000.00": "壹万亿圆整",
    "1000000010000.10": "壹万亿零壹万圆壹角整",
    "-2500.00": "（负数）贰仟伍佰圆整",
    "-0.10": "（负数）壹角整",
}


@pytest.mark.parametrize(("amount", "words"), CASES.items())
def test_words_follow_the_rule(amount: str, words: str) -> None:
    assert amount_in_words(Decimal(amount)) == words
    assert words_to_amount(words) == Decimal(amount)


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        ("壹仟陆佰捌拾圆零叁角贰分", "1680.32"),
        ("壹拾万零柒仟圆伍角叁分", "107000.53"),
        ("壹拾万柒仟圆零伍角叁分", "107000.53"),
        ("壹拾万零柒仟元零伍角叁分", "107000.53"),
        ("伍元陆角壹分", "5.61"),
        ("壹拾元正", "10.00"),
        ("叁圆伍角", "3.50"),
        ("叁圆伍角正", "3.50"),
        ("(负数)叁圆整", "-3.00"),
    ],
)
def test_other_permitted_forms_are_read(words: str, amount: str) -> None:
    assert words_to_amount(words) == Decimal(amount)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "整",
        "圆",
        "圆整",
        "拾圆整",
        "壹拾圆",
        "壹圆伍分",
        "壹圆零伍分整",
        "壹仟贰圆整",
        "壹仟零圆整",
        "壹仟零零贰圆整",
        "贰壹圆整",
        "壹万万圆整",
        "壹圆壹分壹角",
        "壹圆整整",
        "壹元圆整",
        "一百圆整",
        "１００圆整",
        "（负数）零圆整",
        "（负数）（负数）壹圆整",
        " 壹圆整",
        "壹圆整\n",
        "壹" * 100_000 + "圆整",
    ],
)
def test_words_that_break_the_rule_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        words_to_amount(words)


@pytest.mark.parametrize(
    "amount", ["0.001", "NaN", "sNaN", "Infinity", "1E16", "-1E16", "1E+999999", "1E-999999", "0." + "9" * 60]
)
def test_what_is_no_amount_of_fen_has_no_words(amount: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|capitals"):
        amount_in_words(Decimal(amount))


def test_words_do_not_depend_on_the_context_of_the_caller() -> None:
    with localcontext() as context:
        context.prec = 3
        assert amount_in_words(Decimal("12345.67")) == "壹万贰仟叁佰肆拾伍圆陆角柒分"
        assert words_to_amount("壹万贰仟叁佰肆拾伍圆陆角柒分") == Decimal("12345.67")
