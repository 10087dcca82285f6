import sys
import unicodedata

import pytest

from render.model.text import FORBIDDEN_RANGES, describe, find_forbidden, is_clean, is_forbidden, quote


@pytest.mark.parametrize("char", "开㛃䶮𬭊鿏𠅤〇·¥　Aé（）\ufe0f ")
def test_printing_characters_are_permitted(char: str) -> None:
    assert not is_forbidden(char)


@pytest.mark.parametrize(
    ("char", "kind"),
    [
        ("\0", "U+0000, a control character"),
        ("\n", "U+000A, a control character"),
        ("\x85", "U+0085, a control character"),
        ("\u202e", "U+202E, a bidirectional control"),
        ("\u2066", "U+2066, a bidirectional control"),
        ("\u061c", "U+061C, a bidirectional control"),
        ("\u200b", "U+200B, an invisible format character"),
        ("\ufeff", "U+FEFF, an invisible format character"),
        ("\U000e0041", "U+E0041, an invisible format character"),
        ("\u2028", "U+2028, a line separator"),
        ("\ud800", "U+D800, a surrogate"),
        ("\udfff", "U+DFFF, a surrogate"),
        ("\ufdd0", "U+FDD0, a noncharacter"),
        ("\uffff", "U+FFFF, a noncharacter"),
        ("\U0001fffe", "U+1FFFE, a noncharacter"),
        ("\U0010ffff", "U+10FFFF, a private use character"),
        ("\ue000", "U+E000, a private use character"),
        ("\ufffd", "U+FFFD, a replacement character"),
    ],
)
def test_characters_without_a_shape_are_forbidden_and_named(char: str, kind: str) -> None:
    assert is_forbidden(char)
    assert find_forbidden(f"虚构{char}示例") == 2
    assert not is_clean(f"虚构{char}示例")
    assert describe(char) == kind


def test_ranges_hold_every_character_of_the_categories_without_a_shape() -> None:
    categories = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        category = unicodedata.category(char)
        if category in categories:
            assert is_forbidden(char), f"U+{code:04X}"
        elif is_forbidden(char):
            assert category == "Cn" or char in "\ufffc\ufffd", f"U+{code:04X}"


def test_the_quick_look_never_passes_a_forbidden_character() -> None:
    for first, last, _ in FORBIDDEN_RANGES:
        assert not any(is_clean(chr(code)) for code in range(first, last + 1))


def test_quotes_are_short_and_show_what_is_invisible() -> None:
    assert quote("\u202e\ud800\0") == r"'\u202e\ud800\x00'"
    assert len(quote("长" * 1_000_000)) < 50
