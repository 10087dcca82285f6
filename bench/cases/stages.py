"""Milliseconds of each stage for one invoice at a time, beside the same work by the straightforward stack."""

from __future__ import annotations

import time
from statistics import mean

from bench.bed import BACKEND, Bed, open_bed
from bench.corpus import Document, typical
from bench.measurement import Row
from bench.peers import straightforward
from bench.runner import StageMs, interleave
from render.store.api import Store
from render.timing import StageTimes

DEFAULT_COUNT = 20
NOTES = (
    "the peer sets all Chinese text in LXGW WenKai, since ReportLab takes no CFF outlines",
    "the peer's PDF is neither PDF/A nor signed inside; its drawing is layout too: compare layout+pdf",
    "our store waits until the disk has each file (fsync) and never overwrites; the peer's file write does neither",
)
_SEED = 11
_REPEATS = 3
_CHECKED = 3


def run(count: int) -> list[Row]:
    """Time every stage over ``count`` everyday invoices; outputs of some are checked first."""
    documents = typical(count, _SEED)
    with open_bed() as bed:
        for document in documents[:_CHECKED]:
            bed.require_right(document)
        ours, peer = _Ours(bed), _Peer(bed)
        samples = interleave({"ours": ours, "peer": peer}, documents, repeats=_REPEATS)
        sizes = _Sizes(bed, documents)
    mine, theirs = samples["ours"], samples["peer"]
    mine["layout+pdf"] = [a + b for a, b in zip(mine["layout"], mine["pdf"], strict=True)]
    plan = (
        ("read", "", 0, 0),
        ("layout", "", 0, 0),
        ("pdf", "", sizes.pdf, 0),
        ("layout+pdf", "pdf", sizes.pdf, sizes.peer_pdf),
        ("sign", "sign", 0, 0),
        ("raster", "raster", 0, 0),
        ("encode", "encode", sizes.png, sizes.peer_png),
        ("store", "store", 0, 0),
        ("all", "all", sizes.pdf + sizes.png, sizes.peer_pdf + sizes.peer_png),
    )
    names = {"pdf": "ReportLab", "sign": "gmssl", "raster": "pdfium", "encode": "Pillow", "store": "file write"}
    return [
        Row(
            case=f"stages.{stage}",
            backend=BACKEND,
            samples_ms=tuple(mine[stage]),
            bytes=size,
            peer=names.get(rival, straightforward.NAME) if rival else "",
            peer_samples_ms=tuple(theirs[rival]) if rival else (),
            peer_bytes=peer_size,
        )
        for stage, rival, size, peer_size in plan
    ]


class _Ours:
    """Our pipeline's own clock, and the store after it."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._store = Store((bed.folder / "store").as_uri())
        self._runs = 0

    def __call__(self, document: Document) -> StageMs:
        result = self._bed.render(document)
        self._runs += 1
        start = time.perf_counter()
        for output in result.outputs:
            self._store.put_if_absent(f"{self._runs}/{output.name}", output.data)
        return {**result.stage_ms, "store": (time.perf_counter() - start) * 1000}


class _Peer:
    """The peer's stages by the same clock."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._folder = bed.folder / "peer"
        self._folder.mkdir()
        self._runs = 0

    def __call__(self, document: Document) -> StageMs:
        peer, times = self._bed.peer, StageTimes()
        with times.stage("pdf"):
            pdf = peer.pdf(document.invoice)
        with times.stage("sign"):
            signature = peer.sign(pdf)
        with times.stage("raster"):
            images = peer.raster(pdf)
        with times.stage("encode"):
            pictures = [peer.png(image) for image in images]
        self._runs += 1
        with times.stage("store"):
            for place, data in enumerate([pdf, signature.encode(), *pictures]):
                (self._folder / f"{self._runs}-{place}").write_bytes(data)
        return times.ms


class _Sizes:
    """Mean bytes an invoice of what both sides make."""

    def __init__(self, bed: Bed, documents: list[Document]) -> None:
        ours = [bed.render(document).outputs for document in documents]
        self.pdf, self.png = (
            round(mean(sum(len(o.data) for o in outputs if o.kind == kind) for outputs in ours))
            for kind in ("pdf", "png")
        )
        theirs = [bed.peer.render(document.invoice) for document in documents[:_CHECKED]]
        self.peer_pdf, self.peer_png = (
            round(mean(sum(map(len, outputs[kind])) for outputs in theirs)) for kind in ("pdf", "png")
        )
