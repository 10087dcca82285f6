import pytest

from render.model import uscc

VALID = ("91990000FAKE00010Y", "91990000FAKE00029U", "91990000FAKE00037N")


@pytest.mark.parametrize("code", VALID)
def test_a_code_with_its_check_digit_is_valid(code: str) -> None:
    assert uscc.is_valid(code)
    assert uscc.with_check_digit(code[:17]) == code


def test_check_digit_worked_by_hand() -> None:
    # 17 zeros sum to zero; a one at the end weighs 28, and 31 - 28 = 3.
    assert uscc.check_digit("0" * 17) == "0"
    assert uscc.check_digit("0" * 16 + "1") == "3"
    # A one in front weighs 1, and 31 - 1 = 30 is the last character of the alphabet.
    assert uscc.check_digit("1" + "0" * 16) == "Y"


def test_the_code_of_a_test_system_does_not_pass() -> None:
    assert uscc.has_shape("91500102563638729E")
    assert not uscc.is_valid("91500102563638729E")


@pytest.mark.parametrize("code", VALID)
def test_every_single_wrong_character_is_found(code: str) -> None:
    for place in range(uscc.LENGTH):
        for char in set(uscc.ALPHABET) - {code[place]}:
            assert not uscc.is_valid(code[:place] + char + code[place + 1 :])


@pytest.mark.parametrize(
    "code", ["", VALID[0][:17], VALID[0] + "0", VALID[0].lower(), "I" + VALID[0][1:], VALID[0] + "\n"]
)
def test_other_shapes_are_not_valid(code: str) -> None:
    assert not uscc.is_valid(code)


@pytest.mark.parametrize("first17", ["", "0" * 16, "0" * 18, "0" * 16 + "I", "０" * 17])
def test_no_check_digit_for_what_is_not_the_body_of_a_code(first17: str) -> None:
    with pytest.raises(ValueError, match=r"check|GB/T 32100"):
        uscc.with_check_digit(first17)
