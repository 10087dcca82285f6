"""Display lists to page pixels at one resolution."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import NO_BASE, Blend, DisplayList, Kind
from render.display.resources import Resources
from render.errors import Fault, GlyphMissing, InputError, OutputInvalid
from render.pixels import OnGround, PagePixels
from render.raster.atlas import Atlas, BrokenGlyph, Cells, Found
from render.raster.background import Ground, Layer, compile_ground
from render.raster.buffers import PageBuffers
from render.raster.cpu import load_compositor
from render.raster.outline import BrokenOutline
from render.raster.palette import BLACK, Ink, lightness, pack
from render.raster.placement import Placement, place
from render.raster.plain_batch import InksOfPages, KindInks, PlainBatch
from render.raster.stamps import Stamps, Tones
from render.units import um_to_px

MIN_DPI, MAX_DPI = 72, 600
MAX_PAGE_PIXELS = 40_000_000
"""A4 at 600 dpi has 35 million."""

MAX_GROUND_BYTES = 192 << 20

# Ink lighter than this could only be meant to show on something darker, where "darker wins" would hide it.
_LIGHT = 192_000
_OPAQUE = 255
_COMPILED = "numba"
_MOST_KINDS = 64


class Rasterizer:
    """Draws pages on the CPU. Build it once for a template and resolution: backgrounds and glyphs are kept.

    Several threads may use one rasteriser; composing a page releases the interpreter lock.

    Args:
        resources: faces, backgrounds and pictures that display lists name.
        dpi: dots per inch, MIN_DPI to MAX_DPI.
        backend: see :func:`render.raster.cpu.load_compositor`.

    Raises:
        InputError: the resolution is out of range.
        BackendUnavailable: the backend cannot be used here.
    """

    def __init__(self, resources: Resources, dpi: int, *, backend: str = "auto") -> None:
        if not MIN_DPI <= dpi <= MAX_DPI:
            hint = f"Choose {MIN_DPI} to {MAX_DPI}."
            fault = Fault("dpi", "raster.dpi_range", f"{dpi} dpi is out of range.", hint)
            raise InputError("the resolution cannot be drawn.", faults=(fault,))
        self.dpi = dpi
        self._resources = resources
        self._compose, self.backend = load_compositor(backend)
        self._is_compiled = self.backend == _COMPILED
        self._atlas = Atlas(resources)
        self._buffers = PageBuffers()
        self._lock = threading.Lock()
        self._grounds: OrderedDict[_GroundKey, Ground] = OrderedDict()
        self._kinds: dict[_PageKind, tuple[_GroundKey, KindInks]] = {}
        self._base_inks: dict[str | None, frozenset[Ink]] = {}

    def rasterize(self, display: DisplayList) -> Iterator[PagePixels]:
        """Return the pages of a batch in order, each drawn when it is asked for.

        Raises:
            InputError: a page has more pixels than MAX_PAGE_PIXELS; nothing has been drawn then.
            GlyphMissing: a font's outline of a character is damaged; ``path`` is the tag.
            OutputInvalid: the list names what the resources do not have, or a path or the inks cannot be drawn.
        """
        return self._pages(self._prepare(display))

    def _pages(self, batch: PreparedBatch) -> Iterator[PagePixels]:
        return (self._draw(batch, page) for page in range(len(batch.grounds)))

    def _prepare(self, display: DisplayList) -> PreparedBatch:
        """Place and look up all that a batch holds, in one pass where that is possible, and its grounds."""
        sizes = _page_sizes(display.page_size_um.tobytes(), self.dpi)
        paints = _paints(display.paint_rgba.tobytes(), display.paint_blend.tobytes())
        known = self._resources.fonts.digests
        if self._is_compiled and display.fonts == known and not display.images:
            plain = PlainBatch.of(display, paints.is_plain, len(known))
            if plain is not None:
                return self._prepare_plain(display, plain, paints, sizes)
        placement = place(display, self.dpi)
        inks, is_whole = _inks_of_pages(display, placement, paints)
        grounds: list[Ground | None] = []
        for page, size in enumerate(sizes):
            base = _base_of(display, page)
            grounds.append(None if is_whole[page] else self._ground_of(self._ground_key(base, size, inks[page])))
        tones = Tones.of(paints.inks, grounds)
        found = self._find(display, placement, tones.tables)
        stamps = Stamps.of(display, placement, found, tones)
        whole = {}
        for page, ground in enumerate(grounds):
            if ground is None:
                layers = (*self._base_layer(_base_of(display, page)), Layer(display, placement, found, page))
                whole[page] = layers, sizes[page]
        return PreparedBatch(stamps, found.cells, grounds, whole)

    def _prepare_plain(
        self, display: DisplayList, plain: PlainBatch, paints: Paints, sizes: Sequence[tuple[int, int]]
    ) -> PreparedBatch:
        known = dict[_PageKind, int]()
        kinds = []
        for page, size in enumerate(sizes):
            base = int(display.page_base[page])
            kind = None if base == NO_BASE else display.bases[base], size, plain.used[page].tobytes(), paints
            kinds.append(known.setdefault(kind, len(known)))
        of_kind = [self._ground_and_inks(kind) for kind in known]
        inks = InksOfPages.of([inks for _, inks in of_kind], kinds)
        try:
            cells, stamps = self._atlas.stamp(plain, self.dpi, inks)
        except BrokenGlyph as error:
            raise _glyph_missing(display, place(display, self.dpi), error) from error
        return PreparedBatch(stamps, cells, [of_kind[kind][0] for kind in kinds], {})

    def _ground_and_inks(self, kind: _PageKind) -> tuple[Ground, KindInks]:
        """Return the ground of pages that use some paints of a table, and what the paints come to there."""
        base, size, used, paints = kind
        with self._lock:
            known = self._kinds.get(kind)
        if known is not None:
            return self._ground_of(known[0]), known[1]
        page_inks = frozenset(ink for ink, is_used in zip(paints.inks, used, strict=True) if is_used)
        key = self._ground_key(base, size, page_inks)
        ground = self._ground_of(key)
        inks = KindInks.of(paints.inks, ground.palette.tones)
        with self._lock:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._kinds[kind] = key, inks
        return ground, inks

    def _draw(self, batch: PreparedBatch, page: int) -> PagePixels:
        ground = batch.grounds[page]
        if ground is None:
            whole = self._compile(*batch.whole[page], (BLACK,))
            return PagePixels(whole.index, whole.palette.rgb, self.dpi, is_checked=True)
        return self._compose_page(ground, batch.stamps, page)

    def _compose_page(self, ground: Ground, stamps: Stamps, page: int) -> PagePixels:
        pixels, stale = self._buffers.take_on(ground.index)
        self._compose(pixels, ground.index, *stamps.on_page(page), stale=stale)
        shown = pixels.view()
        # Whoever wrote here would write into later pages.
        shown.flags.writeable = False
        on_ground = OnGround(shown, ground.page, stale.copy())
        return PagePixels(shown, ground.palette.rgb, self.dpi, is_checked=True, on_ground=on_ground)

    def _find(self, display: DisplayList, placement: Placement, tones: Sequence[NDArray[np.uint8]] = ()) -> Found:
        unknown = set(display.fonts) - set(self._resources.fonts.digests)
        unknown |= set(display.images) - set(self._resources.pictures)
        if unknown:
            raise OutputInvalid(f"a display list names unknown resources: {sorted(unknown)}.")
        try:
            return self._atlas.find(placement.glyphs, placement.shapes, tones)
        except BrokenGlyph as error:
            raise _glyph_missing(display, placement, error) from error
        except BrokenOutline as error:
            raise OutputInvalid(f"a path cannot be drawn: {error}.", hint="Please report this defect.") from error

    def _ground_key(self, base: str | None, size: tuple[int, int], page_inks: frozenset[Ink]) -> _GroundKey:
        with self._lock:
            return _GroundKey(base, size, tuple(sorted(page_inks | self._inks_of_base(base) | {BLACK})))

    def _ground_of(self, key: _GroundKey) -> Ground:
        """Return the compiled background for pages of these inks, from the cache if it is there."""
        with self._lock:
            if key not in self._grounds:
                self._grounds[key] = self._compile(self._base_layer(key.base), key.size_px, key.inks)
                while len(self._grounds) > 1 and sum(g.nbytes for g in self._grounds.values()) > MAX_GROUND_BYTES:
                    self._grounds.popitem(last=False)
            self._grounds.move_to_end(key)
            return self._grounds[key]

    def _inks_of_base(self, base: str | None) -> frozenset[Ink]:
        if base not in self._base_inks:
            self._base_inks[base] = frozenset() if base is None else _text_inks(self._base(base))
        return self._base_inks[base]

    def _base_layer(self, base: str | None) -> list[Layer]:
        """Return a background as layers, none or one."""
        if base is None:
            return []
        display = self._base(base)
        placement = place(display, self.dpi)
        return [Layer(display, placement, self._find(display, placement), 0)]

    def _base(self, base: str) -> DisplayList:
        if base not in self._resources.bases:
            raise OutputInvalid(f"a display list names an unknown background: {base}.")
        return self._resources.bases[base]

    def _compile(self, layers: Sequence[Layer], size: tuple[int, int], inks: Sequence[Ink]) -> Ground:
        try:
            return compile_ground(layers, size, inks, self._resources.pictures)
        except ValueError as error:
            raise OutputInvalid(f"a page cannot be drawn: {error}.", hint="Use fewer colours.") from error


@dataclass(frozen=True, slots=True)
class _GroundKey:
    base: str | None
    size_px: tuple[int, int]
    inks: tuple[Ink, ...]


def _base_of(display: DisplayList, page: int) -> str | None:
    base = int(display.page_base[page])
    return None if base == NO_BASE else display.bases[base]


@dataclass(frozen=True, eq=False, slots=True)
class PreparedBatch:
    """A batch of which nothing is left to do but to draw its pages.

    Attributes:
        stamps: of all pages.
        cells: which the stamps are of.
        grounds: by page; None for a page that has content of which the whole must be compiled.
        whole: layers and size in pixels of each such page.
    """

    stamps: Stamps
    cells: Cells
    grounds: Sequence[Ground | None]
    whole: Mapping[int, tuple[Sequence[Layer], tuple[int, int]]]


@dataclass(frozen=True, eq=False, slots=True)
class Paints:
    """Of each paint its colour, and in uint8[C] 1 if "darker wins" expresses it."""

    inks: list[Ink]
    is_plain: NDArray[np.uint8]


_PageKind = tuple[str | None, tuple[int, int], bytes, Paints]
"""What pages of one ground and palette have in common: base, size in pixels, which paints are used, and these."""


# Lists of one template share their paints, and most their page sizes.
@functools.lru_cache(maxsize=64)
def _paints(rgba: bytes, blend: bytes) -> Paints:
    """Return what follows from the paints of a list: an expressible one is opaque, not multiplied, and not light."""
    colours = np.frombuffer(rgba, np.uint8).reshape(-1, 4)
    is_opaque = (colours[:, 3] == _OPAQUE) & (np.frombuffer(blend, np.uint8) == Blend.NORMAL)
    is_plain = is_opaque & (lightness(colours[:, :3]) < _LIGHT)
    return Paints(pack(colours[:, :3]).tolist(), is_plain.astype(np.uint8))


@functools.lru_cache(maxsize=64)
def _page_sizes(size_um: bytes, dpi: int) -> tuple[tuple[int, int], ...]:
    """Return width and height in pixels of each page."""
    sizes_um = np.frombuffer(size_um, np.int32).reshape(-1, 2).tolist()
    sizes = [(max(1, um_to_px(width, dpi)), max(1, um_to_px(height, dpi))) for width, height in sizes_um]
    for width, height in sizes:
        if width * height > MAX_PAGE_PIXELS:
            message = f"a page of {width} × {height} pixels exceeds the budget of {MAX_PAGE_PIXELS:,}."
            fault = Fault("dpi", "raster.page_pixels", message, "Choose a lower resolution.")
            raise InputError("the page is too large to draw.", faults=(fault,))
    return tuple(sizes)


def _text_inks(display: DisplayList) -> frozenset[Ink]:
    paints = _paints(display.paint_rgba.tobytes(), display.paint_blend.tobytes())
    used = np.unique(display.item_paint[display.item_kind == Kind.GLYPHS]).tolist()
    return frozenset(paints.inks[paint] for paint in used if paints.is_plain[paint])


def _inks_of_pages(
    display: DisplayList, placement: Placement, paints: Paints
) -> tuple[list[frozenset[Ink]], list[bool]]:
    """Return the inks of each page, and whether it has content that must be compiled whole."""
    inks: list[set[Ink]] = [set() for _ in range(display.n_pages)]
    is_whole = [False] * display.n_pages
    colours, is_plain = paints.inks, paints.is_plain.tolist()
    for page, paint in set(zip(placement.item_page.tolist(), display.item_paint.tolist(), strict=True)):
        inks[page].add(colours[paint])
        is_whole[page] = is_whole[page] or not is_plain[paint]
    for page in placement.item_page[placement.image_item].tolist():
        is_whole[page] = True
    return [frozenset(page) for page in inks], is_whole


def _glyph_missing(display: DisplayList, placement: Placement, error: BrokenGlyph) -> GlyphMissing:
    """Return the error that names every place where a damaged glyph would print."""
    glyphs = placement.glyphs
    is_it = (glyphs.glyph_id == error.glyph) & (glyphs.run_font[glyphs.run_of] == display.fonts.index(error.font))
    tags = dict.fromkeys(display.tag_of(int(item)) for item in placement.glyph_item[is_it])
    message = f"the font's glyph {error.glyph} is damaged: {error}."
    hint = "Use another font file (KAIPIAO_FONT_*)."
    faults = tuple(Fault(tag, "raster.glyph_damaged", message, hint) for tag in tags)
    return GlyphMissing("a font's outline of a character is damaged.", faults=faults)
