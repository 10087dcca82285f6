"""One fresh process of ``pdf-start``: opens one side, draws some invoices, and prints when and how fast.

Nothing is imported before it is needed: what a side imports is part of what it takes.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OURS = "ours"


def main(arguments: Sequence[str]) -> None:
    """Take the side's key, the folder of invoices, and the peers' two fonts."""
    key, folder, kai, mono = arguments
    side = _ours(Path(folder)) if key == OURS else _peer(key, Path(folder), Path(kai), Path(mono))
    ms: list[float] = []
    first_at = 0.0
    with side as (draw, invoices):
        for invoice in invoices:
            start = time.perf_counter()
            draw(invoice)
            ms.append((time.perf_counter() - start) * 1000)
            first_at = first_at or time.monotonic()
    print(json.dumps({"first_at": first_at, "ms": ms}))


@contextmanager
def _ours(folder: Path) -> Iterator[tuple[Callable[[Any], object], Sequence[Any]]]:
    from datetime import UTC, datetime

    from render.config import RenderSettings
    from render.model.invoice import InvoiceKind
    from render.pipeline import Renderer, RenderRequest

    settings = RenderSettings.from_mapping({"KAIPIAO_HOME": str(folder), "KAIPIAO_SIGNING": "off"})
    renderer = Renderer(settings)
    for kind in InvoiceKind:
        renderer.template(kind.value)
    when = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)

    def draw(data: str) -> None:
        result = renderer.render_batch([RenderRequest(data.encode(), when, outputs=("pdf",))])[0]
        if result.error is not None:
            raise result.error

    yield draw, json.loads((folder / "documents.json").read_text(encoding="utf-8"))


@contextmanager
def _peer(key: str, folder: Path, kai: Path, mono: Path) -> Iterator[tuple[Callable[[Any], object], Sequence[Any]]]:
    from bench.peers.pdf_lineup import open_peer
    from bench.peers.pdf_peer import PeerFont, PeerFonts

    # Written by the process that started this one, a moment ago.
    invoices = pickle.loads((folder / "invoices.pickle").read_bytes())  # noqa: S301
    with open_peer(key, PeerFonts(PeerFont(kai), PeerFont(mono))) as (_, draw):
        yield draw, invoices


if __name__ == "__main__":
    main(sys.argv[1:])
