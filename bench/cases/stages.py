"""Milliseconds of each stage for one invoice at a time, beside the same work by the straightforward stack."""

from __future__ import annotations

import time
from collections import Counter

from bench.bed import BACKEND, Bed, open_bed
from bench.corpus import Document, typical
from bench.measurement import Row, cpu_figures
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
    mine, theirs = samples["ours"], samples["peer"]
    mine["layout+pdf"] = [a + b for a, b in zip(mine["layout"], mine["pdf"], strict=True)]
    plan = (
        ("read", "", 0, 0),
        ("layout", "", 0, 0),
        ("pdf", "", ours.size("pdf"), 0),
        ("layout+pdf", "pdf", ours.size("pdf"), peer.size("pdf")),
        ("sign", "sign", 0, 0),
        ("raster", "raster", 0, 0),
        ("encode", "encode", ours.size("png"), peer.size("png")),
        ("store", "store", 0, 0),
        ("all", "all", ours.size("pdf", "png"), peer.size("pdf", "png")),
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
            extra=cpu_figures(mine["cpu"], theirs["cpu"]) if stage == "all" else {},
        )
        for stage, rival, size, peer_size in plan
    ]


class _Side:
    """A side that remembers how much it made."""

    def __init__(self) -> None:
        self._bytes: Counter[str] = Counter()
        self._runs = 0

    def size(self, *kinds: str) -> int:
        """Return mean bytes an invoice of these kinds of files together."""
        return round(sum(self._bytes[kind] for kind in kinds) / self._runs)


class _Ours(_Side):
    """Our pipeline's own clock, and the store after it."""

    def __init__(self, bed: Bed) -> None:
        super().__init__()
        self._bed = bed
        self._store = Store((bed.folder / "store").as_uri())

    def __call__(self, document: Document) -> StageMs:
        result = self._bed.render(document)
        self._runs += 1
        start = time.perf_counter()
        for output in result.outputs:
            self._store.put_if_absent(f"{self._runs}/{output.name}", output.data)
        store_ms = (time.perf_counter() - start) * 1000
        for output in result.outputs:
            self._bytes[output.kind] += len(output.data)
        return {**result.stage_ms, "store": store_ms}


class _Peer(_Side):
    """The peer's stages by the same clock."""

    def __init__(self, bed: Bed) -> None:
        super().__init__()
        self._bed = bed
        self._folder = bed.folder / "peer"
        self._folder.mkdir()

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
        self._bytes.update({"pdf": len(pdf), "png": sum(map(len, pictures))})
        return times.ms
