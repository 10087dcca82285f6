"""The worker's side: let in what was sealed with a live key, for this task, now, and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from render.errors import Fault
from workers.envelope.errors import (
    EnvelopeExpired,
    EnvelopeForged,
    EnvelopeHeaderDiffers,
    EnvelopeKeyUnknown,
    EnvelopeMalformed,
    EnvelopeMissing,
    EnvelopePayloadChanged,
    EnvelopeReplayed,
    EnvelopeTooEarly,
)
from workers.envelope.keys import KeyRing
from workers.envelope.mac import digest_of, fits
from workers.envelope.message import Envelope, canonical_text, is_envelope
from workers.messages import Chunk, decode_chunk

SKEW_S = 120.0
"""How far the clocks of producers and workers may lie apart."""
LONGEST_S = 31 * 86_400.0
"""No envelope holds longer, so no nonce is remembered for longer."""


class NonceStore(Protocol):
    """Remembers nonces for all workers; the ledger does."""

    def spend(self, nonces: Sequence[str], keep_ms: int) -> list[bool]:
        """Remember nonces for so long; False = it was spent before."""

    def spent(self, nonces: Sequence[str]) -> list[bool]:
        """Tell which nonces were spent."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that was let in; ``producer`` sealed it."""

    envelope: Envelope
    chunk: Chunk
    producer: str


class EnvelopeGuard:
    """Opens envelopes.

    A broker delivers a message again where a worker died with it, so a nonce is spent when its message has been
    carried out, not when it arrives: until then a copy meets the ledger's grants, afterwards it is refused here.

    Args:
        ring: gives the live keys.
        nonces: what remembers nonces.
        clock: the time.
    """

    def __init__(self, ring: Callable[[], KeyRing], nonces: NonceStore, clock: Callable[[], datetime]) -> None:
        self._ring = ring
        self._nonces = nonces
        self._clock = clock

    def unseal(self, message: object, *, task: str, message_id: str) -> Opened:
        """Return what an envelope holds, once everything about it was found right.

        Args:
            message: the JSON value as the broker's client decoded it: hostile until checked.
            task: what the message's header ``task`` says.
            message_id: what its header ``id`` says.

        Raises:
            EnvelopeRefused: one of its kinds; nothing of the payload was read.
            MessageInvalid: rightly sealed, but no job or chunk.
            LedgerUnavailable: nobody can tell whether the nonce was spent.
        """
        envelope = _decode(message)
        producer = self._authenticate(envelope)
        if (task, message_id) != (envelope.task, envelope.message_id):
            raise EnvelopeHeaderDiffers(
                "the headers name another task or message than was sealed.",
                hint="Find out who can write to the broker: headers were changed or swapped.",
            )
        self._check_times(envelope)
        if self._nonces.spent([envelope.nonce])[0]:
            raise EnvelopeReplayed(
                "a message with this nonce was carried out before.",
                hint="Nothing is lost. To send work again, seal it anew.",
            )
        return Opened(envelope, _chunk_of(envelope), producer)

    def spend(self, opened: Opened) -> bool:
        """Refuse this message from now on, since it was carried out; False = it was by another worker before.

        Raises:
            LedgerUnavailable: the nonce cannot be remembered.
        """
        left = opened.envelope.expires_at - self._clock() + timedelta(seconds=2 * SKEW_S)
        return self._nonces.spend([opened.envelope.nonce], max(1, int(left.total_seconds() * 1000)))[0]

    def _authenticate(self, envelope: Envelope) -> str:
        key = self._ring().find(envelope.key_id)
        if key is None:
            raise EnvelopeKeyUnknown(
                "no live key has this key id.",
                hint="Carry the key file to the workers before a producer switches; see `kaipiao envelope list`.",
            )
        if not fits(key.secret, canonical_text(envelope), bytes.fromhex(envelope.mac)):
            raise EnvelopeForged("the code does not fit.", hint="It was forged or changed: look at who can write.")
        if envelope.payload_digest != digest_of(envelope.payload.encode("utf-8", "surrogatepass")):
            raise EnvelopePayloadChanged("the payload is not the one that was sealed.", hint="It was changed.")
        return key.producer

    def _check_times(self, envelope: Envelope) -> None:
        now, skew = self._clock(), timedelta(seconds=SKEW_S)
        try:
            created, expires = envelope.created_at, envelope.expires_at
        except ValueError as error:
            raise EnvelopeMalformed("created or expires is no time.", hint="Write 2026-01-31T23:59:59Z.") from error
        if created > now + skew or not timedelta() < expires - created <= timedelta(seconds=LONGEST_S):
            raise EnvelopeTooEarly(
                f"sealed at {envelope.created}, to hold until {envelope.expires}.",
                hint="Set the clocks right. An envelope holds for 31 days at most.",
            )
        if expires + skew < now:
            raise EnvelopeExpired(
                f"the envelope held until {envelope.expires}.", hint="Seal the message anew if it is still wanted."
            )


def _decode(message: object) -> Envelope:
    if not is_envelope(message):
        raise EnvelopeMissing(
            "the message has no envelope.", hint="Seal it: workers/envelope/README.md tells how, in any language."
        )
    try:
        return msgspec.convert(message, type=Envelope, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        text, _, path = str(error).partition(" - at ")
        fault = Fault(path.strip("`") or "$", "envelope.schema", text, "Compare it with `kaipiao schema envelope`.")
        raise EnvelopeMalformed("the envelope does not follow its schema.", faults=(fault,)) from error


def _chunk_of(envelope: Envelope) -> Chunk:
    try:
        payload = msgspec.json.decode(envelope.payload)
    except (ValueError, RecursionError) as error:
        fault = Fault("payload", "envelope.payload", str(error), "Put a job or a chunk as JSON text there.")
        raise EnvelopeMalformed("the payload is not JSON.", faults=(fault,)) from error
    chunk = decode_chunk(payload)
    if chunk.chunk_id != envelope.idempotency_key:
        fault = Fault("idempotency_key", "envelope.key", "it is not the payload's.", "Write its chunk_id or job_id.")
        raise EnvelopeMalformed("the idempotency key is not that of the payload.", faults=(fault,))
    return chunk
