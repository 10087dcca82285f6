"""The submitter's side, without a broker."""

import itertools
from datetime import UTC, datetime

import pytest
from kombu.transport import redis

from render.errors import BrokerError, InputError
from workers.app import create_app
from workers.client import JobOptions, PoolClient
from workers.config import WorkerSettings

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def client_of(tmp_path, **settings):
    numbers = itertools.count()
    base = WorkerSettings.from_mapping({"KAIPIAO_HOME": str(tmp_path)} | settings)
    return PoolClient(base, clock=lambda: NOW, new_id=lambda: f"id{next(numbers)}")


def chunks_of(client, documents, options=None):
    return list(client._chunks([client._job(data, options or JobOptions()) for data in documents]))


def test_chunks_are_bounded_by_number(tmp_path):
    chunks = chunks_of(client_of(tmp_path, KAIPIAO_CHUNK_JOBS="64"), [b"{}"] * 130)
    assert [len(chunk.jobs) for chunk in chunks] == [64, 64, 2]
    ids = [job.job_id for chunk in chunks for job in chunk.jobs]
    assert ids == [f"id{number}" for number in range(130)]


def test_chunks_are_bounded_by_size(tmp_path):
    client = client_of(tmp_path, KAIPIAO_CHUNK_BYTES="20000")
    chunks = chunks_of(client, [b"x" * 9000] * 5)
    assert [len(chunk.jobs) for chunk in chunks] == [2, 2, 1]


@pytest.mark.parametrize("data", [b"x" * 16385, "发票".encode("gbk"), b"\xff\xfe<\0"])
def test_what_is_long_or_not_utf8_travels_by_reference(tmp_path, data):
    client = client_of(tmp_path)
    job = client._job(data, JobOptions())
    assert job.invoice is None
    assert client.records.payload(job.payload) == data


def test_text_travels_inside_and_comes_out_byte_for_byte(tmp_path):
    data = "\ufeff<?xml version='1.0'?>\r\n<发票/>".encode()
    job = client_of(tmp_path)._job(data, JobOptions(expires_s=60))
    assert job.invoice.encode() == data
    assert job.signing_time == NOW
    assert (job.expires - NOW).total_seconds() == 60


def test_outputs_that_cannot_be_made_are_refused_before_anything_is_published(tmp_path):
    client = client_of(tmp_path, KAIPIAO_BROKER_URL="redis://127.0.0.1:1/0")
    with pytest.raises(InputError, match="Did you mean 'jpeg'"):
        client.submit([b"{}"], JobOptions(outputs=("jpg",)))
    with pytest.raises(InputError, match="g4 has bilevel"):
        client.submit([b"{}"], JobOptions(outputs=("png", "g4"), mode="grey"))


def test_level_and_mode_stand_in_the_job(tmp_path):
    job = client_of(tmp_path)._job(b"{}", JobOptions(outputs=("tiff",), level="small", mode="rgb"))
    assert (job.outputs, job.level, job.mode) == (("tiff",), "small", "rgb")


def test_unreadable_and_oversized_documents_are_all_named_and_none_is_submitted(tmp_path):
    missing = tmp_path / "missing.json"
    client = client_of(tmp_path, KAIPIAO_BROKER_URL="redis://127.0.0.1:1/0")
    with pytest.raises(InputError) as caught:
        client.submit([missing, b"{}", b""])
    assert [(fault.path, fault.rule) for fault in caught.value.faults] == [
        (str(missing), "document.unreadable"),
        ("documents[2]", "document.size"),
    ]


def test_without_a_broker_the_error_says_what_to_start(tmp_path):
    with pytest.raises(BrokerError, match="Start `kaipiao worker`"):
        client_of(tmp_path).submit([b"{}"])


@pytest.mark.parametrize("job_id", ["../x", "a\0b", "．．", ""])
def test_hostile_job_ids_reach_no_file(tmp_path, job_id):
    client = client_of(tmp_path)
    if job_id:
        with pytest.raises(Exception, match="is not a key"):
            client.status(job_id)
    assert list(client.records.store.list()) == []


def test_a_channel_that_was_cut_is_a_broker_out_of_reach_and_our_own_defects_stay_what_they_are(tmp_path, monkeypatch):
    app = create_app(client_of(tmp_path, KAIPIAO_BROKER_URL="redis://127.0.0.1:1/0").settings)
    with pytest.raises(ZeroDivisionError), app._speaking():
        raise ZeroDivisionError
    with pytest.raises(AttributeError), app._speaking():
        app.no_such_thing  # noqa: B018
    # As kombu leaves a channel whose connection was cut while a batch was published.
    monkeypatch.setattr(redis.Channel, "connection", None, raising=False)
    with pytest.raises(BrokerError, match="AttributeError"), app._speaking():
        redis.Channel.__new__(redis.Channel)._connparams()


def test_following_ends_at_its_time_limit(tmp_path):
    statuses = list(client_of(tmp_path).follow(["a", "b"], timeout_s=0))
    assert [(status.job_id, status.state) for status in statuses] == [("a", "queued"), ("b", "queued")]
