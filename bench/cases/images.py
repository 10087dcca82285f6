"""Milliseconds and bytes of one page as pixels, PNG, JPEG, WebP, TIFF and G4, beside every library that is here."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console

from bench.bed import BACKEND
from bench.cases.images_checks import drawn_problems, file_problems
from bench.cases.images_page import Sheet, Workshop, as_batch, open_workshop, shown
from bench.cases.images_samples import KINDS, with_lines_of_one_row
from bench.cases.images_table import print_tables
from bench.measurement import Report, Row, cpu_figures
from bench.peers import image_codecs, image_raster
from bench.peers.image_codecs import BASELINE, Codec, Shown
from bench.peers.image_raster import RasterPeer
from bench.runner import StageMs, interleave, one_core, require
from render.encode.api import encoder
from render.pixels import PagePixels

DEFAULT_COUNT = 4
BATCH = 16
LEAD_BELOW_MS = 50
"""What takes longer hardly depends on what the side before left in the processor's caches."""
NOTES = (
    "one warm process on one core; pages of invoices with 1 and with 8 lines of one row, no two the same",
    f"a turn of a side that takes less than {LEAD_BELOW_MS} ms begins with a page of its template that does not count",
    "pixels: ours from the laid-out page; theirs from our own PDF of it, which each opens anew for each page",
    "ours and pdfium draw into memory that is used again, MuPDF into fresh memory, poppler in a process of its own",
    "ink: palette indices, which hold all colours; PNG, WebP and TIFF hold every pixel exactly, as read by Pillow",
    "files: all sides start from the same pixels in the form they take (ours: palette indices); JPEG is q85, 4:4:4",
    "both: from the laid-out page or the PDF to the PNG of the page; the pair of libraries is the fastest of this run",
    f"both_batch: pages of {BATCH} invoices at a time",
    "QR codes were read off every rasteriser's picture, and off every file, before anything was timed",
    "CPU: of all processes and cores, which other programs on the machine change least",
    "HEIF and AVIF take seconds a page and are left out",
)
_DPIS = (150, 300)
_LINES = (1, 8)
_SEED = 41
_REPEATS = 3

_Samples = Mapping[str, Mapping[str, Sequence[float]]]

# What of ours stands in each contest, the row that all libraries are set beside first. Names are encoders' and levels'.
_OURS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "png": (("png", "png", "fast"), ("png_small", "png", "small")),
    "jpeg": (("jpeg", "jpeg", "fast"),),
    "webp": (("webp", "webp", "fast"), ("webp_small", "webp", "small")),
    "tiff": (("tiff", "tiff", "fast"), ("tiff_small", "tiff", "small")),
    "g4": (("g4", "tiff-g4", "fast"),),
}


@dataclass(slots=True)
class _Page:
    """What a side works on in one turn: a page that is laid out, drawn, and ready in each library's own form.

    Attributes:
        lead: a page that does not count: the side before left nothing of this one's in the processor's caches.
    """

    sheet: Sheet
    dpi: int
    pixels: PagePixels
    prepared: dict[tuple[str, str], Any] = field(default_factory=dict)
    lead: _Page | None = None


@dataclass(slots=True)
class _Side:
    """A way to make pixels or a file, and how large they were.

    Attributes:
        work: does it and returns how many bytes came out; ``pages``: of how many pages that is.
        warm_up: does it to the page that does not count, where that is not the same.
    """

    name: str
    work: Callable[[_Page], int]
    pages: int = 1
    sizes: list[int] = field(default_factory=list)
    warm_up: Callable[[_Page], int] | None = None
    last_ms: float = 0.0

    def __call__(self, page: _Page) -> StageMs:
        if page.lead is not None and self.last_ms < LEAD_BELOW_MS:
            (self.warm_up or self.work)(page.lead)
        cpu, start = _cpu_seconds(), time.perf_counter()
        size = self.work(page)
        elapsed, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
        self.sizes.append(size)
        self.last_ms = elapsed * 1000 / self.pages
        return {"page": self.last_ms, "page_cpu": cpu * 1000 / self.pages}

    @property
    def mean_bytes(self) -> int:
        """Mean size of all that was made while it was timed."""
        return sum(self.sizes) // len(self.sizes)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of all that it started and that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@dataclass(frozen=True, slots=True)
class _Rivals:
    """All libraries, and by row name what to do about those that are not here."""

    rasters: tuple[RasterPeer, ...]
    codecs: tuple[Codec, ...]
    missing: Mapping[str, str]

    @classmethod
    def open(cls) -> _Rivals:
        rasters, no_rasters = image_raster.open_rasters()
        codecs, no_codecs = image_codecs.open_codecs()
        modes = ("rgb", "grey")
        missing = {f"{mode}.{key}": text for key, text in no_rasters.items() for mode in modes}
        missing |= {f"{form}.{key}": text for (form, key), text in no_codecs.items()}
        return cls(rasters, codecs, missing)


def run(count: int) -> list[Row]:
    """Time ``count`` pages at each resolution, for invoices of one line and of eight."""
    rivals = _Rivals.open()
    rows = []
    with one_core(), open_workshop() as workshop:
        for lines in _LINES:
            leads, sheets = _sheets(workshop, lines, count)
            for dpi in _DPIS:
                _check(workshop, rivals, sheets[0], dpi)
                turns = _Turns(workshop, rivals, leads, sheets, dpi)
                rows += _measured(workshop, rivals, turns, f"images.{dpi}dpi.lines_{lines}")
    return rows


def print_results(report: Report, console: Console) -> None:
    """Print a table for each resolution and number of lines, and what pairs of libraries take."""
    print_tables(report, console)


def _sheets(workshop: Workshop, lines: int, count: int) -> tuple[list[Sheet], list[Sheet]]:
    """Return an invoice of each kind to begin turns with, and invoices of one page, of one kind in turn with the other.

    Each of the latter comes with a batch of its own kind.
    """
    needed = len(KINDS) * (1 + -(-count // len(KINDS)) * (1 + BATCH))
    invoices = with_lines_of_one_row(lines, needed, _SEED + lines, workshop.is_one_row)
    by_kind = [iter([invoice for invoice in invoices if invoice.kind is kind]) for kind in KINDS]
    leads = [workshop.sheet(next(own)) for own in by_kind]
    turns = (by_kind[place % len(by_kind)] for place in range(count))
    return leads, [workshop.sheet(next(own), list(itertools.islice(own, BATCH))) for own in turns]


def _check(workshop: Workshop, rivals: _Rivals, sheet: Sheet, dpi: int) -> None:
    """Look at what every side makes of one page.

    Raises:
        CheckFailed: something is wrong with it.
    """
    pixels = workshop.first_page(sheet, dpi)
    page, shape = shown(pixels), pixels.index.shape
    size = (shape[0], shape[1])
    require(f"ours at {dpi} dpi", drawn_problems(page.rgb, size, sheet.invoice))
    for rival in rivals.rasters:
        for is_grey in (False, True):
            require(
                f"{rival.name} at {dpi} dpi", drawn_problems(rival.draw(sheet.pdf, dpi, is_grey), size, sheet.invoice)
            )
    for form, own in _OURS.items():
        for name, format_name, level in own:
            data = encoder(format_name).encode(pixels, level=level)
            require(f"our {name} at {dpi} dpi", file_problems(form, data, page, sheet.invoice))
    for codec in rivals.codecs:
        data = codec.encode(codec.prepare(page))
        require(f"{codec.name}, {codec.form} at {dpi} dpi", file_problems(codec.form, data, page, sheet.invoice))


def _measured(workshop: Workshop, rivals: _Rivals, turns: _Turns, prefix: str) -> list[Row]:
    """Time every side on every page, then ours beside pairs of a rasteriser and a PNG writer."""
    sides = {f"{form}.ours.{side.name}": side for form, side in _our_sides(workshop)}
    sides |= {
        f"{mode}.{peer.key}": _Side(peer.name, _draw(peer, mode)) for mode in ("rgb", "grey") for peer in rivals.rasters
    }
    sides |= {f"{codec.form}.{codec.key}": _Side(codec.name, _encode(codec)) for codec in rivals.codecs}
    samples = turns.take(sides)
    table = _Table(prefix, sides, samples)
    rows = []
    for contest in ("rgb", "grey", *_OURS):
        known = [key for form, key in image_codecs.KEYS if form == contest] or list(image_raster.KEYS)
        rows += table.contest(contest, known, rivals.missing)
    pairs = _pairs(rivals, samples)
    both = {"both.ours.both": _Side("both", lambda page: workshop.png(page.sheet, page.dpi))}
    both["both.ours.both_batch"] = _in_batches("both_batch", workshop.png)
    for key, (raster, codec) in pairs.items():
        both[f"both.{key}"] = _Side(f"{raster.name} + {codec.name}", _pair(raster, codec))
    return rows + _Table(prefix, both, turns.take(both)).contest("both", list(pairs), {})


def _our_sides(workshop: Workshop) -> list[tuple[str, _Side]]:
    """Return our sides by contest."""
    sides = [
        ("rgb", _Side("rgb", lambda page: workshop.rgb(page.sheet, page.dpi))),
        ("rgb", _in_batches("rgb_batch", workshop.rgb)),
        ("grey", _Side("grey", lambda page: workshop.grey(page.sheet, page.dpi))),
        ("grey", _Side("ink", lambda page: workshop.ink(page.sheet, page.dpi))),
        ("grey", _in_batches("ink_batch", workshop.ink)),
    ]
    for form, own in _OURS.items():
        sides += [(form, _Side(name, _encode_ours(format_name, level))) for name, format_name, level in own]
    return sides


def _in_batches(name: str, work: Callable[[Sheet, int], int]) -> _Side:
    """Return the side that does a sheet's batch, and to begin with a single page."""
    return _Side(
        name,
        lambda page: work(as_batch(page.sheet), page.dpi) // BATCH,
        BATCH,
        warm_up=lambda page: work(page.sheet, page.dpi),
    )


def _encode_ours(format_name: str, level: str) -> Callable[[_Page], int]:
    ours = encoder(format_name)
    return lambda page: len(ours.encode(page.pixels, level=level))


def _encode(codec: Codec) -> Callable[[_Page], int]:
    return lambda page: len(codec.encode(page.prepared[codec.form, codec.key]))


def _draw(peer: RasterPeer, mode: str) -> Callable[[_Page], int]:
    return lambda page: peer.draw(page.sheet.pdf, page.dpi, mode == "grey").nbytes


def _pair(raster: RasterPeer, codec: Codec) -> Callable[[_Page], int]:
    """Return what draws with one library and writes with another, with all that lies between them."""

    def work(page: _Page) -> int:
        rgb = np.ascontiguousarray(raster.draw(page.sheet.pdf, page.dpi, False))  # noqa: FBT003
        nothing = np.zeros((0, 0), np.uint8)
        return len(codec.encode(codec.prepare(Shown(rgb, nothing, nothing, nothing, 0))))

    return work


def _pairs(rivals: _Rivals, samples: _Samples) -> dict[str, tuple[RasterPeer, Codec]]:
    """Return the fastest pair of libraries as they come, the fastest with the PNG around ISA-L, and the usual pair."""

    def taken(side: str) -> float:
        return min(samples[side]["page"])

    raster = min(rivals.rasters, key=lambda peer: taken(f"rgb.{peer.key}"))
    writers = {codec.key: codec for codec in rivals.codecs if codec.form == "png" and codec.takes_rgb}
    as_they_come = [codec for key, codec in writers.items() if key != BASELINE]
    pairs = {"fastest_libraries": (raster, min(as_they_come, key=lambda codec: taken(f"png.{codec.key}")))}
    if BASELINE in writers:
        pairs["fastest_with_isal"] = (raster, writers[BASELINE])
    usual = [peer for peer in rivals.rasters if peer.key == "pdfium"]
    if usual and "pillow" in writers:
        pairs["pdfium_pillow"] = (usual[0], writers["pillow"])
    return pairs


@dataclass(frozen=True, slots=True)
class _Turns:
    """Gives every side its turns.

    Attributes:
        leads: by kind, what a turn begins with.
        sheets: what counts, of the kinds in turn.
    """

    workshop: Workshop
    rivals: _Rivals
    leads: Sequence[Sheet]
    sheets: Sequence[Sheet]
    dpi: int

    def take(self, sides: Mapping[str, _Side]) -> dict[str, dict[str, list[float]]]:
        """Return samples by side, taken page after page, so that few pages are held at a time in all their forms."""
        samples: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
        leads = [self._page(sheet) for sheet in self.leads]
        for place, sheet in enumerate(self.sheets):
            page = self._page(sheet, leads[place % len(leads)])
            taken = interleave(sides, [page], repeats=_REPEATS, warm_up=0)
            for name, stages in taken.items():
                for stage, values in stages.items():
                    samples[name].setdefault(stage, []).extend(values)
        return samples

    def _page(self, sheet: Sheet, lead: _Page | None = None) -> _Page:
        pixels = self.workshop.first_page(sheet, self.dpi)
        forms = shown(pixels)
        return _Page(sheet, self.dpi, pixels, {(c.form, c.key): c.prepare(forms) for c in self.rivals.codecs}, lead)


@dataclass(frozen=True, slots=True)
class _Table:
    """Sides and their samples, to be told as rows."""

    prefix: str
    sides: Mapping[str, _Side]
    samples: _Samples

    def contest(self, contest: str, known: Sequence[str], missing: Mapping[str, str]) -> list[Row]:
        """Return our first side beside each library, then our other sides beside the fastest of them."""
        ours = [name for name in self.sides if name.startswith(f"{contest}.ours.")]
        here = [f"{contest}.{key}" for key in known if f"{contest}.{key}" in self.sides]
        rows = [self._row(ours[0], name.partition(".")[2], name) for name in here]
        rows += [
            self._row(ours[0], key, None, f"{key}: {missing[f'{contest}.{key}']}")
            for key in known
            if f"{contest}.{key}" in missing
        ]
        fastest = min(here, key=lambda name: min(self.samples[name]["page"]), default=None)
        rows += [self._row(name, "", fastest) for name in (ours if not rows else ours[1:])]
        return rows

    def _row(self, ours: str, key: str, theirs: str | None, absence: str = "") -> Row:
        mine = self.samples[ours]
        name = self.sides[ours].name + (f".{key}" if key else "")
        extra = {"min_ms": min(mine["page"]), "cpu_ms": median(mine["page_cpu"])}
        if theirs is not None:
            extra["peer_min_ms"] = min(self.samples[theirs]["page"])
            extra |= cpu_figures(mine["page_cpu"], self.samples[theirs]["page_cpu"])
        return Row(
            case=f"{self.prefix}.{name}",
            backend=BACKEND,
            samples_ms=tuple(mine["page"]),
            bytes=self.sides[ours].mean_bytes,
            peer=self.sides[theirs].name if theirs else absence,
            peer_samples_ms=tuple(self.samples[theirs]["page"]) if theirs else (),
            peer_bytes=self.sides[theirs].mean_bytes if theirs else 0,
            extra=extra,
        )
