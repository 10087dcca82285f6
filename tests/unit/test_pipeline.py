"""Batches through the whole renderer: each invoice as alone, at any place, whatever stands beside it."""

import dataclasses
import io
import os
from datetime import UTC, datetime

import pikepdf
import pytest
from asn1crypto.cms import ContentInfo

from bench import corpus
from render import pipeline
from render.config import RenderSettings
from render.errors import ConfigError
from render.pipeline import Renderer, RenderRequest
from render.sign.verify import Status, verify_pdf

WHEN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def unsigned():
    return Renderer(RenderSettings())


@pytest.fixture(scope="module")
def requests():
    documents = [*corpus.typical(5, 21), *corpus.varied(3, 22)]
    return [RenderRequest(document.data, signing_time=WHEN, job_id=f"j{n}") for n, document in enumerate(documents)]


def _digests(result):
    assert result.error is None, result.error
    return [(output.name, output.digest) for output in result.outputs]


def test_bytes_are_the_same_alone_and_at_any_place_of_any_batch(unsigned, requests):
    alone = {request.job_id: _digests(unsigned.render_batch([request])[0]) for request in requests}
    for order in (requests, requests[::-1], requests[3:6]):
        found = {result.job_id: _digests(result) for result in unsigned.render_batch(order)}
        assert found == {request.job_id: alone[request.job_id] for request in order}


def test_results_stand_in_the_order_of_requests_and_faults_stay_with_their_invoice(unsigned, requests):
    unprintable = requests[0].data.replace("示例".encode(), "\U000323af".encode())
    broken = [
        RenderRequest(b"{", signing_time=WHEN, job_id="broken"),
        RenderRequest(unprintable, signing_time=WHEN, job_id="glyph"),
        RenderRequest(requests[0].data, signing_time=WHEN, job_id="dpi", dpi=5),
    ]
    batch = [requests[0], broken[0], requests[1], broken[1], broken[2], requests[2]]
    results = unsigned.render_batch(batch)
    assert [result.job_id for result in results] == [request.job_id for request in batch]
    codes = [result.error.code if result.error else "" for result in results]
    assert codes == ["", "input_malformed", "", "glyph_missing", "input_invalid", ""]
    assert [bool(result.outputs) for result in results] == [True, False, True, False, False, True]
    assert all(result.stage_ms["layout"] > 0 for result in results if result.error is None)


def test_one_batch_may_have_several_resolutions(unsigned, requests):
    low = dataclasses.replace(requests[0], dpi=100, outputs=("png",))
    together = unsigned.render_batch([low, requests[1]])
    assert _digests(together[0]) == _digests(unsigned.render_batch([low])[0])
    assert [output.kind for output in together[0].outputs] == ["png"]
    assert _digests(together[1]) == _digests(unsigned.render_batch([requests[1]])[0])


def test_a_defect_in_layout_of_one_invoice_leaves_the_others_whole(unsigned, requests, monkeypatch):
    first = unsigned.render_batch([requests[0]])[0]
    original = pipeline.layout_invoice

    def defective(invoice, template):
        if invoice.number != first.number:
            raise ZeroDivisionError("planted")
        return original(invoice, template)

    batches = pipeline.layout_batch

    def defective_batch(invoices, template):
        if len(invoices) > 1:
            raise ZeroDivisionError("planted")
        return batches(invoices, template)

    monkeypatch.setattr(pipeline, "layout_invoice", defective)
    monkeypatch.setattr(pipeline, "layout_batch", defective_batch)
    results = unsigned.render_batch(requests[:5])
    assert _digests(results[0]) == _digests(first)
    failed = [result for result in results if result.error is not None]
    assert failed
    assert {result.error.code for result in failed} == {"internal"}


OIDS = {"pkcs7": "1.2.840.113549.1.7.2", "gbt35275": "1.2.156.10197.6.1.4.2.2"}


@pytest.mark.parametrize(("name", "expected"), OIDS.items())
def test_the_identifiers_of_signatures_are_a_setting(identity, requests, name, expected):
    values = {**os.environ, "KAIPIAO_SIGNATURE_OIDS": name}
    renderer = Renderer(RenderSettings.from_mapping(values))
    request = dataclasses.replace(requests[0], outputs=("pdf",))
    (output,) = renderer.render_batch([request])[0].outputs
    found = verify_pdf(output.data, [identity.certificate.read_bytes()])
    assert found.status is Status.VALID, found
    with pikepdf.open(io.BytesIO(output.data)) as pdf:
        (signature,) = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and "/ByteRange" in item]
        assert ContentInfo.load(bytes(signature.Contents), strict=False)["content_type"].dotted == expected


def test_an_unknown_form_of_signature_is_refused():
    with pytest.raises(ConfigError, match="KAIPIAO_SIGNATURE_OIDS"):
        RenderSettings.from_mapping({"KAIPIAO_SIGNATURE_OIDS": "cades"})
