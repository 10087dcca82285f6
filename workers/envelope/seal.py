"""The sender's side: put a job or a chunk into an envelope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from workers.envelope.keys import ProducerKey
from workers.envelope.mac import digest_of, hmac_sm3
from workers.envelope.message import Envelope, canonical_text, time_text
from workers.messages import Chunk, Job

_UNSEALED = "0" * 64


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals messages of one producer.

    Attributes:
        key: what to seal with.
        clock: the time that envelopes hold from; ``nonce``: gives 32 fresh hexadecimal digits.
        holds_s: for so long; a message that waits longer is refused, and its jobs are published again by the ledger.
    """

    key: ProducerKey
    clock: Callable[[], datetime]
    nonce: Callable[[], str]
    holds_s: float

    def seal(self, message: Job | Chunk, *, task: str, message_id: str) -> Envelope:
        """Return a message in its envelope.

        Args:
            message: what to send.
            task: name of the task that shall carry it out.
            message_id: of this message; goes into the header ``id`` as well.
        """
        created = self.clock()
        payload = msgspec.json.encode(message)
        envelope = Envelope(
            key_id=self.key.key_id,
            task=task,
            message_id=message_id,
            idempotency_key=message.chunk_id if isinstance(message, Chunk) else message.job_id,
            payload_digest=digest_of(payload),
            created=time_text(created),
            expires=time_text(created + timedelta(seconds=self.holds_s)),
            nonce=self.nonce(),
            mac=_UNSEALED,
            payload=payload.decode(),
        )
        return msgspec.structs.replace(envelope, mac=hmac_sm3(self.key.secret, canonical_text(envelope)).hex())
