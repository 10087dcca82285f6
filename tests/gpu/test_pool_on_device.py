"""Real workers and the fake device: one child a device, gathered messages, and every way in which a device fails."""

import io
import json
import os
import signal
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import redis
from PIL import Image

from bench import corpus
from render.config import RenderSettings
from render.pipeline import Renderer, RenderRequest
from render.raster.cpu import load_compositor
from tests.workers.pool_processes import celery_worker, make_pool, redis_server, wait_until
from workers.app import create_app
from workers.breaker.shared import PREFIX
from workers.breaker.tally import FALLBACKS
from workers.client import JobOptions
from workers.health import examine

pytestmark = [pytest.mark.broker, pytest.mark.fonts, pytest.mark.timeout(90)]

SITE = Path(__file__).parent / "fake_site"
WISH = JobOptions(outputs=("png",), dpi=72)
ON_CPU = f"{load_compositor()[1]}+deflate"
WHEN = datetime(2026, 11, 23, tzinfo=UTC)
QUICK = {"chunk_jobs": 1, "retry_ladder_s": "0.2,0.4", "lease_s": 1, "sweep_interval_s": 0.1, "lost_retries": 2}


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("b")) as url:
        yield url


@pytest.fixture(scope="module")
def pool(tmp_path_factory, broker):
    """Return a running pool of one child, on a machine that has two fake devices."""
    home = tmp_path_factory.mktemp("b")
    pool = make_pool(home, broker_url=broker, signing="off", **QUICK)
    pool.environment |= {
        "KAIPIAO_ENGINE": "tests.gpu.recording_engine:build",
        "PYTHONPATH": os.pathsep.join([pool.environment["PYTHONPATH"], str(SITE)]),
        "FAKE_DEVICES": "GPU-a,GPU-b",
        "FAKE_DEVICE_FOLDER": str(home),
    }
    pool.environment.pop("CUDA_VISIBLE_DEVICES", None)
    with celery_worker(pool, concurrency=1):
        wait_until(lambda: noted(pool, "device"), 60)
        yield pool


def with_faults(pool, **faults):
    """Replace the child by one whose device fails like this."""
    (pool.home / "GPU-a.json").write_text(json.dumps(faults))
    with redis.Redis.from_url(pool.settings.broker_url) as client:
        # What other tests did to the device is forgotten.
        client.delete(f"{PREFIX}:device:GPU-a", f"{PREFIX}:device:GPU-a:probes", FALLBACKS)
    replaced_by(pool, lambda: os.kill(child_of(pool), signal.SIGKILL))


def child_of(pool):
    return int(noted(pool, "device")[-1][0])


def replaced_by(pool, end):
    """End the child, and wait for the one that takes its place and device."""
    before = len(noted(pool, "device"))
    end()
    wait_until(lambda: len(noted(pool, "device")) == before + 1, 60)
    assert {device for _, device in noted(pool, "device")} == {"GPU-a"}, "the neighbour's device was not taken"


def noted(pool, event):
    return [line.split()[1:] for line in pool.engine_log if line.startswith(f"{event} ")]


@cache
def processor():
    return Renderer(RenderSettings(device="cpu"))


def expected(documents):
    """Return the pages of documents as the CPU draws them."""
    requests = [
        RenderRequest(each.data, WHEN, job_id=str(at), outputs=("png",), dpi=72) for at, each in enumerate(documents)
    ]
    return [[_pixels(output.data) for output in result.outputs] for result in processor().render_batch(requests)]


def _pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def submit_together(pool, documents, *, held=False):
    """Submit documents while the child is held in the middle of another, so that they are one batch; hold that too."""
    n_batches = len(noted(pool, "batch"))
    hold(pool, 1)
    (first,) = pool.client.submit([corpus.typical(1, 700 + n_batches)[0].data], WISH)
    wait_until(lambda: [first] in noted(pool, "batch"), 60)
    job_ids = pool.client.submit(documents, WISH)
    wait_until(lambda: "issue" in create_app(pool.settings).idle_lanes(), 10)
    hold(pool, len(documents) if held else 0)
    return job_ids


def hold(pool, jobs):
    """Hold every batch of so many jobs from now on, and no other."""
    (pool.home / "hold.new").write_text(str(jobs))
    (pool.home / "hold.new").rename(pool.home / "hold")


def batches_of(pool, job_ids):
    return [batch for batch in noted(pool, "batch") if set(batch) & set(job_ids)]


def check_done(pool, job_ids, documents):
    """Wait until all is done; assert the pixels, and return the names of what made the pages."""
    ended = pool.end_all(job_ids)
    assert [ended[job_id].state for job_id in job_ids] == ["done"] * len(job_ids)
    made = set()
    for job_id, pages in zip(job_ids, expected(documents), strict=True):
        receipt = ended[job_id].receipt
        assert receipt.job_id == job_id
        made |= {output.backend for output in receipt.outputs}
        for output, page in zip(receipt.outputs, pages, strict=True):
            assert np.array_equal(_pixels(pool.client.records.store.get(output.key)), page)
    return made


def events(pool, name):
    lines = (pool.home / "worker.log").read_text().splitlines()
    return [json.loads(line) for line in lines if f'"event": "{name}"' in line]


def one_page(pool, number):
    """Render an invoice of a page, check its pixels, and return what made it."""
    documents = corpus.typical(1, number)
    (backend,) = check_done(pool, pool.client.submit([documents[0].data], WISH), documents)
    return backend


def test_singles_of_several_templates_are_one_batch_halved_without_memory_and_a_poisoned_page_fails_alone(pool):
    with_faults(pool, oom_at=20)
    documents = [*corpus.typical(3, 41), *corpus.varied(5, 42)]
    poisoned = json.loads(corpus.typical(1, 46)[0].data)
    poisoned["buyer"]["name"] += "\u1780"
    job_ids = submit_together(pool, [*(each.data for each in documents), json.dumps(poisoned).encode()])
    ended = pool.end_all(job_ids)
    assert (ended[job_ids[-1]].state, ended[job_ids[-1]].error.code) == ("failed", "glyph_missing")
    assert check_done(pool, job_ids[:-1], documents) == {"cuda-splice"}
    assert len({ended[job_id].receipt.template_id for job_id in job_ids[:-1]}) > 1
    assert [sorted(batch) for batch in batches_of(pool, job_ids)] == [sorted(job_ids)]
    assert "gpu.halved" in (pool.home / "worker.log").read_text()
    assert examine(pool.client, 60).devices == {}, "the device did the work"


def test_a_child_killed_with_a_batch_in_its_hand_loses_nothing_and_does_nothing_twice(pool):
    documents = corpus.typical(3, 45)
    job_ids = submit_together(pool, [each.data for each in documents], held=True)
    wait_until(lambda: batches_of(pool, job_ids), 30)
    replaced_by(pool, lambda: os.kill(child_of(pool), signal.SIGKILL))
    assert check_done(pool, job_ids, documents) == {"cuda-splice"}
    assert [len(batch) for batch in batches_of(pool, job_ids)] == [3, 1, 1, 1]


def test_a_device_without_memory_is_left_alone_and_comes_back_when_a_probe_succeeds(pool):
    with_faults(pool, oom_at=2, oom_times=6)
    closed_before = len(events(pool, "breaker.closed"))
    made = []
    while "cuda-splice" not in made:
        made.append(one_page(pool, 100 + len(made)))
    assert set(made[:-1]) == {ON_CPU}, "with the same pixels"
    codes = [event["code"] for event in events(pool, "backend.fallback")][-len(made) + 1 :]
    assert codes[:3] == ["fell_back"] * 3, "a batch each, until the breaker opened"
    assert set(codes[3:]) == {"device_resting"}
    assert events(pool, "breaker.opened")[-1]["breaker"] == "device:GPU-a"
    (figures,) = examine(pool.client, 60).as_dict()["devices"].items()
    assert figures == ("device:GPU-a", {"fallbacks": len(codes), "breaker": "half_open"})
    assert one_page(pool, 99) == "cuda-splice"
    assert [event["breaker"] for event in events(pool, "breaker.closed")[closed_before:]] == ["device:GPU-a"]


def test_a_lost_device_ends_its_child_and_the_next_one_takes_the_device(pool):
    with_faults(pool, lost_at=12)
    documents = corpus.typical(4, 44)
    job_ids = submit_together(pool, [each.data for each in documents])
    replaced_by(pool, lambda: None)
    assert check_done(pool, job_ids, documents) == {ON_CPU}
    assert [sorted(batch) for batch in batches_of(pool, job_ids)] == [sorted(job_ids)], "done once, before it ended"
    assert [event["breaker"] for event in events(pool, "device.lost")] == ["GPU-a"]
    assert "device_lost" in {event["code"] for event in events(pool, "backend.fallback")}
