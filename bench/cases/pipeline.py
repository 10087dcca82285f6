"""Invoices a second of ``render_batch`` in one process on one core, beside the straightforward stack."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from bench.bed import BACKEND, Bed, open_bed, request
from bench.corpus import Document, typical
from bench.measurement import Row, cpu_figures
from bench.peers import straightforward
from bench.runner import StageMs, interleave, one_core

DEFAULT_COUNT = 64
NOTES = (
    "one process on one core; ours renders whole batches, the peer knows none and takes invoices one by one",
    "bytes are of the same few invoices on both sides",
)
_SEED = 12
_REPEATS = 5
_CHECKED = 3
_PEER_INVOICES = 4


def run(count: int) -> list[Row]:
    """Time batches of ``count`` everyday invoices; outputs of some are checked first."""
    documents = typical(count, _SEED)
    with open_bed() as bed, one_core():
        for document in documents[:_CHECKED]:
            bed.require_right(document)
        samples = interleave({"ours": _ours(bed), "peer": _peer(bed)}, [documents], repeats=_REPEATS)
        outputs = [bed.render(document).outputs for document in documents[:_PEER_INVOICES]]
        theirs = [bed.peer.render(document.invoice) for document in documents[:_PEER_INVOICES]]
    mine, peer = samples["ours"]["each"], samples["peer"]["each"]
    return [
        Row(
            case=f"pipeline.batch_{count}",
            backend=BACKEND,
            samples_ms=tuple(mine),
            bytes=sum(len(output.data) for each in outputs for output in each) // len(outputs),
            peer=straightforward.NAME,
            peer_samples_ms=tuple(peer),
            peer_bytes=sum(len(data) for each in theirs for group in each.values() for data in group) // len(theirs),
            extra={
                "invoices_per_s": 1000 / median(mine),
                "peer_invoices_per_s": 1000 / median(peer),
                **cpu_figures(
                    [ms / len(documents) for ms in samples["ours"]["cpu"]],
                    [ms / len(documents[:_PEER_INVOICES]) for ms in samples["peer"]["cpu"]],
                ),
            },
        )
    ]


def _ours(bed: Bed) -> Callable[[list[Document]], StageMs]:
    def side(documents: list[Document]) -> StageMs:
        start = time.perf_counter()
        results = bed.renderer.render_batch([request(document) for document in documents])
        elapsed_ms = (time.perf_counter() - start) * 1000
        for result in results:
            if result.error is not None:
                raise result.error
        return {"each": elapsed_ms / len(documents)}

    return side


def _peer(bed: Bed) -> Callable[[list[Document]], StageMs]:
    def side(documents: list[Document]) -> StageMs:
        chosen = documents[:_PEER_INVOICES]
        start = time.perf_counter()
        for document in chosen:
            bed.peer.render(document.invoice)
        return {"each": (time.perf_counter() - start) * 1000 / len(chosen)}

    return side
