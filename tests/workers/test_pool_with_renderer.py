"""The product's own renderer behind a real broker: varied invoices in, signed PDF and PNG out."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from bench.corpus import varied, with_lines
from render.encode.formats import FORMATS
from render.sign.keys import set_up_test_identity
from render.sign.verify import verify_pdf
from tests.workers.pool_processes import embedded_broker, kaipiao_worker, make_pool
from workers.client import JobOptions

pytestmark = [pytest.mark.broker, pytest.mark.fonts]


def test_varied_invoices_become_signed_documents_and_nothing_is_done_twice(tmp_path):
    pool = make_pool(tmp_path)
    del pool.environment["KAIPIAO_ENGINE"]
    identity = set_up_test_identity(tmp_path, now=datetime(2026, 1, 1, tzinfo=UTC), iterations=1000)
    documents = varied(13, seed=5)
    broken = documents[0].data.replace(b'"total"', b'"totale"')
    with embedded_broker(pool), kaipiao_worker(pool, "--concurrency", "1"):
        job_ids = pool.client.submit([document.data for document in documents] + [broken])
        ended = pool.end_all(job_ids, 90)
        again = pool.end_all(pool.client.submit([document.data for document in documents]), 60)
    assert [ended[job_id].state for job_id in job_ids] == ["done"] * 13 + ["failed"]
    assert ended[job_ids[-1]].error.code == "invoice_invalid"
    assert all(status.duplicate for status in again.values())
    for job_id, document in zip(job_ids, documents, strict=False):
        receipt = ended[job_id].receipt
        assert receipt.number == document.invoice.number
        pdf, first_page = receipt.outputs[:2]
        assert (pdf.kind, first_page.kind) == ("pdf", "png")
        assert {"read", "layout", "pdf", "sign", "raster", "encode", "store"} <= set(receipt.stage_ms)
        verdict = verify_pdf(pool.client.records.store.get(pdf.key), [identity.certificate.read_bytes()])
        assert (verdict.problems, verdict.covers_whole_file) == ((), True)
        assert verdict.serial == pdf.signer
        assert pool.client.records.store.get(first_page.key).startswith(b"\x89PNG")


def test_pictures_of_every_kind_come_out_of_the_pool(tmp_path):
    pool = make_pool(tmp_path, signing="off")
    del pool.environment["KAIPIAO_ENGINE"]
    documents = [document.data for document in varied(3, seed=6)]
    outputs = ("png", "jpeg", "webp", "tiff", "g4", "avif")
    with embedded_broker(pool), kaipiao_worker(pool, "--concurrency", "1"):
        client = pool.client
        wishes = [
            JobOptions(outputs=outputs, dpi=72),
            JobOptions(outputs=outputs[:4], dpi=72, level="small", mode="grey"),
            JobOptions(outputs=outputs, dpi=72, mode="auto"),
        ]
        job_ids = [client.submit(documents, wish) for wish in wishes]
        ended = pool.end_all([job_id for group in job_ids for job_id in group], 90)
    plain, grey, again = ([ended[job_id] for job_id in group] for group in job_ids)
    assert all(status.state == "done" for status in (*plain, *grey, *again))
    assert [status.duplicate for status in again] == [True] * 3
    for first, other in zip(plain, grey, strict=True):
        assert list(dict.fromkeys(output.kind for output in first.receipt.outputs)) == list(outputs)
        assert (other.receipt.level, other.receipt.mode) == ("small", "grey")
        libraries = {output.kind: output.backend.partition("+")[2] for output in first.receipt.outputs}
        assert libraries == {kind: FORMATS[kind].library for kind in outputs}
        for output in first.receipt.outputs:
            data = pool.client.records.store.get(output.key)
            with Image.open(io.BytesIO(data)) as image:
                assert image.get_format_mimetype() == output.media_type
    fetched = pool.client.fetch(plain[0].receipt, tmp_path / "out")
    assert len(set(fetched)) == len(plain[0].receipt.outputs)


def test_an_invoice_that_exceeds_the_budget_fails_alone_and_the_rest_waits_for_room(tmp_path):
    pool = make_pool(tmp_path, signing="off", batch_pixels=600_000)
    del pool.environment["KAIPIAO_ENGINE"]
    documents = [*with_lines(1, 4, seed=7), *with_lines(200, 1, seed=8)]
    with embedded_broker(pool), kaipiao_worker(pool, "--concurrency", "1"):
        wish = JobOptions(outputs=("png",), dpi=72)
        job_ids = pool.client.submit([document.data for document in documents], wish)
        ended = pool.end_all(job_ids, 90)
    assert [ended[job_id].state for job_id in job_ids] == [*["done"] * 4, "failed"]
    (fault,) = ended[job_ids[-1]].error.faults
    assert (fault.path, fault.rule) == ("dpi", "budget.batch_pixels")
    assert "KAIPIAO_BATCH_PIXELS" in fault.hint
