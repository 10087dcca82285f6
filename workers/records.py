"""The pool's records in the store, each written once.

sm3/ab/cd/<hex>                    output files and large payloads, by content
receipts/<idempotency key>.json    the commitment; whoever creates it first has rendered the invoice
jobs/<job id>.json                 outcome of a finished job: which receipt stands for it
errors/<job id>.json               why a job failed
numbers/<number key>.json          what an invoice number says; whoever creates it first has settled that
audit/conflicts/<key>-<job>.json   refused attempts to issue other content under an issued number
audit/jobs/<job id>-<digest>.json  refused attempts to have other work done under the id of a job
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from render.errors import ContentConflict, InputError, KaipiaoError, StoreConflict, StoreError
from render.sign.sm3 import sm3_hex
from render.store.api import ObjectMissing, Store, blob_key
from workers.messages import Job, PayloadRef
from workers.receipts import ConflictRecord, ErrorRecord, FaultRecord, NumberClaim, Outcome, Receipt, encode_record

Clock = Callable[[], datetime]
_Record = TypeVar("_Record", bound=Struct)


def _receipt_key(key: str) -> str:
    return f"receipts/{key}.json"


def _number_key(key: str) -> str:
    return f"numbers/{key}.json"


class Records:
    """Reads and writes the records of jobs; ``clock`` gives the time that is written into them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def put_blobs(self, blobs: Mapping[str, bytes]) -> dict[str, bool | StoreError]:
        """Store bytes by their digests; the results stand under the digests."""
        keys = {blob_key(digest): digest for digest in blobs}
        results = self.store.put_many({key: blobs[digest] for key, digest in keys.items()})
        return {keys[key]: result for key, result in results.items()}

    def payload(self, reference: PayloadRef) -> bytes:
        """Return the document that a job refers to.

        Raises:
            ObjectMissing, StoreError: it is not there, or not yet; its bytes are not those that were referred to.
        """
        data = self.store.get(blob_key(reference.digest))
        if len(data) != reference.size or f"sm3:{sm3_hex(data)}" != reference.digest:
            raise StoreError("a stored payload differs from its digest.", hint="The store is damaged: check its disk.")
        return data

    def receipt(self, key: str) -> Receipt | None:
        """Return the receipt of an idempotency key, if the work was done."""
        return self._read(_receipt_key(key), Receipt)

    def commit(self, receipts: Sequence[Receipt]) -> list[Receipt | StoreError]:
        """File receipts and return, for each, the one that stands: itself, or that of whoever was first."""
        results = self.store.put_many({_receipt_key(receipt.key): encode_record(receipt) for receipt in receipts})
        return [self._standing(receipt, results[_receipt_key(receipt.key)]) for receipt in receipts]

    def _standing(self, receipt: Receipt, result: bool | StoreError) -> Receipt | StoreError:  # noqa: FBT001 a result
        if not isinstance(result, StoreConflict):
            return result if isinstance(result, StoreError) else receipt
        try:
            return self.receipt(receipt.key) or result
        except StoreError as error:
            return error

    def content_of_number(self, key: str) -> str | None:
        """Return the digest of what an invoice number says, if that was settled."""
        claim = self._read(_number_key(key), NumberClaim)
        return claim.content if claim else None

    def claim_numbers(self, contents: Mapping[str, str]) -> dict[str, str | StoreError]:
        """Settle what invoice numbers say, and return for each what stands: this content, or that of the first."""
        claims = {_number_key(key): encode_record(NumberClaim(content=content)) for key, content in contents.items()}
        results = self.store.put_many(claims)
        return {key: self._claimed(key, content, results[_number_key(key)]) for key, content in contents.items()}

    def _claimed(self, key: str, content: str, result: bool | StoreError) -> str | StoreError:  # noqa: FBT001 a result
        if not isinstance(result, StoreConflict):
            return result if isinstance(result, StoreError) else content
        try:
            return self.content_of_number(key) or result
        except StoreError as error:
            return error

    def refuse_conflict(self, number: str, key: str, issued: str, job: Job, content: str) -> ContentConflict:
        """Write the audit entry of a conflict and return the error for the job.

        Args:
            number: of the invoice.
            key: of the number.
            issued: digest of the content that stands.
            job: the one that is refused.
            content: digest of its content.
        """
        record = ConflictRecord(
            key=key, job_id=job.job_id, issued_content=issued, refused_content=content, created=self.clock()
        )
        self._put_first(f"audit/conflicts/{key}-{job.job_id}.json", record)
        return ContentConflict(
            f"invoice {number} was already rendered from other content.",
            hint="Nothing was overwritten. Check which of the two is right; a changed invoice needs a new number.",
        )

    def refuse_job(self, job: Job, recorded: str, refused: str) -> ContentConflict:
        """Write the audit entry of a job whose id stands for other work, and return the error for it.

        Args:
            job: the one that is refused.
            recorded: digest of the work that the ledger knows under this id.
            refused: digest of the work that this job asks for.
        """
        record = ConflictRecord(
            event="job.conflict",
            key=job.job_id,
            job_id=job.job_id,
            issued_content=recorded,
            refused_content=refused,
            created=self.clock(),
        )
        self._put_first(f"audit/jobs/{job.job_id}-{refused.partition(':')[2][:32]}.json", record)
        return ContentConflict(
            f"the job id {job.job_id} stands for other work.",
            hint="Nothing was overwritten. Ids are unique for ever: choose another for other work.",
        )

    def finish(self, done: Sequence[tuple[Job, Receipt]]) -> list[StoreError | None]:
        """Write down that jobs are done, and by which receipt; return what went wrong with each."""
        outcomes = {
            f"jobs/{job.job_id}.json": encode_record(
                Outcome(job_id=job.job_id, receipt=receipt.key, duplicate=receipt.job_id != job.job_id)
            )
            for job, receipt in done
        }
        results = self.store.put_many(outcomes).values()
        # A job that comes again finds its outcome written, perhaps by another receipt. The first one stands.
        return [
            result if isinstance(result, StoreError) and not isinstance(result, StoreConflict) else None
            for result in results
        ]

    def fail(self, job_id: str, error: KaipiaoError, attempts: int) -> None:
        """Write down why a job failed; the first record stands."""
        faults = error.faults if isinstance(error, InputError) else ()
        record = ErrorRecord(
            job_id=job_id,
            code=error.code,
            message=error.message,
            hint=error.hint,
            attempts=attempts,
            created=self.clock(),
            faults=tuple(FaultRecord(**fault.as_dict()) for fault in faults),
        )
        self._put_first(f"errors/{job_id}.json", record)

    def outcome(self, job_id: str) -> Outcome | ErrorRecord | None:
        """Return what became of a job; None = nothing yet."""
        return self._read(f"jobs/{job_id}.json", Outcome) or self._read(f"errors/{job_id}.json", ErrorRecord)

    def _put_first(self, key: str, record: Struct) -> None:
        try:
            self.store.put_if_absent(key, encode_record(record))
        except StoreConflict:
            # A redelivered message comes here again with another time of writing. What was written first stands.
            return

    def _read(self, key: str, kind: type[_Record]) -> _Record | None:
        try:
            data = self.store.get(key)
        except ObjectMissing:
            return None
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise StoreError(f"{key} is damaged: {error}.", hint="Restore it from a backup.") from error
