"""Milliseconds and bytes of one invoice as PDF, beside every peer that is here; no invoice is drawn twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

from rich.console import Console

from bench.bed import BACKEND
from bench.cases.pdf_ours import Ours, findings, open_ours, peer_fonts
from bench.cases.pdf_table import print_tables
from bench.corpus import Document, typical, with_lines
from bench.measurement import Report, Row
from bench.peers.pdf_lineup import KEYS, Lineup, Peer, open_lineup
from bench.peers.pdf_peer import PeerFonts
from bench.runner import CheckFailed, StageMs, interleave, one_core, require

DEFAULT_COUNT = 40
BATCH = 64
NOTES = (
    "one warm process on one core, Chromium's processes beside it; a turn of a side begins with an invoice not counted",
    "ours: layout, tagged PDF/A-3 with subset fonts and the invoice's XML attached, unsigned, from a read invoice",
    "theirs: the page alone, neither PDF/A nor tagged, without the XML",
    "same pages: texts, rules, sample seal, watermark, QR code; peers set all Chinese text in LXGW WenKai (TrueType)",
    "ours sets values in Noto Serif CJK, whose CFF outlines ReportLab cannot take; 'all Chinese in one font' does not",
    "peers' QR codes come from zxing-cpp (0.2 ms), not from an encoder in Python (6 ms)",
    "text: pdfium extracts number, date, names, tax ids, amounts, words and lines of every file that was checked",
    "QR: zxing-cpp reads the code and all its fields off pdfium's picture at 300 dpi",
)
_SEED, _WARM_SEED, _LINES_SEED = 21, 22, 23
_ROUNDS = 3
_CHECKED = 3
_WARM_UP = 3
_LINES_WARM_UP = 1
_LINES = (1, 40)
_LINES_SHARE = 6


@dataclass(frozen=True, slots=True)
class _Item:
    """What a side does in one turn.

    Attributes:
        lead: an invoice that does not count: the side before left nothing of this one's in the processor's caches.
        document: the invoice that counts.
        batch: invoices that are rendered together.
    """

    lead: Document
    document: Document
    batch: Sequence[Document] = ()


Side = Callable[[_Item], StageMs]


@dataclass(frozen=True, slots=True)
class _Single:
    """Ours, one invoice at a time."""

    ours: Ours

    def __call__(self, item: _Item) -> StageMs:
        self.ours.pdf(item.lead)
        return self.ours([item.document])


@dataclass(frozen=True, slots=True)
class _Batched:
    """Ours, a batch at a time."""

    ours: Ours

    def __call__(self, item: _Item) -> StageMs:
        self.ours.pdf(item.lead)
        return self.ours(item.batch)


@dataclass(slots=True)
class _Theirs:
    """A peer, its sizes, and what readers say of its files."""

    peer: Peer
    sizes: list[int] = field(default_factory=list)
    verdict: Counter[str] = field(default_factory=Counter)

    def __call__(self, item: _Item) -> StageMs:
        self.peer.draw(item.lead.invoice)
        start = time.perf_counter()
        pdf = self.peer.draw(item.document.invoice)
        elapsed_ms = (time.perf_counter() - start) * 1000
        self.sizes.append(len(pdf))
        return {"document": elapsed_ms}

    def check(self, documents: Sequence[Document], pages: Sequence[int], fonts: PeerFonts) -> None:
        """Note how readers fare.

        Raises:
            CheckFailed: it is not the same work: other fonts, another size of page or other pages.
        """
        self.verdict = Counter(text=1, qr=1)
        for document, expected in zip(documents, pages, strict=True):
            pdf = self.peer.draw(document.invoice)
            found = findings(document.invoice, pdf, (fonts.kai.family, fonts.mono.family))
            require(f"{self.peer.name}, {document.name}", found.page)
            if found.pages != expected:
                raise CheckFailed(f"{self.peer.name}, {document.name}: {found.pages} pages, ours has {expected}")
            self.verdict["text"] &= not found.text
            self.verdict["qr"] &= not found.qr


def run(count: int) -> list[Row]:
    """Time ``count`` everyday invoices, one by one and in batches, then invoices of 1 and of 40 lines."""
    with ExitStack() as stack:
        stack.enter_context(one_core())
        ours = stack.enter_context(open_ours())
        fonts = peer_fonts(ours)
        one_font = stack.enter_context(open_ours(fonts.kai.path))
        lineup = stack.enter_context(open_lineup(fonts, KEYS))
        rows = _everyday(count, ours, one_font, lineup, fonts)
        for lines in _LINES:
            rows += _of_lines(lines, max(count // _LINES_SHARE, 1), lineup, fonts)
        return rows


def print_results(report: Report, console: Console) -> None:
    """Print the rows side by side, a line for each peer."""
    print_tables(report, console)


def _everyday(count: int, ours: Ours, one_font: Ours, lineup: Lineup, fonts: PeerFonts) -> list[Row]:
    batched = Ours(ours.renderer)
    theirs = _checked(ours, lineup, typical(_CHECKED, _WARM_SEED), fonts)
    sides: dict[str, Side] = {
        "ours": _Single(ours),
        "batch": _Batched(batched),
        "one_font": _Single(one_font),
        **theirs,
    }
    samples = _measure(sides, count)
    mine, batch = samples["ours"], samples["batch"]
    fastest = min(theirs, key=lambda key: median(samples[key]["document"]))
    beside = _beside(theirs[fastest], samples[fastest])
    rows = _beside_each("document", ours, mine, theirs, samples, lineup)
    rows += [
        _row("writer", mine["writer"], ours.mean_bytes),
        _row(f"batch_{BATCH}", batch["document"], batched.mean_bytes, beside, batch["whole"]),
        _row(f"writer_batch_{BATCH}", batch["writer"], batched.mean_bytes),
        _row("one_font", samples["one_font"]["document"], one_font.mean_bytes, beside, samples["one_font"]["whole"]),
    ]
    return rows


def _of_lines(lines: int, count: int, lineup: Lineup, fonts: PeerFonts) -> list[Row]:
    """Time invoices of exactly so many lines."""
    with open_ours() as ours:
        documents = with_lines(lines, 2 * (_LINES_WARM_UP + count), _LINES_SEED)
        theirs = _checked(ours, lineup, documents[:1], fonts)
        sides: dict[str, Side] = {"ours": _Single(ours), **theirs}
        samples = _take(
            sides, [_Item(*pair) for pair in zip(documents[0::2], documents[1::2], strict=True)], _LINES_WARM_UP
        )
        return _beside_each(f"lines_{lines}", ours, samples["ours"], theirs, samples, lineup)


def _checked(ours: Ours, lineup: Lineup, documents: Sequence[Document], fonts: PeerFonts) -> dict[str, _Theirs]:
    """Return the peers after reading what both sides make of some documents.

    Raises:
        CheckFailed: an output of ours is wrong, or a peer does other work.
    """
    pages = []
    for document in documents:
        found = findings(document.invoice, ours.pdf(document), (fonts.kai.family, fonts.mono.family))
        require(document.name, [*found.text, *found.qr, *found.page])
        pages.append(found.pages)
    theirs = {peer.key: _Theirs(peer) for peer in lineup.peers}
    for each in theirs.values():
        each.check(documents, pages, fonts)
    return theirs


def _measure(sides: Mapping[str, Side], count: int) -> dict[str, dict[str, list[float]]]:
    """Give every side its turns over invoices that none of them has seen."""
    total = _WARM_UP + count
    documents = iter(typical(total * (2 + BATCH), _SEED))
    items = [_Item(next(documents), next(documents), list(islice(documents, BATCH))) for _ in range(total)]
    return _take(sides, items, _WARM_UP)


def _take(sides: Mapping[str, Side], items: Sequence[_Item], warm_up: int) -> dict[str, dict[str, list[float]]]:
    """Take times of all items but the first few, in rounds that begin with another side each."""
    for side in sides.values():
        for item in items[:warm_up]:
            side(item)
    samples: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
    for turn, part in enumerate(_parts(items[warm_up:])):
        order = list(sides)[:: 1 if turn % 2 == 0 else -1]
        taken = interleave({name: sides[name] for name in order}, part, repeats=1, warm_up=0)
        for name, stages in taken.items():
            for stage, values in stages.items():
                samples[name].setdefault(stage, []).extend(values)
    return samples


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    size = -(-len(items) // _ROUNDS)
    for start in range(0, len(items), size):
        yield items[start : start + size]


@dataclass(frozen=True, slots=True)
class _Beside:
    """What a row says of a peer."""

    name: str
    samples: Sequence[float] = ()
    bytes: int = 0
    verdict: Mapping[str, int] = field(default_factory=dict)


def _beside(theirs: _Theirs, samples: Mapping[str, Sequence[float]]) -> _Beside:
    size = sum(theirs.sizes) // len(theirs.sizes)
    return _Beside(theirs.peer.name, samples["document"], size, theirs.verdict)


def _beside_each(
    case: str,
    ours: Ours,
    mine: Mapping[str, Sequence[float]],
    theirs: Mapping[str, _Theirs],
    samples: Mapping[str, Mapping[str, Sequence[float]]],
    lineup: Lineup,
) -> list[Row]:
    """Return one row for each peer, also for those that are not here."""
    rows = []
    for key in KEYS:
        beside = _beside(theirs[key], samples[key]) if key in theirs else _Beside(f"{key}: {lineup.missing[key]}")
        rows.append(_row(f"{case}.{key}", mine["document"], ours.mean_bytes, beside, mine["whole"]))
    return rows


def _row(
    case: str,
    samples: Sequence[float],
    size: int,
    beside: _Beside | None = None,
    whole: Sequence[float] = (),
) -> Row:
    extra: dict[str, float] = {"min_ms": min(samples)}
    if whole:
        extra["whole_ms"] = median(whole)
    if beside is not None and beside.samples:
        extra["peer_min_ms"] = min(beside.samples)
        extra |= {f"peer_{name}": float(holds) for name, holds in beside.verdict.items()}
    return Row(
        case=f"pdf.{case}",
        backend=BACKEND,
        samples_ms=tuple(samples),
        bytes=size,
        peer=beside.name if beside else "",
        peer_samples_ms=tuple(beside.samples) if beside else (),
        peer_bytes=beside.bytes if beside else 0,
        extra=extra,
    )
