"""The submitter's side: publish documents as jobs, and follow what becomes of them."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from render.encode.formats import choose_pictures
from render.errors import ContentConflict, Fault, InputError
from render.sign.sm3 import sm3_hex
from render.store.api import Store, blob_key
from workers.app import PoolApp, create_app, queue_of
from workers.broker import require_embedded
from workers.config import WorkerSettings
from workers.errors import LedgerUnavailable
from workers.ledger.entries import entry_of, read_jobs, work_digest
from workers.ledger.opening import open_ledger
from workers.ledger.protocol import OPEN, Ledger, Recorded, State
from workers.messages import MAX_PAYLOAD_BYTES, Chunk, Job, Lane, Level, MediaType, Mode, OutputKind, PayloadRef
from workers.receipts import ErrorRecord, Outcome, Receipt
from workers.records import Records
from workers.recovery import one_by_one

FIRST_POLL_S, LAST_POLL_S = 0.05, 1.0
JOBS_A_REQUEST = 500
"""Of the ledger; it serves nobody else meanwhile."""
_WANTED = frozenset({Recorded.NEW, Recorded.KNOWN})
# Room in a message for what a job says besides its invoice.
JOB_OVERHEAD_CHARS = 400


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is known of a job: ``state`` is ``queued`` (or unknown), ``done`` or ``failed``."""

    job_id: str
    state: str
    duplicate: bool = False
    receipt: Receipt | None = None
    error: ErrorRecord | None = None


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What is asked of each document.

    Attributes:
        outputs: any of :data:`render.encode.formats.OUTPUT_KINDS`; ``dpi``, ``level``, ``mode``: of pictures.
        lane: which queue; ``media``: the form of the documents, None = told from their first byte.
        expires_s: not worth rendering after so many seconds; None = always worth it.
        signing_time: None = the time of submission.
    """

    outputs: tuple[OutputKind, ...] = ("pdf", "png")
    dpi: int = 300
    level: Level = "fast"
    mode: Mode = "auto"
    lane: Lane = "issue"
    media: MediaType | None = None
    expires_s: float | None = None
    signing_time: datetime | None = None


@dataclass(slots=True)
class PoolClient:
    """Publishes jobs and reads what became of them.

    Args:
        settings: where broker and store are.
        clock: the time that is written into jobs; ``new_id``: names jobs and chunks.

    Raises:
        ConfigError: the store cannot be opened.
    """

    settings: WorkerSettings
    clock: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    records: Records = field(init=False)
    _ledger: Ledger | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.records = Records(Store(self.settings.effective_store), self.clock)
        self._ledger = None

    def submit(self, documents: Iterable[Path | bytes], options: JobOptions | None = None) -> list[str]:
        """Hand over a job for each document and return their ids, in order.

        Raises:
            InputError: outputs that do not exist or lack the mode, files that cannot be read or are too large; nothing
                was submitted.
            StoreError: a payload cannot be stored; the rest is what :meth:`enqueue` raises.
        """
        options = options or JobOptions()
        choose_pictures(options.outputs, options.mode, options.level)
        require_embedded(self.settings)
        jobs = [self._job(data, options) for data in _read_all(documents)]
        self.enqueue(jobs)
        return [job.job_id for job in jobs]

    def enqueue(self, jobs: Sequence[Job]) -> list[Recorded]:
        """Write jobs into the ledger, then publish those that have not ended; return what was known of each.

        Once a job is written down it will be carried out, even if it could not be published: a worker's sweep publishes
        it when the broker is back. Whoever does not know what became of a call makes the same call again: a job that is
        known is not done twice.

        Raises:
            ContentConflict: ids that stand for other work, each a fault; the other jobs were published.
            QueueFull: a queue takes no more; nothing was written down, and it says when to come again.
            LedgerUnavailable, BrokerError: some jobs may be written down, and some of those published.
        """
        with self._broker() as app:
            self._require_room(app, jobs)
            known: list[Recorded] = []
            for start in range(0, len(jobs), JOBS_A_REQUEST):
                # Part by part, so that no job waits for its message so long that a sweep thinks it lost.
                part = jobs[start : start + JOBS_A_REQUEST]
                answers = self.ledger.record([entry_of(job) for job in part])
                wanted = [job for job, each in zip(part, answers, strict=True) if each in _WANTED]
                app.publish_chunks(self._chunks(wanted))
                known += answers
        self._refuse_conflicts([job for job, each in zip(jobs, known, strict=True) if each is Recorded.CONFLICT])
        return known

    def replay(self, job_ids: Sequence[str]) -> list[str]:
        """Send jobs from the dead-letter desk out again, each in a message of its own; return the ids of those.

        Raises:
            LedgerUnavailable: some may be queued; BrokerError: all are, and a worker's sweep publishes them.
        """
        replayed: list[str] = []
        with self._broker() as app:
            for start in range(0, len(job_ids), JOBS_A_REQUEST):
                records = [each for each in self.ledger.replay(job_ids[start : start + JOBS_A_REQUEST]) if each]
                jobs, _ = read_jobs(records)
                app.publish_chunks(one_by_one(jobs))
                replayed += [record.job_id for record in records]
        return replayed

    @contextmanager
    def _broker(self) -> Iterator[PoolApp]:
        """Give an application whose broker answers.

        Raises:
            BrokerError: it does not.
        """
        app = create_app(self.settings)
        try:
            app.check_broker()
            yield app
        finally:
            app.safeguards.close()
            app.close()

    def check_broker(self) -> None:
        """Make sure that the broker answers.

        Raises:
            BrokerError: it does not.
        """
        require_embedded(self.settings)
        with self._broker():
            return

    @property
    def ledger(self) -> Ledger:
        """Return the ledger, opened at first use.

        Raises:
            ConfigError, LedgerUnavailable: it cannot be opened.
        """
        if self._ledger is None:
            self._ledger = open_ledger(self.settings.effective_ledger, timeout_s=self.settings.broker_timeout_s)
        return self._ledger

    def close(self) -> None:
        """Let go of the ledger."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def status(self, job_id: str) -> JobStatus:
        """Tell what became of a job.

        Raises:
            StoreError: the store cannot be read, or this is not a job id.
        """
        return self.statuses([job_id])[0]

    def statuses(self, job_ids: Sequence[str]) -> list[JobStatus]:
        """Tell what became of jobs: the ledger says which have ended, their records in the store say how.

        Where the ledger is out of reach or has forgotten a job, its records alone are asked.

        Raises:
            StoreError: the store cannot be read, or something is not a job id.
        """
        states: list[State | None] = []
        try:
            for start in range(0, len(job_ids), JOBS_A_REQUEST):
                states += self.ledger.states(job_ids[start : start + JOBS_A_REQUEST])
        except LedgerUnavailable:
            states = [None] * len(job_ids)
        return [
            JobStatus(job_id, "queued") if state in OPEN else self._ended(job_id)
            for job_id, state in zip(job_ids, states, strict=True)
        ]

    def _ended(self, job_id: str) -> JobStatus:
        outcome = self.records.outcome(job_id)
        if isinstance(outcome, Outcome):
            receipt = self.records.receipt(outcome.receipt)
            return JobStatus(job_id, "done", duplicate=outcome.duplicate, receipt=receipt)
        if isinstance(outcome, ErrorRecord):
            return JobStatus(job_id, "failed", error=outcome)
        return JobStatus(job_id, "queued")

    def follow(self, job_ids: Sequence[str], timeout_s: float | None = None) -> Iterator[JobStatus]:
        """Yield the status of each job as it ends; jobs that have not ended by the time limit come last, as queued.

        The ledger is polled, from every 50 ms when jobs are ending to every second when nothing happens.

        Raises:
            StoreError: the store cannot be read.
        """
        pending = list(dict.fromkeys(job_ids))
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        wait_s = FIRST_POLL_S
        while pending:
            ended = [status for status in self.statuses(pending) if status.state != "queued"]
            yield from ended
            names = {status.job_id for status in ended}
            pending = [job_id for job_id in pending if job_id not in names]
            if pending and deadline is not None and time.monotonic() >= deadline:
                yield from (JobStatus(job_id, "queued") for job_id in pending)
                return
            if pending:
                wait_s = FIRST_POLL_S if ended else min(wait_s * 1.5, LAST_POLL_S)
                time.sleep(wait_s)

    def fetch(self, receipt: Receipt, folder: Path) -> list[Path]:
        """Copy a receipt's outputs into a folder under their own names and return the paths.

        Raises:
            StoreError: an output is missing, or differs from its digest.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for output in receipt.outputs:
            data = self.records.payload(PayloadRef(digest=output.digest, size=output.size))
            path = folder / Path(output.name).name
            path.write_bytes(data)
            paths.append(path)
        return paths

    def _require_room(self, app: PoolApp, jobs: Sequence[Job]) -> None:
        """Refuse where a queue would hold too much.

        Raises:
            QueueFull: nothing was written down; it says when to come again.
        """
        admission = app.safeguards.admission
        if admission is not None:
            for lane, messages in Counter(chunk.lane for chunk in self._chunks(jobs)).items():
                admission.require(queue_of(lane), messages)

    def _refuse_conflicts(self, jobs: Sequence[Job]) -> None:
        """Audit jobs whose ids stand for other work, and refuse them.

        Raises:
            ContentConflict: if there are any.
        """
        faults = []
        for job, record in zip(jobs, self.ledger.look([job.job_id for job in jobs]) if jobs else (), strict=True):
            error = self.records.refuse_job(job, record.digest if record else "", work_digest(job))
            faults.append(Fault(job.job_id, "job.conflict", error.message, error.hint))
        if faults:
            raise ContentConflict("some job ids stand for other work; the other jobs are queued.", faults=tuple(faults))

    def _job(self, data: bytes, options: JobOptions) -> Job:
        now = self.clock()
        job = Job(
            job_id=self.new_id(),
            created=now,
            signing_time=options.signing_time or now,
            invoice="-",
            media=options.media,
            outputs=options.outputs,
            dpi=options.dpi,
            level=options.level,
            mode=options.mode,
            lane=options.lane,
            expires=None if options.expires_s is None else now + timedelta(seconds=options.expires_s),
        )
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if text and len(text) <= self.settings.inline_chars:
            return msgspec.structs.replace(job, invoice=text)
        digest = f"sm3:{sm3_hex(data)}"
        self.records.store.put_if_absent(blob_key(digest), data)
        return msgspec.structs.replace(job, invoice=None, payload=PayloadRef(digest=digest, size=len(data)))

    def _chunks(self, jobs: Sequence[Job]) -> Iterator[Chunk]:
        """Group jobs by number and by size."""
        group: list[Job] = []
        room = self.settings.chunk_bytes
        for job in jobs:
            size = JOB_OVERHEAD_CHARS + len(job.invoice or "")
            if group and (len(group) == self.settings.chunk_jobs or size > room):
                yield Chunk(chunk_id=self.new_id(), jobs=tuple(group))
                group, room = [], self.settings.chunk_bytes
            group.append(job)
            room -= size
        if group:
            yield Chunk(chunk_id=self.new_id(), jobs=tuple(group))


def _read_all(documents: Iterable[Path | bytes]) -> list[bytes]:
    read: list[bytes] = []
    faults: list[Fault] = []
    for number, document in enumerate(documents):
        name = str(document) if isinstance(document, Path) else f"documents[{number}]"
        try:
            data = document.read_bytes() if isinstance(document, Path) else document
        except OSError as error:
            faults.append(Fault(name, "document.unreadable", f"{error.strerror}.", "Check the path and your rights."))
            continue
        if not 0 < len(data) <= MAX_PAYLOAD_BYTES:
            limit = f"A document has 1 to {MAX_PAYLOAD_BYTES} bytes."
            faults.append(Fault(name, "document.size", f"it has {len(data)} bytes.", limit))
        read.append(data)
    if faults:
        raise InputError("some documents cannot be submitted; none was.", faults=tuple(faults))
    return read
