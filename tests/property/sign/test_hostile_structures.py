"""Hostile structures and keys give a status or an error of ours; nothing else is raised, nothing ends the process."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from seal_samples import TRUSTED, sample_seal, sealed_with
from signing_samples import NOW, SECRET, contents_span, empty_pdf, make_signer, signed_pdf

from render.errors import KaipiaoError
from render.sign import curve, der, sm2
from render.sign.backend import load_backend
from render.sign.certificate import read_certificate
from render.sign.countersign import countersign_pdf
from render.sign.pdf import embed, prepare
from render.sign.seal_reader import read_seal
from render.sign.verify import verify_pdf

SECOND = make_signer(SECRET[::-1], "SECOND")
COUNTERSIGNED = countersign_pdf(signed_pdf(), SECOND, NOW)


def structure_of(pdf: bytes) -> bytes:
    start, end = contents_span(pdf)
    return der.read(bytes.fromhex(pdf[start + 1 : end - 1].decode())).raw


STRUCTURES = {"adbe.pkcs7.detached": structure_of(signed_pdf()), "GM.sm2seal": structure_of(sealed_with(sample_seal()))}


def spliced(draw, data: bytes) -> bytes:
    """Return data with a few pieces cut out, doubled or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data = data[:start] + draw(st.binary(max_size=20) | st.just(data[start:end] * 2)) + data[end:]
    return data


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(STRUCTURES)))
def test_a_mutated_structure_is_never_valid_and_never_raises(data, sub_filter):
    mutated = spliced(data.draw, STRUCTURES[sub_filter])
    pdf, span = empty_pdf(4000, sub_filter=sub_filter)
    found = verify_pdf(embed(prepare(pdf, span), mutated), TRUSTED)
    assert not found.is_intact
    assert found.codes
    assert len(found.problems) == len(found.findings)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_mutated_countersigned_file_is_never_valid_and_never_raises(data):
    mutated = spliced(data.draw, COUNTERSIGNED)
    found = verify_pdf(mutated, [*TRUSTED, SECOND.certificate_der])
    # Cut back to the first signature, it is the file that was there before.
    assert mutated in (COUNTERSIGNED, signed_pdf()) or not found.is_intact


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_mutated_file_is_countersigned_or_refused_but_never_repaired(data):
    mutated = spliced(data.draw, signed_pdf())
    try:
        signed = countersign_pdf(mutated, SECOND, NOW)
    except KaipiaoError:
        return
    assert signed.startswith(mutated)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_mutated_seal_or_certificate_is_read_or_refused(data):
    for read, source in ((read_seal, sample_seal()), (read_certificate, SECOND.certificate_der)):
        try:
            read(spliced(data.draw, source))
        except KaipiaoError:
            continue


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=64, max_size=64), st.sampled_from(["openssl", "gmssl"]))
def test_a_key_that_is_no_point_of_the_curve_is_refused_by_either_library(point, name):
    public = b"\x04" + point
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    if (y * y - (x * x * x + curve.A * x + curve.B)) % curve.P == 0:
        return
    signature = curve.encode_signature(1, 1)
    for verify in (
        lambda: sm2.verify(public, b"m", signature, backend=load_backend(name)),
        lambda: load_backend(name).sm2_verify(public, b"m", signature),
    ):
        try:
            verify()
        except KaipiaoError:
            continue
        raise AssertionError("a key off the curve was used")
