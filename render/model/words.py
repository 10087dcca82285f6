"""Amounts in capitals (大写金额), by the rule of the People's Bank of China for writing bills and settlement vouchers.

The rule leaves a 零 open in some places, 圆 or 元, 整 or 正: we write one form and read all of them.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cache
from typing import Final

NEGATIVE_PREFIX: Final = "（负数）"
MAX_YUAN: Final = 10**16
"""Amounts stay below this many yuan: 18 digits with 2 decimals."""

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("仟", "佰", "拾", "")
_MYRIAD, _HUNDRED_MILLION = 10**4, 10**8
_DECIMALS = 2
_MAX_WORDS = 80
_ONE = Decimal(1)
# Whatever would have to be rounded to become whole fen raises.
_WHOLE = Context(prec=40, traps=[Inexact, InvalidOperation])
_NEGATIVE_PREFIXES = (NEGATIVE_PREFIX, "(负数)")
_INTEGER = re.compile(r"(?:(?P<high>.+)亿)?(?P<low>.*)", re.DOTALL)


def amount_in_words(amount: Decimal) -> str:
    """Return an amount in capitals: ``4449.00`` is 肆仟肆佰肆拾玖圆整, a red total begins with （负数）.

    Args:
        amount: at most 2 decimals, below ``MAX_YUAN`` either way.

    Raises:
        ValueError: more decimals, too large, or not a number.
    """
    fen = _fen(amount)
    return (NEGATIVE_PREFIX if fen < 0 else "") + _spell(abs(fen), open_zero="")


def words_to_amount(words: str) -> Decimal:
    """Return the amount that words in capitals state, in any form that the rule permits.

    Raises:
        ValueError: the words are not an amount, or not written as the rule asks.
    """
    if len(words) > _MAX_WORDS:
        raise ValueError(f"{len(words)} characters are too many for an amount")
    prefix = next((prefix for prefix in _NEGATIVE_PREFIXES if words.startswith(prefix)), "")
    fen = _read(words[len(prefix) :])
    if re.fullmatch(_pattern(fen), words[len(prefix) :]) is None or (prefix and not fen):
        raise ValueError("the words do not follow the rule for amounts in capitals")
    return Decimal(f"{'-' if prefix else ''}{fen // 100}.{fen % 100:02d}")


def _fen(amount: Decimal) -> int:
    if not amount.is_finite() or amount.copy_abs() >= MAX_YUAN:
        raise ValueError(f"{amount} cannot be written in capitals")
    try:
        return int(_WHOLE.quantize(_WHOLE.scaleb(amount, _DECIMALS), _ONE))
    except (Inexact, InvalidOperation) as error:
        raise ValueError(f"{amount} has more than two decimals") from error


def _spell(fen: int, open_zero: str) -> str:
    """Spell a sum of fen; ``open_zero`` goes where the rule lets one write 零 or leave it out."""
    yuan, rest = divmod(fen, 100)
    jiao, last = divmod(rest, 10)
    if not fen:
        return "零圆整"
    whole = _spell_yuan(yuan, open_zero) + "圆" if yuan else ""
    if not rest:
        return whole + "整"
    if jiao:
        zero = open_zero if yuan and yuan % 10 == 0 else ""
        return whole + zero + _DIGITS[jiao] + "角" + (_DIGITS[last] + "分" if last else "整")
    return whole + ("零" if yuan else "") + _DIGITS[last] + "分"


def _spell_yuan(yuan: int, open_zero: str) -> str:
    high, low = divmod(yuan, _HUNDRED_MILLION)
    return _join(
        _spell_half(high, open_zero) + "亿" if high else "",
        _spell_half(low, open_zero),
        _zero_between(high, low, _HUNDRED_MILLION, open_zero),
    )


def _spell_half(number: int, open_zero: str) -> str:
    high, low = divmod(number, _MYRIAD)
    return _join(
        _spell_group(high) + "万" if high else "",
        _spell_group(low),
        _zero_between(high, low, _MYRIAD, open_zero),
    )


def _join(high: str, low: str, between: str) -> str:
    return high + between + low if high and low else high + low


def _zero_between(high: int, low: int, unit: int, open_zero: str) -> str:
    """Return 零 where the lower part begins with zeros, an open one where only the higher part ends with some."""
    if low < unit // 10:
        return "零"
    return open_zero if high % 10 == 0 else ""


@cache
def _spell_group(group: int) -> str:
    """Spell a number below ten thousand; zero is spelled by nothing."""
    words = ""
    is_gap = False
    for place, digit in zip(_PLACES, f"{group:04d}", strict=True):
        if digit == "0":
            is_gap = bool(words)
        else:
            words += ("零" if is_gap else "") + _DIGITS[int(digit)] + place
            is_gap = False
    return words


def _pattern(fen: int) -> str:
    """Return what matches every permitted spelling: 整 may be missing after 角 alone."""
    words = _spell(fen, open_zero="零?")
    if words.endswith("整"):
        words = words[:-1] + ("[整正]?" if words.endswith("角整") else "[整正]")
    return words.replace("圆", "[圆元]")


def _read(words: str) -> int:
    """Return the fen that words state; what is malformed raises or spells differently when compared."""
    yuan_words, found, rest = words.replace("元", "圆").partition("圆")
    if not found:
        yuan_words, rest = "", words
    jiao_words, has_jiao, fen_words = rest.rpartition("角")
    jiao = _read_digit(jiao_words.removeprefix("零")) if has_jiao else 0
    fen_words = fen_words.removeprefix("零")
    fen = _read_digit(fen_words[:-1]) if fen_words.endswith("分") else 0
    return _read_yuan(yuan_words) * 100 + jiao * 10 + fen


def _read_yuan(words: str) -> int:
    parts = _INTEGER.fullmatch(words)
    high, low = (parts["high"] or "", parts["low"]) if parts else ("", words)
    return _read_half(high) * _HUNDRED_MILLION + _read_half(low)


def _read_half(words: str) -> int:
    high, _, low = words.rpartition("万")
    return _read_group(high) * _MYRIAD + _read_group(low)


def _read_group(words: str) -> int:
    total, digit = 0, 0
    for char in words:
        if char in "拾佰仟":
            total, digit = total + digit * 10 ** ("拾佰仟".index(char) + 1), 0
        else:
            digit = _read_digit(char)
    return total + digit


def _read_digit(char: str) -> int:
    if len(char) != 1 or char not in _DIGITS:
        raise ValueError("a character that is no digit, place or unit of an amount")
    return _DIGITS.index(char)
