"""The product's own engine reads each invoice once, though the pool asks twice."""

from datetime import UTC, datetime

import pytest

from bench import corpus
from render import pipeline
from render.config import RenderSettings
from render.errors import InputError
from render.model import read as read_module
from render.pipeline import Renderer, RenderRequest
from workers.engine import RenderEngine

WHEN = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def renderer():
    return Renderer(RenderSettings())


@pytest.fixture
def reads(monkeypatch):
    seen = []
    original = read_module.read_invoice

    def count(data, media=None):
        seen.append(data)
        return original(data, media)

    monkeypatch.setattr(read_module, "read_invoice", count)
    monkeypatch.setattr(pipeline, "read_invoice", count)
    return seen


def test_an_identified_invoice_is_not_read_again(renderer, reads):
    engine = RenderEngine(renderer)
    documents = [document.data for document in corpus.typical(3, 9)]
    identities = [engine.identify(data, None) for data in documents]
    results = engine.render_batch([RenderRequest(data, signing_time=WHEN) for data in documents])
    assert len(reads) == 3
    assert [result.number for result in results] == [identity.number for identity in identities]
    alone = renderer.render_batch([RenderRequest(documents[1], signing_time=WHEN)])[0]
    assert [output.digest for output in results[1].outputs] == [output.digest for output in alone.outputs]


def test_what_was_read_is_kept_for_one_batch_only(renderer, reads):
    engine = RenderEngine(renderer)
    data = corpus.typical(1, 9)[0].data
    engine.identify(data, None)
    engine.render_batch([])
    assert engine.render_batch([RenderRequest(data, signing_time=WHEN)])[0].error is None
    assert len(reads) == 2


def test_a_broken_invoice_leaves_nothing_behind(renderer):
    engine = RenderEngine(renderer)
    with pytest.raises(InputError):
        engine.identify(b"{", None)
    assert engine.render_batch([RenderRequest(b"{", signing_time=WHEN)])[0].error.code == "input_malformed"
