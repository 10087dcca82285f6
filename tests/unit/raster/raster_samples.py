"""A tiny font of plain shapes, and display lists drawn with it, so that pixels can be told beforehand."""

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen

from render.display.builder import DisplayListBuilder
from render.display.list import Blend, Verb
from render.display.resources import Picture, Resources
from render.fonts.book import FontBook
from render.fonts.face import Face

EM = 1000
PX_AT_254 = 100
"""At 254 dpi a pixel is exactly this many µm."""

POLYGONS = {
    "square": [[(0, 0), (0, 500), (500, 500), (500, 0)]],
    "triangle": [[(0, 0), (500, 1000), (1000, 0)]],
    "ring": [[(0, 0), (0, 900), (900, 900), (900, 0)], [(300, 300), (600, 300), (600, 600), (300, 600)]],
    "slash": [[(100, -200), (700, 800), (800, 800), (200, -200)]],
    "space": [],
}
CHARACTERS = {"s": "square", "t": "triangle", "o": "ring", "/": "slash", " ": "space"}


def draw(pen, contours):
    for contour in contours:
        pen.moveTo(contour[0])
        for point in contour[1:]:
            pen.lineTo(point)
        pen.closePath()


def build_font(path, *, cff=False):
    names = [".notdef", *POLYGONS]
    builder = FontBuilder(EM, isTTF=not cff)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(char): name for char, name in CHARACTERS.items()})
    shapes = {".notdef": [], **POLYGONS}
    if cff:
        strings = {}
        for name in names:
            pen = T2CharStringPen(EM, None)
            draw(pen, shapes[name])
            strings[name] = pen.getCharString()
        builder.setupCFF("Shapes", {}, strings, {})
    else:
        glyphs = {}
        for name in names:
            pen = TTGlyphPen(None)
            draw(pen, shapes[name])
            glyphs[name] = pen.glyph()
        builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (EM, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Shapes", "styleName": "Regular", "psName": "Shapes-Regular"})
    builder.setupOS2()
    builder.setupPost()
    # Fixed times: the same bytes, and so the same digest, on every run.
    builder.font["head"].created = builder.font["head"].modified = 0
    builder.font.recalcTimestamp = False
    builder.save(path)
    return Face.load(path)


def shapes_book(folder):
    return FontBook.from_roles({"shapes": [build_font(folder / "shapes.ttf")]})


def page(fonts, draw_items, *, base=None, width_um=6_400, height_um=3_200):
    """Return a list of one page; ``draw_items`` gets the builder."""
    builder = DisplayListBuilder(fonts)
    builder.page(width_um, height_um, base)
    draw_items(builder)
    return builder.freeze()


def form(builder):
    """Draw a small background: frame in brown, pale word, red multiplied seal over both."""
    brown, pale = builder.paint(128, 0, 0), builder.paint(230, 230, 230)
    red = builder.paint(230, 20, 30, 255, Blend.MULTIPLY)
    builder.text("shapes", 2_000, 3_600, 2_800, "o", paint=pale, tag="watermark")
    for y in (400, 2_900):
        builder.line(300, y, 6_100, y, 200, paint=brown, tag="rule")
    builder.line(300, 400, 300, 2_900, 200, paint=brown, tag="rule")
    builder.text("shapes", 700, 2_600, 900, "s/t", paint=brown, tag="caption.title")
    ring = [(2_200, 800), (2_200, 100), (4_200, 100), (4_200, 800), (4_200, 1_500), (2_200, 1_500), (2_200, 800)]
    builder.path([Verb.MOVE, Verb.CUBIC, Verb.CUBIC, Verb.CLOSE], ring, paint=red, tag="seal", stroke_um=300)


def values(builder, shift_um=0):
    """Draw variable content: glyphs at several phases, modules that share edges, a slanting line."""
    black = builder.paint(0, 0, 0)
    builder.text("shapes", 500, 700 + shift_um, 1_500, "sto/ st", paint=black, tag="number")
    builder.text("shapes", 613, 733 + shift_um, 2_333, "/o/os", paint=black, tag="name", xscale=890)
    edges = np.rint(np.linspace(4_700, 5_900, 8)).astype(int)
    rects = [
        (edges[i], edges[j], edges[i + 1], edges[j + 1]) for i in range(7) for j in range(7) if (i * j + i) % 3 != 1
    ]
    builder.rects(np.array(rects) - [0, 3_900, 0, 3_900], paint=black, tag="qr_text")
    builder.line(500, 2_500, 4_000, 2_700, 60, paint=black, tag="strike")


def resources(fonts, bases=(), pictures=()):
    return Resources(fonts, {base.digest: base for base in bases}, {picture.digest: picture for picture in pictures})


def disc():
    """Return a red disc with a soft edge as a picture."""
    y, x = np.mgrid[0:40, 0:60]
    distance = np.hypot((x - 29.5) / 30, (y - 19.5) / 20)
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[..., 0], rgba[..., 1] = 220, np.clip(x, 0, 255)
    rgba[..., 3] = np.clip((1 - distance) * 600, 0, 230)
    return Picture(rgba)
