"""What the pool writes down about a job: the receipt, the outcome, the error, the audit entry. Canonical JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

RECEIPT_SCHEMA = "kaipiao.receipt/1"
OUTCOME_SCHEMA = "kaipiao.outcome/1"
ERROR_SCHEMA = "kaipiao.error/1"
CONFLICT_SCHEMA = "kaipiao.conflict/1"
NUMBER_SCHEMA = "kaipiao.number/1"


class OutputReceipt(Struct, frozen=True, kw_only=True):
    """One stored file.

    Attributes:
        key: where it is stored; ``digest``: ``sm3:<hex>`` of its bytes; ``size`` in bytes.
        backend: what rendered it; for pictures what drew and what encoded, such as ``numba+libjpeg-turbo``.
        signer: serial of the signing certificate, empty where unsigned.
    """

    name: str
    kind: str
    media_type: str
    key: str
    digest: str
    size: int
    backend: str
    signer: str


class Receipt(Struct, frozen=True, kw_only=True, tag_field="schema", tag=RECEIPT_SCHEMA):
    """The commitment that an invoice was rendered: it exists if and only if every output is stored.

    Attributes:
        key: the idempotency key that the receipt is filed under.
        content: digest of what the invoice says; another job with this key must agree.
        warnings: rules that were bent, by name.
        dpi, level, mode: what was asked of pictures.
        stage_ms: milliseconds by stage; ``created``: when the worker committed it.
    """

    key: str
    job_id: str
    number: str
    content: str
    template_id: str
    template_version: str
    template_digest: str
    engine_version: str
    dpi: int
    level: str = "fast"
    mode: str = "auto"
    outputs: tuple[OutputReceipt, ...]
    warnings: tuple[str, ...]
    stage_ms: dict[str, float]
    created: datetime


class Outcome(Struct, frozen=True, kw_only=True, tag_field="schema", tag=OUTCOME_SCHEMA):
    """Where a finished job's receipt is; ``duplicate``: an earlier job had done the work."""

    job_id: str
    receipt: str
    duplicate: bool


class FaultRecord(Struct, frozen=True, kw_only=True):
    """One broken rule, as :class:`render.errors.Fault` has it."""

    path: str
    rule: str
    message: str
    hint: str
    severity: str


class ErrorRecord(Struct, frozen=True, kw_only=True, tag_field="schema", tag=ERROR_SCHEMA):
    """Why a job failed for good, and after how many attempts."""

    job_id: str
    code: str
    message: str
    hint: str
    attempts: int
    created: datetime
    faults: tuple[FaultRecord, ...] = ()


class NumberClaim(Struct, frozen=True, kw_only=True, tag_field="schema", tag=NUMBER_SCHEMA):
    """What an invoice number says, once and for all; the same bytes whichever job wrote it first."""

    content: str


class ConflictRecord(Struct, frozen=True, kw_only=True, tag_field="schema", tag=CONFLICT_SCHEMA):
    """An audit entry: a job asked for an invoice that was issued with other content, or had the id of other work."""

    event: Literal["content.conflict", "job.conflict"] = "content.conflict"
    key: str
    job_id: str
    issued_content: str
    refused_content: str
    created: datetime


def encode_record(record: Struct) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8."""
    return msgspec.json.encode(record, order="sorted")
