"""Rules of the field written a second time, apart from :mod:`render`, so that checks do not ask the code they check."""

from __future__ import annotations

from decimal import Decimal

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_CHECKS = "0123456789X"

_DIGITS = {char: value for value, char in enumerate("零壹贰叁肆伍陆柒捌玖")}
_PLACES = {"拾": 10, "佰": 100, "仟": 1000}
_MYRIADS = {"万": 10_000, "亿": 100_000_000}


def organisation_check(body: str) -> str:
    """Return the check character of an 8-character organisation code (GB 11714)."""
    total = sum(USCC_ALPHABET.index(char) * weight for char, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    return _ORGANISATION_CHECKS[-total % 11]


def uscc_check(body: str) -> str:
    """Return the check character of the first 17 of a unified social credit code (GB/T 32100, 统一社会信用代码)."""
    total = sum(USCC_ALPHABET.index(char) * weight for char, weight in zip(body, _USCC_WEIGHTS, strict=True))
    return USCC_ALPHABET[-total % 31]


def qr_crc(text: str) -> str:
    """Return the CRC-16/UMTS of the QR text up to and with its seventh comma, 4 upper-case hexadecimal digits."""
    register = 0
    for byte in text.encode("ascii"):
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x8005 if register & 0x8000 else 0)) & 0xFFFF
    return f"{register:04X}"


def words_to_amount(words: str) -> Decimal:
    """Return the number that an amount in capitals (大写) states; both 圆 and 元 are read.

    Raises:
        ValueError: a character that is no digit, place or unit.
    """
    sign = 1
    if words.startswith("（负数）"):
        sign, words = -1, words.removeprefix("（负数）")
    yuan_words, found, fraction = words.replace("元", "圆").partition("圆")
    if not found:
        yuan_words, fraction = "", words
    fen, digit = 0, 0
    for char in fraction:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char in "角分":
            fen, digit = fen + digit * (10 if char == "角" else 1), 0
        elif char != "整":
            raise ValueError(f"{char!r} is not part of an amount")
    return sign * (Decimal(_yuan(yuan_words)) + Decimal(fen) / 100)


def _yuan(words: str) -> int:
    total, section, digit = 0, 0, 0
    for char in words:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char in _PLACES:
            section, digit = section + digit * _PLACES[char], 0
        elif char in _MYRIADS:
            section, digit = section + digit, 0
            # 亿 multiplies all that came before it, 万 the last section alone.
            scale = _MYRIADS[char]
            total, section = ((total + section) * scale, 0) if char == "亿" else (total + section * scale, 0)
        else:
            raise ValueError(f"{char!r} is not part of an amount")
    return total + section + digit
