"""What is let through to Celery: entries as our producers write them, and nothing that only resembles them."""

import base64
import json
from datetime import UTC, datetime

import pytest

from workers.app import RENDER_CHUNK, RENDER_JOB, create_app
from workers.config import WorkerSettings
from workers.entry import check_entry
from workers.messages import Job
from workers.producer.form import EntryForm


def body(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def real():
    app = create_app(WorkerSettings.from_mapping({}))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(job_id="j", created=now, signing_time=now, invoice="{}")
    form = EntryForm(app, RENDER_JOB, lambda: "tag")
    return json.loads(form.entry(job, message_id="m", name="n", queue="kaipiao.issue"))


def test_what_producers_write_passes(real):
    check_entry(real)
    later = real["headers"] | {"task": RENDER_CHUNK, "eta": "2026-01-31T23:59:59.5+00:00", "retries": 3}
    check_entry(real | {"headers": later | {"timelimit": [60.0, None]}})
    assert {RENDER_CHUNK, RENDER_JOB} == {"kaipiao.render_chunk", "kaipiao.render_job"}


@pytest.mark.parametrize(
    "header",
    [
        {"task": "os.system"},
        {"task": None},
        {"id": ""},
        {"id": 5},
        {"retries": -1},
        {"retries": 1e99},
        {"eta": "soon"},
        {"expires": []},
        {"timelimit": 5},
        {"timelimit": [0, None]},
    ],
    ids=str,
)
def test_a_header_that_celery_would_stumble_over_is_refused(real, header):
    with pytest.raises(ValueError, match=next(iter(header))):
        check_entry(real | {"headers": real["headers"] | header})


@pytest.mark.parametrize(
    "other",
    [
        {"body": ""},
        {"body": "no base64"},
        {"body": body("{no JSON")},
        {"body": body("[[], {}, {}]")},
        {"body": body("[[{}, {}], {}, {}]")},
        {"body": body('[[{}], {"more": 1}, {}]')},
        {"body": body('[[{}], {}, {"callbacks": [{"task": "kaipiao.render_job"}]}]')},
        {"body": body('[[{}], {}, {"chord": {}}]')},
        {"content-type": "application/x-python-serialize"},
        {"content-encoding": "binary"},
        {"headers": []},
        {"properties": {}},
        {"properties": {"delivery_tag": "t", "delivery_info": {}, "body_encoding": "base64"}},
    ],
    ids=str,
)
def test_any_other_part_that_is_not_ours_is_refused(real, other):
    with pytest.raises(ValueError):  # noqa: PT011 of several libraries, each with words of its own
        check_entry(real | other)


@pytest.mark.parametrize("strange", [None, 5, "text", [], {}], ids=str)
def test_what_is_no_object_is_refused(strange):
    with pytest.raises(ValueError, match=r"Expected `object`|missing required"):
        check_entry(strange)
