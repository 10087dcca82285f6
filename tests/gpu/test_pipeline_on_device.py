"""The whole renderer on the fake device: pictures of the same pixels, whatever the device does on the way."""

import io
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from bench import corpus
from render import drawing
from render.config import RenderSettings
from render.errors import DeviceLost
from render.pipeline import Renderer, RenderRequest
from render.raster.cpu import load_compositor
from tests.gpu.host_samples import fake_session

pytestmark = pytest.mark.fonts

WHEN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DPI = 72


@pytest.fixture(scope="module")
def documents():
    return [*corpus.typical(3, 31), *corpus.varied(2, 32)]


@pytest.fixture(scope="module")
def on_cpu(documents):
    return _pictures(Renderer(RenderSettings(device="cpu")).render_batch(_requests(documents)))


def _requests(documents, **more):
    return [RenderRequest(d.data, WHEN, job_id=str(n), dpi=DPI, **more) for n, d in enumerate(documents)]


def _renderer(monkeypatch, device="cuda", **faults):
    session, machine = fake_session(**faults)
    monkeypatch.setattr(drawing, "_open", lambda _: session)
    return Renderer(RenderSettings(device=device)), machine


def _pictures(results):
    assert [result.error for result in results] == [None] * len(results)
    files = [output for result in results for output in result.outputs if output.kind == "png"]
    return {file.name: np.asarray(Image.open(io.BytesIO(file.data)).convert("RGB")) for file in files}


def _same(some, others):
    assert some.keys() == others.keys()
    assert all(np.array_equal(some[name], others[name]) for name in others)


def test_png_files_of_the_device_show_the_pixels_of_the_cpu(monkeypatch, documents, on_cpu):
    renderer, machine = _renderer(monkeypatch)
    results = renderer.render_batch(_requests(documents))
    _same(_pictures(results), on_cpu)
    made = {output.backend for result in results for output in result.outputs if output.kind == "png"}
    assert made == {"cuda-splice"}
    assert machine.violations == []


def test_other_formats_are_encoded_by_the_cpu_from_pages_of_the_device(monkeypatch, documents, on_cpu):
    renderer, _ = _renderer(monkeypatch)
    results = renderer.render_batch(_requests(documents, outputs=("png", "tiff")))
    _same(_pictures(results), on_cpu)
    made = {output.backend for result in results for output in result.outputs}
    assert made == {"cuda+deflate"}


@pytest.mark.parametrize(
    ("faults", "event", "backend"),
    [
        ({"oom_at": 3}, "gpu.halved", "cuda-splice"),
        ({"oom_at": 3, "oom_times": 50}, "gpu.fell_back", f"{load_compositor()[1]}+deflate"),
    ],
)
def test_memory_that_ends_is_made_up_for(monkeypatch, caplog, documents, on_cpu, faults, event, backend):
    caplog.set_level("INFO")
    renderer, _ = _renderer(monkeypatch, device="auto", **faults)
    results = renderer.render_batch(_requests(documents))
    _same(_pictures(results), on_cpu)
    assert {output.backend for result in results for output in result.outputs if output.kind == "png"} == {backend}
    assert any(message.startswith(event) for message in caplog.messages)


def test_a_lost_device_is_nobodys_invoices_fault(monkeypatch, documents):
    renderer, _ = _renderer(monkeypatch, lost_at=2)
    with pytest.raises(DeviceLost):
        renderer.render_batch(_requests(documents))
