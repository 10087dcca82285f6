"""A display list drawn by ReportLab: slow, plain, and with nothing in common with our writer but the list itself.

Glyphs are filled outlines that HarfBuzz reads from the whole font file, so a picture of this file shows what ours must
show, whatever we do to fonts, codes, widths, spacing and compression. It is for comparison; it has no text to extract.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import uharfbuzz as hb

from render.display.list import NO_BASE, Blend, DisplayList, Kind, Verb
from render.display.resources import Resources
from render.errors import OutputInvalid
from render.fonts.face import Face
from render.units import um_to_pt

_OPAQUE = 255
_PER_MILLE = 1000


def draw_reference(display: DisplayList, resources: Resources, doc: int = 0) -> bytes:
    """Return one document of a display list as a PDF by ReportLab.

    Args:
        display: one or more laid-out documents.
        resources: the fonts, backgrounds and pictures that it names.
        doc: which document.

    Raises:
        OutputInvalid: the list names a background or picture that is not there.
    """
    # ReportLab takes long to import, and no document needs it.
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas: Any = Canvas(target, invariant=1, pageCompression=1)
    outlines = _Outlines(resources.fonts.faces)
    for page in range(int(display.doc_page_off[doc]), int(display.doc_page_off[doc + 1])):
        width, height = display.page_size_um[page].tolist()
        canvas.setPageSize((um_to_pt(width), um_to_pt(height)))
        base = int(display.page_base[page])
        if base != NO_BASE:
            digest = display.bases[base]
            if digest not in resources.bases:
                raise OutputInvalid(f"no background {digest}.", hint="Please report this defect.")
            _Page(canvas, resources.bases[digest], resources, outlines).draw(0, height)
        _Page(canvas, display, resources, outlines).draw(page, height)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


class _Page:
    """Draws the items of one page, in points with y up."""

    def __init__(self, canvas: Any, display: DisplayList, resources: Resources, outlines: _Outlines) -> None:  # noqa: ANN401 ReportLab has no types
        self._canvas = canvas
        self._display = display
        self._resources = resources
        self._outlines = outlines

    def draw(self, page: int, height_um: int) -> None:
        display, canvas = self._display, self._canvas
        canvas.saveState()
        canvas.translate(0, um_to_pt(height_um))
        # From here on a unit is a micrometre and y points down, as in the display list.
        canvas.scale(um_to_pt(1), -um_to_pt(1))
        draw = {
            Kind.GLYPHS: self._glyphs,
            Kind.RECTS: self._rects,
            Kind.LINE: self._line,
            Kind.PATH: self._path,
            Kind.IMAGE: self._image,
        }
        for item in range(int(display.page_item_off[page]), int(display.page_item_off[page + 1])):
            paint = int(display.item_paint[item])
            red, green, blue, alpha = (channel / _OPAQUE for channel in display.paint_rgba[paint].tolist())
            canvas.saveState()
            canvas.setFillColorRGB(red, green, blue, alpha)
            canvas.setStrokeColorRGB(red, green, blue, alpha)
            if display.paint_blend[paint] == Blend.MULTIPLY:
                canvas.setBlendMode("Multiply")
            draw[Kind(int(display.item_kind[item]))](int(display.item_ref[item]))
            canvas.restoreState()
        canvas.restoreState()

    def _glyphs(self, run: int) -> None:
        display = self._display
        face, size = int(display.run_font[run]), int(display.run_size_um[run])
        per_unit = size / self._resources.fonts.faces[face].units_per_em
        stretch = per_unit * int(display.run_xscale[run]) / _PER_MILLE
        baseline = int(display.run_origin_um[run, 1])
        path = self._canvas.beginPath()
        for glyph in range(int(display.run_glyph_off[run]), int(display.run_glyph_off[run + 1])):
            left = int(display.glyph_x_um[glyph])
            for verb, points in self._outlines.of(face, int(display.glyph_id[glyph])):
                _step(path, verb, [(left + x * stretch, baseline - y * per_unit) for x, y in points])
        self._canvas.drawPath(path, stroke=0, fill=1, fillMode=1)

    def _rects(self, ref: int) -> None:
        offsets = self._display.rectset_off
        path = self._canvas.beginPath()
        for left, top, right, bottom in self._display.rect_um[offsets[ref] : offsets[ref + 1]].tolist():
            path.rect(left, top, right - left, bottom - top)
        self._canvas.drawPath(path, stroke=0, fill=1, fillMode=1)

    def _line(self, ref: int) -> None:
        self._canvas.setLineWidth(int(self._display.line_width_um[ref]))
        self._canvas.line(*self._display.line_um[ref].tolist())

    def _path(self, ref: int) -> None:
        display = self._display
        verbs = display.path_verb[display.path_verb_off[ref] : display.path_verb_off[ref + 1]].tolist()
        points = iter(display.path_point_um[display.path_point_off[ref] : display.path_point_off[ref + 1]].tolist())
        path = self._canvas.beginPath()
        for verb in verbs:
            count = 3 if verb == Verb.CUBIC else int(verb != Verb.CLOSE)
            _step(path, Verb(verb), [next(points) for _ in range(count)])
        stroke = int(display.path_stroke_um[ref])
        self._canvas.setLineWidth(stroke)
        self._canvas.drawPath(path, stroke=int(bool(stroke)), fill=int(not stroke), fillMode=1)

    def _image(self, ref: int) -> None:
        from PIL import Image
        from reportlab.lib.utils import ImageReader

        digest = self._display.images[int(self._display.image_ref[ref])]
        if digest not in self._resources.pictures:
            raise OutputInvalid(f"no picture {digest}.", hint="Please report this defect.")
        left, top, right, bottom = self._display.image_box_um[ref].tolist()
        pixels = np.ascontiguousarray(self._resources.pictures[digest].rgba)
        # Pictures are drawn upright in space with y up, so this one place turns it back.
        self._canvas.translate(left, bottom)
        self._canvas.scale(1, -1)
        reader = ImageReader(Image.fromarray(pixels, "RGBA"))
        self._canvas.drawImage(reader, 0, 0, right - left, bottom - top, mask="auto")


Step = tuple[Verb, Sequence[tuple[float, float]]]


class _Outlines:
    """Glyph outlines by face and glyph id, in design units with y up, every curve cubic."""

    def __init__(self, faces: Iterable[Face]) -> None:
        self._fonts = [hb.Font(hb.Face(hb.Blob.from_file_path(str(face.path)), face.index)) for face in faces]
        self._kept: dict[tuple[int, int], list[Step]] = {}

    def of(self, face: int, glyph: int) -> list[Step]:
        key = (face, glyph)
        if key not in self._kept:
            pen = _Pen()
            self._fonts[face].draw_glyph_with_pen(glyph, pen)
            self._kept[key] = pen.steps
        return self._kept[key]


class _Pen:
    """Receives HarfBuzz's drawing calls."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._at = (0.0, 0.0)

    def moveTo(self, to: tuple[float, float]) -> None:  # noqa: N802 the pen protocol's name
        self._add(Verb.MOVE, to)

    def lineTo(self, to: tuple[float, float]) -> None:  # noqa: N802
        self._add(Verb.LINE, to)

    def curveTo(self, *points: tuple[float, float]) -> None:  # noqa: N802
        self._add(Verb.CUBIC, *points)

    def qCurveTo(self, control: tuple[float, float], end: tuple[float, float]) -> None:  # noqa: N802
        """Raise a quadratic curve to a cubic one: its handles lie two thirds of the way to the control point."""
        first, last = ((x + 2 * (control[0]), y + 2 * control[1]) for x, y in (self._at, end))
        self._add(Verb.CUBIC, (first[0] / 3, first[1] / 3), (last[0] / 3, last[1] / 3), end)

    def closePath(self) -> None:  # noqa: N802
        self.steps.append((Verb.CLOSE, ()))

    def _add(self, verb: Verb, *points: tuple[float, float]) -> None:
        self.steps.append((verb, points))
        self._at = points[-1]


def _step(path: Any, verb: Verb, points: Sequence[Sequence[float]]) -> None:  # noqa: ANN401 ReportLab has no types
    if verb == Verb.MOVE:
        path.moveTo(*points[0])
    elif verb == Verb.LINE:
        path.lineTo(*points[0])
    elif verb == Verb.CUBIC:
        path.curveTo(*(number for point in points for number in point))
    else:
        path.close()
