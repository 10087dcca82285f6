"""No byte of a signed file can change unnoticed: every position is tried, not a sample."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signing_samples import contents_span, make_signer, signed_pdf

from render.sign.verify import Status, verify_pdf

TRUSTED = [make_signer().certificate_der]


def status(pdf: bytes) -> Status:
    return verify_pdf(pdf, TRUSTED).status


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_one_flipped_byte_anywhere_fails(mask):
    signed, intact = signed_pdf(), []
    for at in range(len(signed)):
        changed = bytearray(signed)
        changed[at] ^= mask
        found = verify_pdf(bytes(changed), TRUSTED)
        if found.is_intact or not found.problems:
            intact.append(at)
    assert intact == []


def test_one_changed_hex_digit_of_the_signature_fails_whatever_it_becomes():
    start, end = contents_span(signed_pdf())
    for at in range(start + 1, end - 1, 37):
        for digit in b"0123456789abcdefABCDEF":
            changed = bytearray(signed_pdf())
            changed[at] = digit
            assert (bytes(changed) == signed_pdf()) == (status(bytes(changed)) is Status.VALID)


def test_one_missing_or_doubled_byte_fails():
    signed = signed_pdf()
    for at in range(0, len(signed), 5):
        assert not verify_pdf(signed[:at] + signed[at + 1 :], TRUSTED).is_intact
        assert not verify_pdf(signed[:at] + signed[at : at + 1] + signed[at:], TRUSTED).is_intact


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_splice_fails(data):
    signed = signed_pdf()
    start = data.draw(st.integers(0, len(signed)))
    end = data.draw(st.integers(start, min(len(signed), start + 40)))
    changed = signed[:start] + data.draw(st.binary(max_size=40)) + signed[end:]
    assert (changed == signed) == (status(changed) is Status.VALID)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"%PDF-1.7\n", b"%PDF-1.4\ntrailer<</Root<</AcroForm<</Fields["]))
def test_noise_is_never_valid_and_never_raises(noise, head):
    assert not verify_pdf(head + noise).is_intact
