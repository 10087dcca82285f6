"""Outlines to 8-bit area coverage by FreeType's smooth rasteriser: glyphs, filled paths and strokes.

Glyphs are loaded in font units and scaled here, not by FreeType's size objects: some TrueType fonts ask for whole
pixel sizes, which would print the same text 1 % wider at one resolution than at another. No hinting, so a page looks
the same at every resolution but for its sharpness.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import freetype
import numpy as np
from freetype import raw
from freetype.ft_structs import FT_BBox, FT_Bitmap, FT_Matrix, FT_Outline, FT_Vector
from numpy.typing import NDArray

from render.display.list import Verb
from render.errors import ConfigError
from render.fonts.face import Face

PX = 64
"""FreeType counts in 1/64 of a pixel (26.6)."""

MAX_COVERAGE_PIXELS = 16_000_000
_MAX_POINTS = 32_767
_NO_SCALE, _NO_BITMAP = 1 << 0, 1 << 3
_GRAY = 2
_ON, _CUBIC = 1, 2
_BUTT_CAP, _MITER_JOIN, _MITER_LIMIT = 0, 3, 10 << 16
_UNIT = 1 << 16

# FreeType's library object, which all faces share, must not be used by two threads at once.
_FREETYPE = threading.RLock()


class BrokenOutline(ValueError):  # noqa: N818 names the fault as the rest of the project's errors do
    """FreeType refuses this outline, or it would cover an absurd area."""


@dataclass(frozen=True, eq=False, slots=True)
class Coverage:
    """How much of each pixel an outline covers.

    Attributes:
        alpha: uint8[height, width], 255 = all of the pixel.
        left, top: the first pixel's place from the outline's origin, in pixels, y down.
    """

    alpha: NDArray[np.uint8]
    left: int
    top: int


NOTHING = Coverage(np.zeros((0, 0), np.uint8), 0, 0)


class GlyphOutlines:
    """Glyph outlines of one face."""

    def __init__(self, face: Face) -> None:
        try:
            with _FREETYPE:
                self._face = freetype.Face(str(face.path), index=face.index)
        except freetype.FT_Exception as error:
            raise ConfigError(
                f"{face.path.name} cannot be drawn: {error}.", hint="Use another font file (KAIPIAO_FONT_*)."
            ) from error
        self._units_per_em = face.units_per_em

    def coverage(self, glyph: int, size: int, xscale: int, shift: int) -> Coverage:
        """Return a glyph's coverage around its origin on the baseline.

        Args:
            glyph: glyph id in the font file.
            size: em in 1/64 px.
            xscale: horizontal scale in per mille.
            shift: distance of the origin from the left edge of its pixel, in 1/64 px.

        Raises:
            BrokenOutline: the glyph does not exist or has no usable outline.
        """
        scale, upem = size * _UNIT, self._units_per_em
        scale_x = (2 * scale * xscale + 1000 * upem) // (2000 * upem)
        matrix = FT_Matrix(scale_x, 0, 0, (2 * scale + upem) // (2 * upem))
        face = self._face._FT_Face  # noqa: SLF001 the binding's objects offer no unscaled outlines
        with _FREETYPE:
            _require(raw.FT_Load_Glyph(face, glyph, _NO_SCALE | _NO_BITMAP))
            outline = face.contents.glyph.contents.outline
            if outline.n_points <= 0:
                return NOTHING
            raw.FT_Outline_Transform(ctypes.byref(outline), ctypes.byref(matrix))
            _translate(outline, shift, 0)
            return _render(outline)


def path_coverage(verbs: NDArray[np.uint8], points: NDArray[np.int64], stroke: int) -> Coverage:
    """Return the coverage of a path, filled by the non-zero rule or stroked with butt caps and mitred joins.

    Args:
        verbs: uint8[V] (:class:`Verb`).
        points: int64[W, 2] in 1/64 px, y down.
        stroke: width in 1/64 px, 0 = fill.

    Raises:
        BrokenOutline: verbs and points do not fit, or FreeType refuses the path.
    """
    contours = list(_split(verbs, points))
    if not contours:
        return NOTHING
    with _FREETYPE:
        return _stroke(contours, stroke) if stroke else _fill(contours)


@dataclass(frozen=True, slots=True)
class _Contour:
    """One subpath: its start, then (control, control, end) or (end,) in FreeType's y up."""

    start: tuple[int, int]
    segments: tuple[tuple[tuple[int, int], ...], ...]
    closed: bool


def _split(verbs: NDArray[np.uint8], points: NDArray[np.int64]) -> Iterator[_Contour]:
    """Yield the subpaths that draw something."""
    at = 0
    start: tuple[int, int] | None = None
    segments: list[tuple[tuple[int, int], ...]] = []
    flipped = [(int(x), -int(y)) for x, y in points]
    for verb in verbs.tolist():
        count = {Verb.MOVE: 1, Verb.LINE: 1, Verb.CUBIC: 3, Verb.CLOSE: 0}.get(verb, _MAX_POINTS)
        taken, at = tuple(flipped[at : at + count]), at + count
        if len(taken) != count or (start is None and verb != Verb.MOVE):
            raise BrokenOutline("a path's verbs and points do not fit together")
        if verb in (Verb.MOVE, Verb.CLOSE):
            if start is not None and segments:
                yield _Contour(start, tuple(segments), closed=verb == Verb.CLOSE)
            start, segments = (taken[0] if taken else start), []
        else:
            segments.append(taken)
    if start is not None and segments:
        yield _Contour(start, tuple(segments), closed=False)


def _fill(contours: list[_Contour]) -> Coverage:
    points, tags, ends = [], [], []
    for contour in contours:
        points.append(contour.start)
        tags.append(_ON)
        for segment in contour.segments:
            points.extend(segment)
            tags.extend([_CUBIC] * (len(segment) - 1) + [_ON])
        ends.append(len(points) - 1)
    with _room(len(points), len(ends)) as outline:
        ctypes.memmove(outline.points, (FT_Vector * len(points))(*points), ctypes.sizeof(FT_Vector) * len(points))
        ctypes.memmove(outline.tags, bytes(tags), len(tags))
        ctypes.memmove(outline.contours, np.array(ends, np.uint16).tobytes(), 2 * len(ends))
        outline.n_points, outline.n_contours = len(points), len(ends)
        return _render(outline)


def _stroke(contours: list[_Contour], width: int) -> Coverage:
    stroker = ctypes.c_void_p()
    _require(raw.FT_Stroker_New(freetype.get_handle(), ctypes.byref(stroker)))
    try:
        radius, limit = ctypes.c_long((width + 1) // 2), ctypes.c_long(_MITER_LIMIT)
        raw.FT_Stroker_Set(stroker, radius, _BUTT_CAP, _MITER_JOIN, limit)
        for contour in contours:
            _require(raw.FT_Stroker_BeginSubPath(stroker, _vector(contour.start), 0 if contour.closed else 1))
            for segment in contour.segments:
                add = raw.FT_Stroker_LineTo if len(segment) == 1 else raw.FT_Stroker_CubicTo
                _require(add(stroker, *map(_vector, segment)))
            if contour.closed and contour.segments[-1][-1] != contour.start:
                _require(raw.FT_Stroker_LineTo(stroker, _vector(contour.start)))
            _require(raw.FT_Stroker_EndSubPath(stroker))
        n_points, n_contours = ctypes.c_uint(), ctypes.c_uint()
        _require(raw.FT_Stroker_GetCounts(stroker, ctypes.byref(n_points), ctypes.byref(n_contours)))
        with _room(n_points.value, n_contours.value) as outline:
            # Export appends to what the outline says that it holds.
            outline.n_points = outline.n_contours = 0
            raw.FT_Stroker_Export(stroker, ctypes.byref(outline))
            return _render(outline)
    finally:
        raw.FT_Stroker_Done(stroker)


@contextmanager
def _room(n_points: int, n_contours: int) -> Iterator[Any]:
    """Lend an outline with room for this many points."""
    if not 0 < n_points <= _MAX_POINTS or n_contours > _MAX_POINTS:
        raise BrokenOutline(f"a path of {n_points} points; at most {_MAX_POINTS} can be drawn")
    library, outline = freetype.get_handle(), FT_Outline()
    _require(raw.FT_Outline_New(library, n_points, n_contours, ctypes.byref(outline)))
    try:
        yield outline
    finally:
        raw.FT_Outline_Done(library, ctypes.byref(outline))


def _vector(point: tuple[int, int]) -> object:
    return ctypes.byref(FT_Vector(*point))


def _render(outline: FT_Outline) -> Coverage:
    """Return the coverage of an outline in 1/64 px, y up; the outline is moved."""
    box = FT_BBox()
    _require(raw.FT_Outline_Check(ctypes.byref(outline)))
    raw.FT_Outline_Get_CBox(ctypes.byref(outline), ctypes.byref(box))
    left, bottom = box.xMin // PX, box.yMin // PX
    width, height = -(-box.xMax // PX) - left, -(-box.yMax // PX) - bottom
    if width <= 0 or height <= 0:
        return NOTHING
    if width * height > MAX_COVERAGE_PIXELS or max(width, height) > _MAX_POINTS:
        raise BrokenOutline(f"an outline of {width} × {height} pixels")
    _translate(outline, -left * PX, -bottom * PX)
    alpha = np.zeros((height, width), np.uint8)
    bitmap = FT_Bitmap()
    bitmap.rows, bitmap.width, bitmap.pitch = height, width, width
    bitmap.buffer = alpha.ctypes.data_as(type(bitmap.buffer))
    bitmap.num_grays, bitmap.pixel_mode = 256, _GRAY
    _require(raw.FT_Outline_Get_Bitmap(freetype.get_handle(), ctypes.byref(outline), ctypes.byref(bitmap)))
    return Coverage(alpha, left, -(bottom + height))


def _translate(outline: FT_Outline, x: int, y: int) -> None:
    # The binding declares no argument types, and a bare negative int would lose its upper half.
    raw.FT_Outline_Translate(ctypes.byref(outline), ctypes.c_long(x), ctypes.c_long(y))


def _require(code: int) -> None:
    if code:
        raise BrokenOutline(str(freetype.FT_Exception(code)))
