"""What is written down about a refused message: once each, never what was in it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from render.errors import StoreConflict
from render.sign.sm3 import sm3_hex
from render.store.api import Store
from workers.envelope.errors import EnvelopeRefused
from workers.errors import EntryUnreadable

REFUSAL_SCHEMA = "kaipiao.refusal/1"
_SHOWN_CHARS = 64


class RefusalRecord(Struct, frozen=True, kw_only=True, tag_field="schema", tag=REFUSAL_SCHEMA):
    """An audit entry: a message was not let in.

    Attributes:
        code: why; ``digest``: SM3 of the message, canonical JSON.
        key_id, task, message_id: what the message *claims*, cut to 64 characters; empty where it claims nothing.
        redelivered: the broker gave it before, so that a spent nonce is no sign of an attack.
    """

    event: Literal["envelope.refused"] = "envelope.refused"
    code: str
    digest: str
    key_id: str
    task: str
    message_id: str
    redelivered: bool
    created: datetime


def file_refusal(
    store: Store, message: object, error: EnvelopeRefused | EntryUnreadable, *, redelivered: bool, now: datetime
) -> RefusalRecord:
    """Write the audit entry of a refused message and return it; the first entry of a message and code stands.

    Raises:
        StoreError: it cannot be written.
    """
    # All as ASCII: half of a surrogate pair, which JSON permits, cannot be written as UTF-8.
    digest = sm3_hex(json.dumps(message, sort_keys=True, separators=(",", ":")).encode("ascii"))
    record = RefusalRecord(
        code=error.code,
        digest=f"sm3:{digest}",
        key_id=_claimed(message, "key_id"),
        task=_claimed(message, "task"),
        message_id=_claimed(message, "message_id"),
        redelivered=redelivered,
        created=now,
    )
    try:
        store.put_if_absent(
            f"audit/envelopes/{error.code}-{digest[:32]}.json", msgspec.json.encode(record, order="sorted")
        )
    except StoreConflict:
        # The same message came before, at another time.
        return record
    return record


def _claimed(message: object, field: str) -> str:
    value = message.get(field) if isinstance(message, dict) else None
    return value[:_SHOWN_CHARS] if isinstance(value, str) else ""
