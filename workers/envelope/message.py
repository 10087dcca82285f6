"""The envelope itself: its fields, and the text that its code of authentication covers.

The canonical text is nine lines, each ended by a line feed (U+000A), in this order: the schema's name, ``key_id``,
``task``, ``message_id``, ``idempotency_key``, ``payload_digest``, ``created``, ``expires``, ``nonce``; every value
exactly as it stands in the JSON. No value can hold a line feed or a character outside ASCII, so there is one text for
each envelope and one envelope for each text. The payload travels as *text* and is covered by the digest of its UTF-8
bytes: no two languages need agree on how JSON is written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from workers.messages import Identifier

ENVELOPE_SCHEMA = "kaipiao.envelope/1"
MAX_PAYLOAD_CHARS = 8 * 1024 * 1024
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

# In Python a bare $ would also match before a final line feed.
KeyId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)")]
TaskName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$(?!\n)", max_length=64)]
Digest = Annotated[str, Meta(pattern=r"^sm3:[0-9a-f]{64}$(?!\n)")]
Seconds = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$(?!\n)")]
Nonce = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
Code = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class Envelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="schema", tag=ENVELOPE_SCHEMA):
    """A sealed message.

    Attributes:
        key_id: which key sealed it.
        task: name of the task that shall carry it out; ``message_id``: the message's own id. Both must be those of
            the message's headers.
        idempotency_key: what the sender calls this piece of work: ``chunk_id`` of a chunk, ``job_id`` of a job. A
            message that is sent again has a new id and a new nonce, and the same key.
        payload_digest: SM3 of the payload's UTF-8 bytes.
        created, expires: UTC, to the second; the envelope holds from the one to the other.
        nonce: 128 random bits in hexadecimal, never used twice.
        mac: HMAC-SM3 over the canonical text, in hexadecimal.
        payload: a job or a chunk as JSON text.
    """

    key_id: KeyId
    task: TaskName
    message_id: Identifier
    idempotency_key: Identifier
    payload_digest: Digest
    created: Seconds
    expires: Seconds
    nonce: Nonce
    mac: Code
    payload: Annotated[str, Meta(min_length=2, max_length=MAX_PAYLOAD_CHARS)]

    @property
    def created_at(self) -> datetime:
        """Return the time of sealing.

        Raises:
            ValueError: a date that does not exist, such as the 30th of February.
        """
        return _instant(self.created)

    @property
    def expires_at(self) -> datetime:
        """Return the time from which on the envelope no longer holds.

        Raises:
            ValueError: a date that does not exist.
        """
        return _instant(self.expires)


def canonical_text(envelope: Envelope) -> bytes:
    """Return what the code of authentication covers."""
    lines = (
        ENVELOPE_SCHEMA,
        envelope.key_id,
        envelope.task,
        envelope.message_id,
        envelope.idempotency_key,
        envelope.payload_digest,
        envelope.created,
        envelope.expires,
        envelope.nonce,
    )
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def time_text(moment: datetime) -> str:
    """Return a time as envelopes have it: UTC, to the second."""
    return f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"


def is_envelope(message: object) -> bool:
    """Tell whether a message claims to be an envelope, of whatever version."""
    schema = message.get("schema") if isinstance(message, dict) else None
    return isinstance(schema, str) and schema.startswith("kaipiao.envelope/")


def envelope_schema() -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of an envelope."""
    (root,), components = msgspec.json.schema_components([Envelope], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{ENVELOPE_SCHEMA}",
        **root,
        "$defs": components,
    }


def _instant(text: str) -> datetime:
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
