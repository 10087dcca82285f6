"""PDF objects as bytes, and the output profile."""

import io

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from render.pdf.icc import srgb_profile
from render.pdf.syntax import name, number, stream, text_string


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_a_string(text):
    assert str(pikepdf.Object.parse(text_string(text).encode())) == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30))
def test_any_text_comes_back_from_a_name(text):
    assert str(pikepdf.Object.parse(name(text).encode())) == f"/{text}"


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (1.5, 3, "1.5"),
        (2.0, 3, "2"),
        (-0.0001, 3, "0"),
        (100, 0, "100"),
        (1e-9, 12, "0.000000001"),
        (-12.25, 1, "-12.2"),
    ],
)
def test_numbers_have_no_exponent_and_no_idle_zeros(value, decimals, expected):
    assert number(value, decimals) == expected


def test_a_stream_states_its_length():
    assert stream("/N 3", b"abc") == b"<</N 3/Length 3>>\nstream\nabc\nendstream"


def test_the_profile_is_srgb_for_a_colour_management_system():
    ours = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert ours.profile.version == 2.1
    assert ours.profile.device_class == "mntr"
    assert ours.profile.xcolor_space.strip() == "RGB"
    assert ImageCms.getProfileDescription(ours).strip() == "sRGB IEC61966-2.1"
    ramp = Image.merge(
        "RGB", [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.new("L", (256, 256), 90)]
    )
    theirs = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(ramp, ours, theirs, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC)
    worst = max(abs(a - b) for a, b in zip(ramp.tobytes(), converted.tobytes(), strict=True))
    assert worst <= 1


def test_the_profile_is_always_the_same_and_small():
    assert srgb_profile() == srgb_profile.__wrapped__()
    assert len(srgb_profile()) < 1_000
