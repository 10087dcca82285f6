"""The product's own renderer behind a real broker: varied invoices in, signed PDF and PNG out."""

from datetime import UTC, datetime

import pytest

from bench.corpus import varied
from render.sign.keys import set_up_test_identity
from render.sign.verify import verify_pdf
from tests.workers.pool_processes import embedded_broker, kaipiao_worker, make_pool

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
