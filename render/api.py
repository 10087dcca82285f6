"""The two functions for people who want documents from a script, without a pool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from render.config import RenderSettings
from render.model.invoice import Media
from render.pipeline import OUTPUT_KINDS, Renderer, RenderRequest, RenderResult


def render_one(
    data: bytes,
    *,
    signing_time: datetime,
    media: Media | None = None,
    outputs: tuple[str, ...] = OUTPUT_KINDS,
    dpi: int = 300,
    settings: RenderSettings | None = None,
) -> RenderResult:
    """Render one invoice document and return its outputs.

    Args:
        data: JSON or ``EInvoice`` XML.
        media: which of the two, None = told from the bytes.
        signing_time: with a time zone; used where ``settings`` name a signing identity.
        outputs: any of ``pdf``, ``png``.
        dpi: resolution of pictures, 72 to 600.
        settings: None = fonts found on the system, package templates, unsigned.

    Raises:
        KaipiaoError: the error of this invoice, such as ``InvoiceInvalid`` with all its faults.
    """
    request = RenderRequest(data, signing_time, media, outputs, dpi)
    result = render_batch([request], settings=settings)[0]
    if result.error is not None:
        raise result.error
    return result


def render_batch(requests: Sequence[RenderRequest], *, settings: RenderSettings | None = None) -> list[RenderResult]:
    """Render many invoices; one invoice's error stands in its result and never fails the batch."""
    return _renderer(settings or RenderSettings()).render_batch(requests)


@lru_cache(maxsize=4)
def _renderer(settings: RenderSettings) -> Renderer:
    return Renderer(settings)
