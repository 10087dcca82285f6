"""Reconciliation (对账): the issuer's list, the ledger and the store side by side, one verdict for each job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from render.errors import StoreError
from render.store.api import ObjectMissing
from workers.ledger.protocol import Ledger, Record, State
from workers.messages import PayloadRef
from workers.receipts import ErrorRecord, Outcome, OutputReceipt
from workers.records import Records

PAGE = 1000


class Verdict(StrEnum):
    """What is to be said of a job; each has exactly one."""

    OK = "ok"
    """It has ended, and everything that stands for its end is there: outputs, or why there are none."""
    MISSING = "missing"
    """Nobody knows it, or something is not there that should be."""
    EXTRA = "extra"
    """The issuer did not list it."""
    DIFFERS = "differs"
    """Two places say different things of it."""
    UNSIGNED = "unsigned"
    """A document that should be signed is not."""
    OPEN = "open"
    """It has not ended: queued, claimed, or on the dead-letter desk."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A job's verdict, and why."""

    job_id: str
    verdict: Verdict
    reason: str = ""


class Reconciliation:
    """Compares what three places say of jobs; changes nothing.

    Args:
        ledger: what became of each job.
        records: outcomes, receipts and outputs in the store.
        expects_signatures: whether documents are signed here.
        reads_outputs: read every output and compare its digest, instead of its size alone.
    """

    def __init__(
        self, ledger: Ledger, records: Records, *, expects_signatures: bool, reads_outputs: bool = False
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._expects_signatures = expects_signatures
        self._reads_outputs = reads_outputs

    def findings(self, issued: Iterable[str] | None = None, *, whole_store: bool = False) -> Iterator[Finding]:
        """Yield a finding for each job, in order of their ids.

        Args:
            issued: ids that the issuer knows of; None = there is no such list.
            whole_store: also look for jobs that the ledger has forgotten.

        Raises:
            LedgerUnavailable, StoreError: one of the places does not answer.
        """
        known = self._known()
        listed = None if issued is None else set(issued)
        stored = self._stored() if whole_store else set()
        for job_id in sorted(known.keys() | (listed or set()) | stored):
            if listed is not None and job_id not in listed:
                yield Finding(job_id, Verdict.EXTRA, "the issuer's list does not have it")
            else:
                yield self._judge(job_id, known.get(job_id))

    def _known(self) -> dict[str, Record]:
        """Return the ledger's jobs; one that moves on meanwhile is seen again where it has come to."""
        known: dict[str, Record] = {}
        for state in (State.QUEUED, State.CLAIMED, State.DEAD, State.DROPPED, State.REFUSED, State.DONE):
            offset = 0
            while page := self._ledger.standing(state, PAGE, offset):
                known |= {record.job_id: record for record in page}
                offset += len(page)
        return known

    def _stored(self) -> set[str]:
        store = self._records.store
        return {
            key.rpartition("/")[2].removesuffix(".json") for folder in ("jobs", "errors") for key in store.list(folder)
        }

    def _judge(self, job_id: str, record: Record | None) -> Finding:
        if record is not None and record.state in (State.QUEUED, State.CLAIMED, State.DEAD):
            where = "is on the dead-letter desk" if record.state is State.DEAD else f"is {record.state.value}"
            return Finding(job_id, Verdict.OPEN, f"it {where}")
        outcome = self._records.outcome(job_id)
        if outcome is None:
            whose = "nobody knows it" if record is None else f"its record is not in the store; it is {record.state}"
            return Finding(job_id, Verdict.MISSING, whose)
        if isinstance(outcome, ErrorRecord):
            if record is not None and record.state is State.DONE:
                return Finding(job_id, Verdict.DIFFERS, "the ledger has it as done, the store as failed")
            return Finding(job_id, Verdict.OK, outcome.code)
        if record is not None and record.state is not State.DONE:
            return Finding(job_id, Verdict.DIFFERS, f"the store has it as done, the ledger as {record.state.value}")
        return self._judge_done(outcome, record)

    def _judge_done(self, outcome: Outcome, record: Record | None) -> Finding:
        job_id = outcome.job_id
        if record is not None and record.receipt != outcome.receipt:
            return Finding(job_id, Verdict.DIFFERS, "ledger and store name different receipts")
        receipt = self._records.receipt(outcome.receipt)
        if receipt is None:
            return Finding(job_id, Verdict.MISSING, f"receipts/{outcome.receipt}.json is not in the store")
        for output in receipt.outputs:
            finding = self._judge_output(job_id, output)
            if finding is not None:
                return finding
        if self._expects_signatures and any(each.kind == "pdf" and not each.signer for each in receipt.outputs):
            return Finding(job_id, Verdict.UNSIGNED, "its PDF is not signed")
        return Finding(job_id, Verdict.OK)

    def _judge_output(self, job_id: str, output: OutputReceipt) -> Finding | None:
        store = self._records.store
        try:
            size = store.head(output.key).size
            if size != output.size:
                return Finding(job_id, Verdict.DIFFERS, f"{output.key} has {size} bytes instead of {output.size}")
            if self._reads_outputs:
                self._records.payload(PayloadRef(digest=output.digest, size=output.size))
        except ObjectMissing:
            return Finding(job_id, Verdict.MISSING, f"{output.key} is not in the store")
        except StoreError as error:
            if not store.exists(output.key):
                raise
            return Finding(job_id, Verdict.DIFFERS, error.message)
        return None
