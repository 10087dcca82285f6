"""The two functions for people who want documents from a script, without a pool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from render.config import RenderSettings
from render.encode.formats import AUTO, DEFAULT_OUTPUTS, LEVELS
from render.model.invoice import Media
from render.pipeline import Renderer, RenderRequest, RenderResult


def render_one(
    data: bytes,
    *,
    signing_time: datetime,
    media: Media | None = None,
    outputs: tuple[str, ...] = DEFAULT_OUTPUTS,
    dpi: int = 300,
    level: str = LEVELS[0],
    mode: str = AUTO,
    settings: RenderSettings | None = None,
) -> RenderResult:
    """Render one invoice document and return its outputs.

    Args:
        data: JSON or ``EInvoice`` XML.
        media: which of the two, None = told from the bytes.
        signing_time: with a time zone; used where ``settings`` name a signing identity.
        outputs: any of ``pdf``, ``png``, ``jpeg``, ``webp``, ``tiff``, ``g4``, ``heif``, ``avif``.
        dpi: resolution of pictures, 72 to 600.
        level: of pictures: ``fast``, or ``small``, which takes several times as long.
        mode: of pictures: ``auto`` (each format's own), ``indexed``, ``grey``, ``rgb`` or ``bilevel``.
        settings: None = fonts found on the system, package templates, unsigned.

    Raises:
        KaipiaoError: the error of this invoice, such as ``InvoiceInvalid`` with all its faults.
    """
    request = RenderRequest(data, signing_time, media, outputs, dpi, level, mode)
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
