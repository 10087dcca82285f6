"""The messages: what is accepted, what is refused, and that the published schema says the same."""

import copy
import json
from datetime import UTC, datetime, timedelta

import jsonschema
import msgspec
import pytest

from workers.errors import MessageInvalid
from workers.messages import (
    CHUNK_SCHEMA,
    JOB_SCHEMA,
    MAX_CHUNK_JOBS,
    MAX_INLINE_CHARS,
    Chunk,
    Job,
    PayloadRef,
    decode_chunk,
    encode_message,
    message_schema,
)

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
JOB = {
    "schema": "kaipiao.job/1",
    "job_id": "a1",
    "created": "2026-11-23T08:00:00Z",
    "signing_time": "2026-11-23T16:00:00+08:00",
    "invoice": "{}",
}
REFERENCE = {"digest": "sm3:" + "0" * 64, "size": 5}


def chunk_of(*jobs, **more):
    return {"schema": "kaipiao.chunk/1", "chunk_id": "c1", "jobs": list(jobs), **more}


def schema_accepts(message):
    name = CHUNK_SCHEMA if message.get("schema") == CHUNK_SCHEMA else JOB_SCHEMA
    checker = jsonschema.Draft202012Validator(message_schema(name))
    return checker.is_valid(message)


def test_a_job_written_by_hand_is_read():
    (job,) = decode_chunk(JOB).jobs
    assert (job.job_id, job.outputs, job.dpi, job.lane, job.media) == ("a1", ("pdf", "png"), 300, "issue", None)
    assert (job.level, job.mode) == ("fast", "auto")
    assert job.signing_time == NOW
    assert schema_accepts(JOB)


def test_a_job_may_ask_for_every_output_at_once():
    outputs = ["pdf", "png", "jpeg", "webp", "tiff", "g4", "heif", "avif"]
    message = JOB | {"outputs": outputs, "level": "small"}
    (job,) = decode_chunk(message).jobs
    assert (list(job.outputs), job.level) == (outputs, "small")
    assert schema_accepts(message)
    assert not schema_accepts(message | {"outputs": [*outputs, "pdf"]})


def test_defaults_are_left_out_so_that_older_workers_read_the_message():
    job = Job(job_id="a", created=NOW, signing_time=NOW, invoice="{}")
    assert set(encode_message(job)) == {"schema", "job_id", "created", "signing_time", "invoice"}
    assert encode_message(msgspec.structs.replace(job, mode="grey"))["mode"] == "grey"


def test_messages_survive_the_broker():
    jobs = (
        Job(job_id="a", created=NOW, signing_time=NOW, invoice="<发票/>", media="application/xml", outputs=("png",)),
        Job(
            job_id="b",
            created=NOW,
            signing_time=NOW,
            payload=PayloadRef(digest="sm3:" + "a" * 64, size=9),
            expires=NOW + timedelta(minutes=5),
        ),
    )
    chunk = Chunk(chunk_id="c", jobs=jobs)
    through_the_broker = json.loads(json.dumps(encode_message(chunk)))
    assert decode_chunk(through_the_broker) == chunk
    assert schema_accepts(through_the_broker)


def test_a_chunk_that_still_counts_its_attempts_is_read_and_no_longer_written():
    old = chunk_of(JOB, attempt=2)
    chunk = decode_chunk(old)
    assert [job.job_id for job in chunk.jobs] == [JOB["job_id"]]
    assert set(encode_message(chunk)) == {"schema", "chunk_id", "jobs"}
    assert old["attempt"] == 2, "the message is the caller's"


REFUSED_JOBS = {
    "no id": ({"job_id": None}, "$.job_id"),
    "path-like id": ({"job_id": "../../etc/passwd"}, "$.job_id"),
    "NUL in the id": ({"job_id": "a\0b"}, "$.job_id"),
    "full-width dots": ({"job_id": "．．"}, "$.job_id"),
    "line feed after the id": ({"job_id": "a1\n"}, "$.job_id"),
    "an id too long": ({"job_id": "a" * 65}, "$.job_id"),
    "unknown field": ({"priority": 1}, "$"),
    "unknown schema": ({"schema": "kaipiao.job/9"}, "$.schema"),
    "unknown output": ({"outputs": ["exe"]}, "$.outputs[0]"),
    "no outputs": ({"outputs": []}, "$.outputs"),
    "an output twice": ({"outputs": ["pdf", "pdf"]}, "$"),
    "unknown level": ({"level": "best"}, "$.level"),
    "unknown mode": ({"mode": "cmyk"}, "$.mode"),
    "level as a number": ({"level": 6}, "$.level"),
    "dpi as text": ({"dpi": "300"}, "$.dpi"),
    "dpi as a fraction": ({"dpi": 300.5}, "$.dpi"),
    "dpi out of range": ({"dpi": 100_000}, "$.dpi"),
    "a time without zone": ({"created": "2026-11-23T08:00:00"}, "$.created"),
    "unknown lane": ({"lane": "express"}, "$.lane"),
    "neither invoice nor payload": ({"invoice": None}, "$"),
    "both invoice and payload": ({"payload": REFERENCE}, "$"),
    "an invoice too long": ({"invoice": "x" * (MAX_INLINE_CHARS + 1)}, "$.invoice"),
    "a digest that is a path": ({"invoice": None, "payload": {"digest": "sm3:../../x", "size": 1}}, "$.payload.digest"),
    "a payload of no bytes": ({"invoice": None, "payload": REFERENCE | {"size": 0}}, "$.payload.size"),
}
# JSON Schema can neither compare items of a list nor read times; the rest it must refuse as we do.
BEYOND_THE_SCHEMA = {"an output twice", "a time without zone", "line feed after the id"}


@pytest.mark.parametrize("case", REFUSED_JOBS)
def test_what_does_not_follow_the_schema_is_refused_by_field(case):
    change, path = REFUSED_JOBS[case]
    message = JOB | change
    with pytest.raises(MessageInvalid) as caught:
        decode_chunk(message)
    assert [fault.path for fault in caught.value.faults] == [path]
    with pytest.raises(MessageInvalid) as caught:
        decode_chunk(chunk_of(message))
    assert caught.value.faults[0].path.startswith("$.jobs[0]")
    if case not in BEYOND_THE_SCHEMA:
        assert not schema_accepts(message)


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "kaipiao.job/1",
        {},
        chunk_of(),
        chunk_of(JOB, JOB),
        chunk_of(JOB, JOB | {"job_id": "a2", "lane": "bulk"}),
        chunk_of(JOB, attempt="2"),
        chunk_of(JOB | {"attempt": 2}),
        chunk_of(*(JOB | {"job_id": f"a{number}"} for number in range(MAX_CHUNK_JOBS + 1))),
    ],
)
def test_what_is_no_chunk_is_refused(message):
    with pytest.raises(MessageInvalid):
        decode_chunk(message)


def test_deep_nesting_is_refused_and_not_followed():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(MessageInvalid):
        decode_chunk(JOB | {"invoice": deep})
    while deep:
        deep = deep.pop()


def test_the_published_schemas_are_schemas():
    for name in (JOB_SCHEMA, CHUNK_SCHEMA):
        schema = message_schema(name)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:{name}"
        assert copy.deepcopy(schema) == message_schema(name)
