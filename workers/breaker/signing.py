"""The gate before the signer: work that cannot be signed is held, and never leaves as a document without signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from render.errors import InputError, KeyUnavailable, SignatureTooLarge, SigningError
from render.model.invoice import Media
from workers.breaker.errors import UnsignedOutput, WaitingForKey
from workers.breaker.gate import Gate
from workers.breaker.protocol import Permit
from workers.engine import Engine
from workers.idempotency import Identity

if TYPE_CHECKING:
    from render.pipeline import RenderRequest, RenderResult

_HINT = "It is held as waiting_for_key and goes on by itself once the key answers; see `kaipiao doctor`."
SIGNED_KINDS = frozenset({"pdf"})


class SigningGate:
    """An engine behind the breaker of its signer.

    Args:
        engine: renders and signs.
        gate: of the part ``signer``.
        must_sign: refuse documents that came out unsigned.
    """

    def __init__(self, engine: Engine, gate: Gate, *, must_sign: bool) -> None:
        self._engine = engine
        self._gate = gate
        self._must_sign = must_sign

    def identify(self, data: bytes, media: Media | None) -> Identity:
        """Read an invoice and tell who it is; no key is needed for that.

        Raises:
            InputError: it cannot be read, or breaks rules.
        """
        return self._engine.identify(data, media)

    def render_batch(self, requests: Sequence[RenderRequest]) -> Sequence[RenderResult]:
        """Render and sign invoices; while the breaker is open, none is even begun."""
        call = self._gate.enter()
        if isinstance(call, Permit):
            return [held_result(request, call.retry_after_ms) for request in requests]
        try:
            results = self._engine.render_batch(requests)
        except KeyUnavailable:
            call.ended(bad=len(requests))
            return [held_result(request, 0) for request in requests]
        except BaseException:
            call.ended()
            raise
        bad = sum(_is_fault_of_signer(result) for result in results)
        good = sum(result.error is None for result in results)
        call.ended(good=good, bad=bad)
        return [self._judged(result) for result in results]

    def _judged(self, result: RenderResult) -> RenderResult:
        if isinstance(result.error, KeyUnavailable) and not isinstance(result.error, WaitingForKey):
            waiting = WaitingForKey(result.error.message, hint=_HINT)
            waiting.__cause__ = result.error
            result.error, result.outputs = waiting, ()
        elif self._must_sign and result.error is None:
            try:
                require_signed(result)
            except UnsignedOutput as error:
                result.error, result.outputs = error, ()
        return result


def held_result(request: RenderRequest, retry_after_ms: int) -> RenderResult:
    """Return the result of a job that was not begun because nothing can be signed at the moment."""
    from render.pipeline import RenderResult

    return RenderResult(
        job_id=request.job_id,
        error=WaitingForKey("the signer is left alone for a moment.", hint=_HINT, retry_after_ms=retry_after_ms),
    )


def require_signed(result: RenderResult) -> None:
    """Refuse a result whose documents are not all signed.

    Raises:
        UnsignedOutput: names the first document without a signer.
    """
    if isinstance(result.error, InputError):
        return
    for output in result.outputs:
        if output.kind in SIGNED_KINDS and not output.signer:
            raise UnsignedOutput(
                f"{output.name} is not signed.",
                hint="Report this defect, or set KAIPIAO_SIGNING=off if none should be.",
            )


def _is_fault_of_signer(result: RenderResult) -> bool:
    # A signature that outgrows its room is a defect of the document's writer.
    return isinstance(result.error, SigningError) and not isinstance(result.error, SignatureTooLarge)
