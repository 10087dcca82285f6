"""Display lists to page pixels at one resolution."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.display.list import NO_BASE, Blend, DisplayList, Kind
from render.display.resources import Resources
from render.errors import Fault, GlyphMissing, InputError, OutputInvalid
from render.pixels import OnGround, PagePixels
from render.raster.atlas import Atlas, BrokenGlyph, Found
from render.raster.background import Ground, Layer, compile_ground
from render.raster.buffers import PageBuffers
from render.raster.cpu import load_compositor
from render.raster.outline import BrokenOutline
from render.raster.palette import BLACK, Ink, lightness, pack
from render.raster.placement import Placement, place
from render.raster.stamps import Stamps, Tones
from render.units import um_to_px

MIN_DPI, MAX_DPI = 72, 600
MAX_PAGE_PIXELS = 40_000_000
"""A4 at 600 dpi has 35 million."""

MAX_GROUND_BYTES = 192 << 20

# Ink lighter than this could only be meant to show on something darker, where "darker wins" would hide it.
_LIGHT = 192_000
_OPAQUE = 255


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
        self._atlas = Atlas(resources)
        self._buffers = PageBuffers()
        self._lock = threading.Lock()
        self._grounds: OrderedDict[_GroundKey, Ground] = OrderedDict()
        self._base_inks: dict[str | None, frozenset[Ink]] = {}

    def rasterize(self, display: DisplayList) -> Iterator[PagePixels]:
        """Return the pages of a batch in order, each drawn when it is asked for.

        Raises:
            InputError: a page has more pixels than MAX_PAGE_PIXELS; nothing has been drawn then.
            GlyphMissing: a font's outline of a character is damaged; ``path`` is the tag.
            OutputInvalid: the list names what the resources do not have, or a path or the inks cannot be drawn.
        """
        sizes = self._page_sizes(display)
        placement = place(display, self.dpi)
        inks, is_whole = _inks_of_pages(display, placement)
        grounds: list[Ground | None] = []
        for page, size in enumerate(sizes):
            grounds.append(None if is_whole[page] else self._ground(_base_of(display, page), size, inks[page]))
        tones = Tones.of(display, grounds)
        found = self._find(display, placement, tones.tables)
        stamps = Stamps.of(display, placement, found, tones)
        return self._pages(display, placement, found, stamps, grounds, sizes)

    def _pages(
        self,
        display: DisplayList,
        placement: Placement,
        found: Found,
        stamps: Stamps,
        grounds: Sequence[Ground | None],
        sizes: Sequence[tuple[int, int]],
    ) -> Iterator[PagePixels]:
        for page, ground in enumerate(grounds):
            if ground is None:
                layers = [*self._base_layer(_base_of(display, page)), Layer(display, placement, found, page)]
                whole = self._compile(layers, sizes[page], (BLACK,))
                yield PagePixels(whole.index, whole.palette.rgb, self.dpi, is_checked=True)
                continue
            yield self._compose_page(ground, stamps, page)

    def _compose_page(self, ground: Ground, stamps: Stamps, page: int) -> PagePixels:
        pixels, stale = self._buffers.take_on(ground.index)
        self._compose(pixels, ground.index, *stamps.on_page(page), stale=stale)
        shown = pixels.view()
        # Whoever wrote here would write into later pages.
        shown.flags.writeable = False
        on_ground = OnGround(shown, ground.page, stale.copy())
        return PagePixels(shown, ground.palette.rgb, self.dpi, is_checked=True, on_ground=on_ground)

    def _page_sizes(self, display: DisplayList) -> list[tuple[int, int]]:
        sizes = [
            (max(1, um_to_px(width, self.dpi)), max(1, um_to_px(height, self.dpi)))
            for width, height in display.page_size_um.tolist()
        ]
        for width, height in sizes:
            if width * height > MAX_PAGE_PIXELS:
                message = f"a page of {width} × {height} pixels exceeds the budget of {MAX_PAGE_PIXELS:,}."
                fault = Fault("dpi", "raster.page_pixels", message, "Choose a lower resolution.")
                raise InputError("the page is too large to draw.", faults=(fault,))
        return sizes

    def _find(self, display: DisplayList, placement: Placement, tones: Sequence[NDArray[np.uint8]] = ()) -> Found:
        unknown = set(display.fonts) - set(self._resources.fonts.digests)
        unknown |= set(display.images) - set(self._resources.pictures)
        if unknown:
            raise OutputInvalid(f"a display list names unknown resources: {sorted(unknown)}.")
        try:
            return self._atlas.find(placement.glyphs, placement.shapes, tones)
        except BrokenGlyph as error:
            raise GlyphMissing(
                "a font's outline of a character is damaged.", faults=_name_glyph(display, placement, error)
            ) from error
        except BrokenOutline as error:
            raise OutputInvalid(f"a path cannot be drawn: {error}.", hint="Please report this defect.") from error

    def _ground(self, base: str | None, size: tuple[int, int], page_inks: frozenset[Ink]) -> Ground:
        """Return the compiled background for pages of these inks, from the cache if it is there."""
        with self._lock:
            key = _GroundKey(base, size, tuple(sorted(page_inks | self._inks_of_base(base) | {BLACK})))
            if key not in self._grounds:
                self._grounds[key] = self._compile(self._base_layer(base), size, key.inks)
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


def _plain_paints(display: DisplayList) -> NDArray[np.bool_]:
    """Tell of each paint whether "darker wins" expresses it: opaque, not multiplied, and not light."""
    is_opaque = (display.paint_rgba[:, 3] == _OPAQUE) & (display.paint_blend == Blend.NORMAL)
    return np.asarray(is_opaque & (lightness(display.paint_rgba[:, :3]) < _LIGHT))


def _text_inks(display: DisplayList) -> frozenset[Ink]:
    paints = np.unique(display.item_paint[display.item_kind == Kind.GLYPHS])
    return frozenset(pack(display.paint_rgba[paints[_plain_paints(display)[paints]], :3]).tolist())


def _inks_of_pages(display: DisplayList, placement: Placement) -> tuple[list[frozenset[Ink]], list[bool]]:
    """Return the inks of each page, and whether it has content that must be compiled whole."""
    inks: list[set[Ink]] = [set() for _ in range(display.n_pages)]
    is_whole = [False] * display.n_pages
    colours, is_plain = pack(display.paint_rgba[:, :3]).tolist(), _plain_paints(display).tolist()
    for page, paint in set(zip(placement.item_page.tolist(), display.item_paint.tolist(), strict=True)):
        inks[page].add(colours[paint])
        is_whole[page] = is_whole[page] or not is_plain[paint]
    for page in placement.item_page[placement.image_item].tolist():
        is_whole[page] = True
    return [frozenset(page) for page in inks], is_whole


def _name_glyph(display: DisplayList, placement: Placement, error: BrokenGlyph) -> tuple[Fault, ...]:
    """Name every place where a damaged glyph would print."""
    glyphs = placement.glyphs
    is_it = (glyphs.glyph_id == error.glyph) & (glyphs.run_font[glyphs.run_of] == display.fonts.index(error.font))
    tags = dict.fromkeys(display.tag_of(int(item)) for item in placement.glyph_item[is_it])
    message = f"the font's glyph {error.glyph} is damaged: {error}."
    hint = "Use another font file (KAIPIAO_FONT_*)."
    return tuple(Fault(tag, "raster.glyph_damaged", message, hint) for tag in tags)
