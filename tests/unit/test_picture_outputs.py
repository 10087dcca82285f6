"""Pictures of every format through the whole renderer, and what a bad page or too large an invoice does to the rest."""

import dataclasses
import io
import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from bench import corpus
from render.budget import Budget
from render.config import RenderSettings
from render.encode import document as encode_document
from render.encode.formats import FORMATS, OUTPUT_KINDS
from render.encode.jpeg import JpegEncoder
from render.errors import BackendUnavailable, Fault, InputError
from render.model.invoice import InvoiceKind
from render.pipeline import Renderer, RenderRequest
from render.raster.api import Rasterizer

pytestmark = pytest.mark.fonts

WHEN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DPI = 80


@pytest.fixture(scope="module")
def unsigned():
    return Renderer(RenderSettings())


@pytest.fixture(scope="module")
def requests():
    """Four invoices of one form: two of one page, one of several, one of one page."""
    short = [document for document in corpus.with_lines(2, 20, seed=31) if is_special(document)][:3]
    long = next(document for document in corpus.with_lines(60, 20, seed=32) if is_special(document))
    return [
        RenderRequest(document.data, signing_time=WHEN, outputs=("jpeg",), dpi=DPI, job_id=f"j{n}")
        for n, document in enumerate([*short[:2], long, short[2]])
    ]


def is_special(document):
    return document.invoice.kind is InvoiceKind.VAT_SPECIAL


def asked(request, **changes):
    return dataclasses.replace(request, **changes)


def digests(result):
    assert result.error is None, result.error
    return [(output.name, output.kind, output.digest) for output in result.outputs]


def test_one_request_may_ask_for_every_format(unsigned, requests):
    result = unsigned.render_batch([asked(requests[2], outputs=OUTPUT_KINDS)])[0]
    n_pages = sum(output.kind == "png" for output in result.outputs)
    assert n_pages > 1
    order = [kind for kind, _ in itertools.groupby(output.kind for output in result.outputs)]
    assert order == list(OUTPUT_KINDS)
    drawn_by = Rasterizer(unsigned.template(result.template_id).resources, DPI).backend
    for output in result.outputs[1:]:
        assert output.name.startswith(result.number)
        assert output.backend == f"{drawn_by}+{FORMATS[output.kind].library}"
        if output.kind != "heif":
            with Image.open(io.BytesIO(output.data)) as image:
                assert image.get_format_mimetype() == output.media_type
                assert getattr(image, "n_frames", 1) == (n_pages if output.kind in {"tiff", "g4"} else 1)
    assert len({output.name for output in result.outputs}) == len(result.outputs)
    assert sum(output.kind == "webp" for output in result.outputs) == n_pages


def test_formats_show_the_same_page(unsigned, requests):
    result = unsigned.render_batch([asked(requests[0], outputs=("png", "tiff", "webp", "jpeg"))])[0]
    png, tiff, webp, jpeg = (_rgb(output.data) for output in result.outputs)
    assert np.array_equal(png, tiff)
    assert np.array_equal(png, webp)
    assert 0 < np.abs(png.astype(int) - jpeg).mean() < 6


def _rgb(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def test_level_and_mode_reach_the_encoder(unsigned, requests):
    plain, grey, small = unsigned.render_batch(
        [requests[0], asked(requests[0], mode="grey"), asked(requests[0], level="small")]
    )
    modes = [Image.open(io.BytesIO(result.outputs[0].data)).mode for result in (plain, grey, small)]
    assert modes == ["RGB", "L", "RGB"]
    assert len(small.outputs[0].data) < len(plain.outputs[0].data)


def test_all_faults_of_a_request_are_told_at_once(unsigned, requests):
    wrong = asked(requests[0], outputs=("pdf", "gif"), mode="cmyk", level="best", dpi=5)
    error = unsigned.render_batch([wrong])[0].error
    assert [fault.path for fault in error.faults] == ["outputs", "mode", "level", "dpi"]


def test_a_missing_library_fails_only_the_job_that_needs_it_and_before_it_is_drawn(unsigned, requests, monkeypatch):
    def encoder(name):
        if name == "heif":
            raise BackendUnavailable("HEIF cannot be written.", hint="Install it.")
        return original(name)

    original = encode_document.encoder
    monkeypatch.setattr(encode_document, "encoder", encoder)
    bad, good = unsigned.render_batch([asked(requests[0], outputs=("pdf", "heif")), requests[1]])
    assert (bad.error.code, bad.outputs) == ("backend_unavailable", ())
    assert bad.stage_ms == {}
    assert good.error is None


def fail_at(monkeypatch, owner, name, nth, error):
    """Let the nth call of a method fail."""
    original, calls = getattr(owner, name), itertools.count()

    def failing(*arguments, **named):
        if next(calls) == nth:
            raise error
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, failing)
    return calls


REFUSED = InputError("the page cannot be written.", faults=(Fault("pixels", "encode.page_size", "too wide.", "Less."),))


@pytest.mark.parametrize(("error", "code"), [(REFUSED, "input_invalid"), (ZeroDivisionError("planted"), "internal")])
def test_a_page_that_cannot_be_encoded_loses_its_job_alone(unsigned, requests, monkeypatch, error, code):
    alone = [digests(unsigned.render_batch([request])[0]) for request in requests]
    n_pages = [len(outputs) for outputs in alone]
    calls = fail_at(monkeypatch, JpegEncoder, "encode", n_pages[0] + n_pages[1] + 1, error)
    results = unsigned.render_batch(requests)
    assert [result.error.code if result.error else "" for result in results] == ["", "", code, ""]
    assert results[2].outputs == ()
    assert [digests(results[n]) for n in (0, 1, 3)] == [alone[n] for n in (0, 1, 3)]
    # Nothing was encoded twice, and no page of the lost job after the bad one.
    assert n_pages[2] > 2
    assert next(calls) == n_pages[0] + n_pages[1] + 2 + n_pages[3]


def test_a_page_that_cannot_be_drawn_loses_its_job_alone(unsigned, requests, monkeypatch):
    alone = [digests(unsigned.render_batch([request])[0]) for request in requests]
    n_pages = [len(outputs) for outputs in alone]
    assert n_pages[2] > 1
    # The last page of the third invoice, where it stands in the batch and where it stands alone.
    bad_page = {sum(n_pages): sum(n_pages[:3]) - 1, n_pages[2]: n_pages[2] - 1}
    original = Rasterizer.rasterize

    def failing(self, display):
        for number, page in enumerate(original(self, display)):
            if number == bad_page.get(display.n_pages):
                raise ZeroDivisionError("planted")
            yield page

    monkeypatch.setattr(Rasterizer, "rasterize", failing)
    results = unsigned.render_batch(requests)
    assert [result.error.code if result.error else "" for result in results] == ["", "", "internal", ""]
    assert [digests(results[n]) for n in (0, 1, 3)] == [alone[n] for n in (0, 1, 3)]


def with_budget(**limits):
    return Renderer(RenderSettings(budget=Budget(**limits)))


def pixels_of(result):
    with Image.open(io.BytesIO(result.outputs[0].data)) as image:
        return image.width * image.height


def test_a_page_too_large_fails_only_its_job_and_before_its_pdf_is_written(unsigned, requests):
    limit = pixels_of(unsigned.render_batch([requests[0]])[0])
    wide = asked(requests[1], outputs=("pdf", "jpeg"), dpi=DPI + 1)
    good, bad, other = with_budget(page_pixels=limit).render_batch([requests[0], wide, requests[3]])
    assert (good.error, other.error) == (None, None)
    assert bad.error.faults[0].rule == "budget.page_pixels"
    assert "KAIPIAO_PAGE_PIXELS" in bad.error.faults[0].hint
    assert bad.outputs == ()
    assert "pdf" not in bad.stage_ms


def test_pdf_alone_has_no_pixels_to_count(requests):
    (result,) = with_budget(page_pixels=1).render_batch([asked(requests[0], outputs=("pdf",))])
    assert result.error is None


def test_an_invoice_beyond_the_batch_is_refused_and_one_that_only_finds_no_room_is_put_off(unsigned, requests):
    page = pixels_of(unsigned.render_batch([requests[0]])[0])
    renderer = with_budget(batch_pixels=2 * page)
    codes = [r.error.code if r.error else "" for r in renderer.render_batch(requests)]
    assert codes == ["", "", "input_invalid", "batch_full"]
    assert digests(renderer.render_batch([requests[3]])[0]) == digests(unsigned.render_batch([requests[3]])[0])
    twice = renderer.render_batch([asked(requests[0], outputs=("jpeg", "png")), requests[1]])
    assert [r.error.code if r.error else "" for r in twice] == ["", "batch_full"]


def test_files_beyond_the_memory_of_a_batch_are_refused_or_put_off(unsigned, requests):
    sizes = [sum(len(o.data) for o in unsigned.render_batch([request])[0].outputs) for request in requests]
    assert sizes[2] > sizes[0] + sizes[1] > sizes[3]
    renderer = with_budget(batch_bytes=sizes[0] + sizes[1])
    results = renderer.render_batch(requests)
    # Beside the others it cannot be told whether the third would fit into a batch of its own.
    assert [r.error.code if r.error else "" for r in results] == ["", "", "batch_full", "batch_full"]
    late = renderer.render_batch(requests[2:])
    assert [r.error.code if r.error else "" for r in late] == ["input_invalid", ""]
    assert late[0].error.faults[0].rule == "budget.batch_bytes"
    tiff = asked(requests[2], outputs=("tiff",), mode="rgb")
    assert renderer.render_batch([tiff])[0].error.faults[0].rule == "budget.batch_bytes"


def test_what_a_failed_job_held_is_free_for_the_next(unsigned, requests):
    sizes = [sum(len(o.data) for o in unsigned.render_batch([request])[0].outputs) for request in requests]
    renderer = with_budget(batch_bytes=max(sizes[0], sizes[3]))
    results = renderer.render_batch([requests[2], requests[3]])
    assert [r.error.code if r.error else "" for r in results] == ["input_invalid", ""]


def test_rasterisers_of_many_resolutions_do_not_pile_up(requests):
    renderer = Renderer(RenderSettings())
    batch = [asked(requests[0], dpi=dpi, outputs=("png",)) for dpi in range(72, 84)]
    assert all(result.error is None for result in renderer.render_batch(batch))
    assert len(renderer._drawing._rasterizers) <= 8
