"""A display list as text, one line an item, for goldens that a person can read and diff."""

from __future__ import annotations

from collections.abc import Iterator

from render.display.list import NO_BASE, DisplayList, Kind, Verb

_VERB_LETTER = {Verb.MOVE: "M", Verb.LINE: "L", Verb.CUBIC: "C", Verb.CLOSE: "Z"}


def to_text(display: DisplayList) -> str:
    """Return the list as lines of text; lengths in mm with three decimals."""
    return "\n".join(_lines(display)) + "\n"


def _lines(display: DisplayList) -> Iterator[str]:
    for doc in range(display.n_docs):
        yield f"document {doc}"
        for page in range(display.doc_page_off[doc], display.doc_page_off[doc + 1]):
            base = display.page_base[page]
            under = "" if base == NO_BASE else f" over {display.bases[base][:20]}"
            yield f" page {_mm(*display.page_size_um[page])}{under}"
            for item in range(display.page_item_off[page], display.page_item_off[page + 1]):
                yield "  " + _item(display, item)


def _item(display: DisplayList, item: int) -> str:
    kind, ref = Kind(display.item_kind[item]), int(display.item_ref[item])
    paint = display.item_paint[item]
    color = bytes(display.paint_rgba[paint]).hex() + ("*" if display.paint_blend[paint] else "")
    head = f"{kind.name.lower():6} {display.tag_of(item):24} #{color} "
    return head + _DETAIL[kind](display, ref)


def _glyphs(display: DisplayList, ref: int) -> str:
    scale = "" if display.run_xscale[ref] == 1000 else f" x{display.run_xscale[ref]}"
    glyphs = display.glyph_x_um[display.run_glyph_off[ref] : display.run_glyph_off[ref + 1]]
    return (
        f"{_mm(*display.run_origin_um[ref])} f{display.run_font[ref]} size {_mm(display.run_size_um[ref])}{scale} "
        f"{display.run_text(ref)!r} x {_mm(*glyphs)}"
    )


def _rects(display: DisplayList, ref: int) -> str:
    rects = display.rect_um[display.rectset_off[ref] : display.rectset_off[ref + 1]]
    return " ".join(f"[{_mm(*rect)}]" for rect in rects)


def _line(display: DisplayList, ref: int) -> str:
    return f"{_mm(*display.line_um[ref])} width {_mm(display.line_width_um[ref])}"


def _path(display: DisplayList, ref: int) -> str:
    verbs = display.path_verb[display.path_verb_off[ref] : display.path_verb_off[ref + 1]]
    points = display.path_point_um[display.path_point_off[ref] : display.path_point_off[ref + 1]]
    stroke = display.path_stroke_um[ref]
    style = f"stroke {_mm(stroke)}" if stroke else "fill"
    return f"{style} {''.join(_VERB_LETTER[Verb(v)] for v in verbs)} {' '.join(_mm(*p) for p in points)}"


def _image(display: DisplayList, ref: int) -> str:
    return f"{display.images[display.image_ref[ref]][:20]} [{_mm(*display.image_box_um[ref])}]"


_DETAIL = {Kind.GLYPHS: _glyphs, Kind.RECTS: _rects, Kind.LINE: _line, Kind.PATH: _path, Kind.IMAGE: _image}


def _mm(*lengths_um: int) -> str:
    return ",".join(f"{int(um) / 1000:.3f}" for um in lengths_um)
