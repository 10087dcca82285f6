"""What a job meets while a breaker is open: reasons to wait, never to fail."""

from __future__ import annotations

from render.errors import KeyUnavailable, OutputInvalid, StoreError


class WaitingForKey(KeyUnavailable):
    """The signer is out of reach: the job is held, unsigned and not stored, until it can be signed."""

    code = "waiting_for_key"

    def __init__(self, message: str, *, hint: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_ms = retry_after_ms


class StoreResting(StoreError):  # noqa: N818 named like the rest of the error tree
    """The store failed too often of late; it is left alone for a moment."""

    code = "store_resting"

    def __init__(self, message: str, *, hint: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_ms = retry_after_ms


class UnsignedOutput(OutputInvalid):
    """A document that should be signed is not; nothing of it was stored."""

    code = "unsigned_output"


class BreakerUnavailable(Exception):  # noqa: N818 a signal between a breaker and its gate, which lets work pass then
    """What the breaker is shared through does not answer."""
