"""Kaipiao's renderer: an invoice in, documents out. Pure, synchronous, importable without any server.

    from render import render_one
    result = render_one(document, signing_time=datetime.now(timezone.utc))

Names are loaded on first use, so that ``import render`` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from render.api import render_batch, render_one
    from render.config import RenderSettings
    from render.pipeline import Output, Renderer, RenderRequest, RenderResult

__all__ = [
    "Output",
    "RenderRequest",
    "RenderResult",
    "RenderSettings",
    "Renderer",
    "render_batch",
    "render_one",
]
__version__ = "0.1.0"

_HOMES = {
    "Output": "render.pipeline",
    "RenderRequest": "render.pipeline",
    "RenderResult": "render.pipeline",
    "RenderSettings": "render.config",
    "Renderer": "render.pipeline",
    "render_batch": "render.api",
    "render_one": "render.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 module attributes have no common type
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'render' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
