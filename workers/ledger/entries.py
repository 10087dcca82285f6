"""Between messages and the ledger: how a job is written down, and how it is read back to be published again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from workers.ledger.protocol import Entry, Record
from workers.messages import Job

_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def entry_of(job: Job) -> Entry:
    """Return what the ledger keeps of a job."""
    return Entry(job.job_id, job.lane, work_digest(job), msgspec.json.encode(job).decode())


def work_digest(job: Job) -> str:
    """Return the digest of the work that a job asks for; when, how urgently and under which id do not count."""
    work = msgspec.structs.replace(
        job, job_id="any", created=_ANY_TIME, signing_time=_ANY_TIME, expires=None, lane="issue"
    )
    return f"sha256:{hashlib.sha256(msgspec.json.encode(work)).hexdigest()}"


def read_jobs(records: Iterable[Record]) -> tuple[list[Job], list[Record]]:
    """Return the jobs of records, and the records whose messages cannot be read, as after an update of the schema."""
    jobs: list[Job] = []
    unreadable: list[Record] = []
    for record in records:
        try:
            jobs.append(msgspec.json.decode(record.message, type=Job))
        except msgspec.DecodeError:
            unreadable.append(record)
    return jobs, unreadable
