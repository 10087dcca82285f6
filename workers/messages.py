"""What travels through the broker: small, versioned JSON that any language can write.

A *job* asks for the outputs of one invoice; a *chunk* is up to :data:`MAX_CHUNK_JOBS` jobs in one message, which are
rendered together. The invoice travels inside its job as text while it is small, and as the digest of a payload that
was put into the store otherwise. ``message_schema`` publishes both forms as JSON Schema 2020-12.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from render.encode.formats import OUTPUT_KINDS
from render.errors import Fault
from workers.errors import MessageInvalid

JOB_SCHEMA = "kaipiao.job/1"
CHUNK_SCHEMA = "kaipiao.chunk/1"
MAX_INLINE_CHARS = 16 * 1024
MAX_CHUNK_JOBS = 256
MAX_PAYLOAD_BYTES = 16 * 1024 * 1024

# In Python a bare $ would also match before a final line feed.
Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$(?!\n)")]
Instant = Annotated[datetime, Meta(tz=True)]
Lane = Literal["green", "issue", "preview", "bulk"]
OutputKind = Literal["pdf", "png", "jpeg", "webp", "tiff", "g4", "heif", "avif"]
Level = Literal["fast", "small"]
Mode = Literal["auto", "indexed", "grey", "rgb", "bilevel"]
MediaType = Literal["application/json", "application/xml"]
LANES: tuple[Lane, ...] = ("green", "issue", "preview", "bulk")


class PayloadRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes in the store, under ``blob_key(digest)``; ``size`` in bytes."""

    digest: Annotated[str, Meta(pattern=r"^sm3:[0-9a-f]{64}$(?!\n)")]
    size: Annotated[int, Meta(ge=1, le=MAX_PAYLOAD_BYTES)]


class Job(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="schema",
    tag=JOB_SCHEMA,
):
    """A request for the outputs of one invoice.

    Attributes:
        job_id: chosen by the submitter, unique for ever; outcomes are filed under it.
        invoice: the document itself, JSON or ``EInvoice`` XML; or ``payload``: where it is. Exactly one of the two.
        media: which of the two forms; absent = told from the first byte.
        outputs: what to make, each once; a ``tiff`` and a ``g4`` hold all pages, other pictures one page a file.
        dpi: resolution of pictures; ``level``: their trade-off between time and bytes.
        mode: their colours; ``auto`` is each format's own, any other must be a mode of every format asked for.
        lane: which queue; ``created``: when the job was submitted; ``expires``: not worth rendering after this.
        signing_time: written into signatures, so that a redelivered job gives the same bytes.
    """

    job_id: Identifier
    created: Instant
    signing_time: Instant
    invoice: Annotated[str, Meta(min_length=1, max_length=MAX_INLINE_CHARS)] | None = None
    payload: PayloadRef | None = None
    media: MediaType | None = None
    outputs: Annotated[tuple[OutputKind, ...], Meta(min_length=1, max_length=len(OUTPUT_KINDS))] = ("pdf", "png")
    dpi: Annotated[int, Meta(ge=72, le=600)] = 300
    level: Level = "fast"
    mode: Mode = "auto"
    lane: Lane = "issue"
    expires: Instant | None = None

    def __post_init__(self) -> None:
        if (self.invoice is None) == (self.payload is None):
            raise ValueError("exactly one of invoice and payload is needed")
        if len(set(self.outputs)) != len(self.outputs):
            raise ValueError("an output is named twice")


class Chunk(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="schema",
    tag=CHUNK_SCHEMA,
):
    """Jobs of one lane in one message.

    Attributes:
        chunk_id: names the message in logs.
    """

    chunk_id: Identifier
    jobs: Annotated[tuple[Job, ...], Meta(min_length=1, max_length=MAX_CHUNK_JOBS)]

    def __post_init__(self) -> None:
        if len({job.job_id for job in self.jobs}) != len(self.jobs):
            raise ValueError("a job id stands twice in the chunk")
        if len({job.lane for job in self.jobs}) != 1:
            raise ValueError("the jobs of a chunk must share their lane")

    @property
    def lane(self) -> Lane:
        """Return the lane that the jobs share."""
        return self.jobs[0].lane


def decode_chunk(message: object) -> Chunk:
    """Read a message of either form; a lone job becomes a chunk of one.

    Args:
        message: the JSON value as the broker's client decoded it: hostile until checked.

    Raises:
        MessageInvalid: it does not follow its schema; the fault names the field.
    """
    try:
        decoded = msgspec.convert(_without_attempt(message), type=Chunk | Job, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        text, _, path = str(error).partition(" - at ")
        fault = Fault(path.strip("`") or "$", "message.schema", text, "Compare it with `kaipiao schema chunk`.")
        raise MessageInvalid("the message does not follow its schema.", faults=(fault,)) from error
    if isinstance(decoded, Chunk):
        return decoded
    return Chunk(chunk_id=decoded.job_id, jobs=(decoded,))


def _without_attempt(message: object) -> object:
    """Leave out a chunk's own count of attempts, which older producers may still send: the ledger counts them."""
    if isinstance(message, dict) and message.get("schema") == CHUNK_SCHEMA and type(message.get("attempt")) is int:
        return {name: value for name, value in message.items() if name != "attempt"}
    return message


def encode_message(message: Job | Chunk) -> dict[str, Any]:
    """Return a message as plain JSON values."""
    plain: dict[str, Any] = msgspec.to_builtins(message)
    return plain


def message_schema(name: str = CHUNK_SCHEMA) -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of a message.

    Args:
        name: ``kaipiao.job/1`` or ``kaipiao.chunk/1``.

    Raises:
        KeyError: no such message.
    """
    types: dict[str, type[Struct]] = {JOB_SCHEMA: Job, CHUNK_SCHEMA: Chunk}
    (root,), components = msgspec.json.schema_components([types[name]], ref_template="#/$defs/{name}")
    components["Job"]["oneOf"] = [
        {"required": ["invoice"], "properties": {"invoice": {"type": "string"}}},
        {"required": ["payload"], "properties": {"payload": {"type": "object"}}},
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{name}",
        **root,
        "$defs": components,
    }
