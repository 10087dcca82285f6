"""Collects drawing verbs and freezes them into a :class:`DisplayList`.

Text is kept as strings until :meth:`DisplayListBuilder.freeze`, which resolves the characters of all documents to
glyphs and positions in one pass: no Python object per glyph.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike, NDArray

from render.display.kernels.resolve import NO_SCALE
from render.display.list import NO_BASE, Blend, DisplayList, Kind, Verb
from render.display.resolve import Align, Runs, TextStyle, TextTable, resolve_runs, text_style
from render.errors import Fault, GlyphMissing
from render.fonts.book import FontBook

_GLYPHS = int(Kind.GLYPHS)
_NUMBERS_PER_SHAPE = 5
_PAINT, _TAG = 7, 8


class DisplayListBuilder:
    """Append-only recorder of one document or, with :meth:`document` before each, of several.

    Every verb takes a paint (from :meth:`paint`) and a tag. Nothing is measured or checked before :meth:`freeze`.
    """

    def __init__(self, fonts: FontBook) -> None:
        self._fonts = fonts
        self._pages: list[tuple[int, int, int, int]] = []
        self._documents: list[int] = []
        # Kind, reference, paint, tag and how many texts precede it, of one item that is no text after another.
        self._shapes = array("q")
        self._shape_boxes: list[tuple[int, int, int, int]] = []
        self._texts = TextTable()
        self._rect_sets: list[NDArray[np.int32]] = []
        self._lines: list[tuple[int, int, int, int, int]] = []
        self._paths: list[tuple[NDArray[np.uint8], NDArray[np.int32], int]] = []
        self._images: list[tuple[int, tuple[int, int, int, int]]] = []
        self._paints: dict[tuple[int, int, int, int, int], int] = {}
        self._tags: dict[str, int] = {}
        self._bases: dict[str, int] = {}
        self._pictures: dict[str, int] = {}

    def page(self, width_um: int, height_um: int, base: str | None = None) -> None:
        """Start a page of this size, over the background with the digest ``base``."""
        base_index = NO_BASE if base is None else self._bases.setdefault(base, len(self._bases))
        n_items = len(self._texts) + len(self._shape_boxes)
        self._pages.append((width_um, height_um, base_index, n_items))

    def document(self) -> None:
        """Start a document: the pages that follow belong to it."""
        self._documents.append(len(self._pages))

    def paint(self, red: int, green: int, blue: int, alpha: int = 255, blend: Blend = Blend.NORMAL) -> int:
        """Return the index of a paint, the same one for the same colour."""
        return self._paints.setdefault((red, green, blue, alpha, int(blend)), len(self._paints))

    def tag(self, name: str) -> int:
        """Return the number of a tag, the same one for the same name; numbers follow in order of first use."""
        return self._tags.setdefault(name, len(self._tags))

    def text(
        self,
        role: str,
        size_um: int,
        x_um: int,
        baseline_um: int,
        text: str,
        *,
        paint: int,
        tag: str,
        align: Align = Align.LEFT,
        xscale: int = NO_SCALE,
        steps_um: Sequence[int] | None = None,
    ) -> None:
        """Place one line of text with its anchor at ``x_um``.

        Args:
            role: font role, looked up in the font book's chains character by character.
            size_um: em size.
            x_um: the anchor.
            baseline_um: distance of the baseline from the top of the page.
            text: what it says; nothing is drawn for an empty one.
            paint: index from :meth:`paint`.
            tag: meaning, the path of the field.
            align: which point of the line the anchor is.
            xscale: horizontal scale in per mille.
            steps_um: advance from each character to the next, in µm before ``xscale``, instead of the font's own;
                as many as characters, or one fewer.
        """
        if steps_um is not None and text:
            self._texts.steps[len(self._texts)] = tuple(steps_um)[: len(text)]
        self.place(text_style(self._fonts, role, size_um, align, xscale), x_um, baseline_um, text, paint, tag)

    def place(self, style: TextStyle, x_um: int, baseline_um: int, text: str, paint: int, tag: str) -> None:
        """Place one line of text in a style that was made once, by :func:`render.display.resolve.text_style`.

        Args:
            style: size, scale, alignment and font role; of the same font book.
            x_um: the anchor.
            baseline_um: distance of the baseline from the top of the page.
            text: what it says; nothing is drawn for an empty one.
            paint: index from :meth:`paint`.
            tag: meaning, the path of the field.
        """
        if not text:
            return
        tags, texts = self._tags, self._texts
        texts.numbers.extend((x_um, baseline_um, len(text), *style, paint, tags.setdefault(tag, len(tags))))
        texts.strings.append(text)

    def place_all(self, rows: NDArray[np.int64], text: str) -> None:
        """Place lines of text, none of them empty.

        Args:
            rows: int64[n, 9], for each its anchor, baseline, length, em size, scale, alignment, place of its font role
                among those of the font book, paint and number of its tag, from :meth:`tag`.
            text: their characters, one line behind the other.
        """
        self._texts.numbers.frombytes(rows.tobytes())
        self._texts.strings.append(text)

    def rects(
        self, rects_um: ArrayLike, *, paint: int, tag: str, box_um: tuple[int, int, int, int] | None = None
    ) -> None:
        """Fill rectangles, int[n,4] left, top, right, bottom, as one item.

        Args:
            rects_um: the rectangles.
            paint: index from :meth:`paint`.
            tag: meaning.
            box_um: the smallest box about all of them, where the caller knows it.
        """
        rects = np.asarray(rects_um, np.int32).reshape(-1, 4)
        if not len(rects):
            return
        self._item(Kind.RECTS, len(self._rect_sets), paint, tag)
        self._rect_sets.append(rects)
        if box_um is None:
            low, high = rects.min(axis=0), rects.max(axis=0)
            box_um = (int(low[0]), int(low[1]), int(high[2]), int(high[3]))
        self._shape_boxes.append(box_um)

    def line(self, x0_um: int, y0_um: int, x1_um: int, y1_um: int, width_um: int, *, paint: int, tag: str) -> None:
        """Stroke a straight line with butt ends."""
        self._item(Kind.LINE, len(self._lines), paint, tag)
        self._lines.append((x0_um, y0_um, x1_um, y1_um, width_um))
        half = (width_um + 1) // 2
        pad_x, pad_y = (0, half) if y0_um == y1_um else (half, 0) if x0_um == x1_um else (half, half)
        left, right = min(x0_um, x1_um) - pad_x, max(x0_um, x1_um) + pad_x
        self._shape_boxes.append((left, min(y0_um, y1_um) - pad_y, right, max(y0_um, y1_um) + pad_y))

    def path(
        self, verbs: Sequence[Verb | int], points_um: ArrayLike, *, paint: int, tag: str, stroke_um: int = 0
    ) -> None:
        """Fill a path (non-zero rule), or stroke it where ``stroke_um`` is not 0."""
        points = np.asarray(points_um, np.int32).reshape(-1, 2)
        self._item(Kind.PATH, len(self._paths), paint, tag)
        self._paths.append((np.asarray(verbs, np.uint8), points, stroke_um))
        half = (stroke_um + 1) // 2
        low, high = points.min(axis=0) - half, points.max(axis=0) + half
        self._shape_boxes.append((int(low[0]), int(low[1]), int(high[0]), int(high[1])))

    def image(self, digest: str, box_um: tuple[int, int, int, int], *, paint: int, tag: str) -> None:
        """Draw a picture into a box; of the paint only the blend mode counts."""
        self._item(Kind.IMAGE, len(self._images), paint, tag)
        self._images.append((self._pictures.setdefault(digest, len(self._pictures)), box_um))
        self._shape_boxes.append(box_um)

    def freeze(self) -> DisplayList:
        """Resolve all text and return the finished list.

        Raises:
            GlyphMissing: one fault for each character that no face in its role's chain can print; ``path`` is the tag.
        """
        runs, missing = resolve_runs(self._texts, self._fonts)
        if missing:
            raise GlyphMissing("the text has characters that no font can print.", faults=self._name_missing(missing))
        items, boxes, page_starts = self._arrange(runs)
        kinds, refs, paints, tags = items
        path_verbs = [verbs for verbs, _, _ in self._paths]
        path_points = [points for _, points, _ in self._paths]
        lines = _rows(self._lines, 5)
        paint_table = np.array(list(self._paints), np.uint8).reshape(-1, 5)
        return DisplayList(
            doc_page_off=np.array([*(self._documents or [0]), len(self._pages)], np.uint32),
            page_size_um=np.array([page[:2] for page in self._pages], np.int32).reshape(-1, 2),
            page_item_off=page_starts,
            page_base=np.array([page[2] for page in self._pages], np.int32),
            item_kind=kinds.astype(np.uint8),
            item_paint=paints.astype(np.uint16),
            item_ref=refs.astype(np.uint32),
            item_tag=tags.astype(np.uint32),
            item_bbox_um=boxes,
            run_font=runs.font,
            run_size_um=runs.size_um,
            run_xscale=runs.xscale,
            run_origin_um=runs.origin_um,
            run_glyph_off=runs.glyph_off,
            glyph_id=runs.glyph_id,
            glyph_x_um=runs.glyph_x_um,
            glyph_char=runs.glyph_char,
            rectset_off=_offsets(self._rect_sets),
            rect_um=_stack(self._rect_sets, (0, 4)),
            line_um=np.ascontiguousarray(lines[:, :4]),
            line_width_um=np.ascontiguousarray(lines[:, 4]),
            path_verb_off=_offsets(path_verbs),
            path_point_off=_offsets(path_points),
            path_verb=np.concatenate(path_verbs) if path_verbs else np.zeros(0, np.uint8),
            path_point_um=_stack(path_points, (0, 2)),
            path_stroke_um=np.array([stroke for _, _, stroke in self._paths], np.int32),
            image_ref=np.array([ref for ref, _ in self._images], np.uint16),
            image_box_um=_rows([box for _, box in self._images], 4),
            paint_rgba=np.ascontiguousarray(paint_table[:, :4]),
            paint_blend=np.ascontiguousarray(paint_table[:, 4]),
            tags=tuple(self._tags),
            bases=tuple(self._bases),
            fonts=self._fonts.digests,
            images=tuple(self._pictures),
        )

    def _arrange(self, runs: Runs) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint32]]:
        """Return the items as int64[4, n], their boxes, and where pages begin among them.

        A text whose characters come from several faces became several runs, each an item of its own.
        """
        texts, shapes = self._texts.rows(), np.frombuffer(self._shapes, np.int64).reshape(-1, _NUMBERS_PER_SHAPE)
        n_items = len(texts) + len(shapes)
        places = shapes[:, 4] + np.arange(len(shapes))
        is_text = np.ones(n_items, np.bool_)
        is_text[places] = False
        items = np.empty((4, n_items), np.int64)
        items[:, places] = shapes[:, :4].T
        items[0, is_text] = _GLYPHS
        items[1, is_text] = np.arange(len(texts))
        items[2:, is_text] = texts[:, _PAINT:].T
        starts = np.array([*(first for *_, first in self._pages), n_items], np.int64)
        if runs.per_text is not None:
            copies = np.ones(n_items, np.int64)
            copies[is_text] = runs.per_text
            items = items.repeat(copies, axis=1)
            is_text = is_text.repeat(copies)
            items[1, is_text] = np.arange(len(runs.font))
            starts = np.concatenate(([0], copies.cumsum()))[starts]
        boxes = np.empty((len(is_text), 4), np.int32)
        boxes[is_text] = runs.bbox_um
        if self._shape_boxes:
            boxes[~is_text] = self._shape_boxes
        return items, boxes, starts.astype(np.uint32)

    def _item(self, kind: Kind, ref: int, paint: int, tag: str) -> None:
        tag_index = self._tags.setdefault(tag, len(self._tags))
        self._shapes.extend((int(kind), ref, paint, tag_index, len(self._texts)))

    def _name_missing(self, missing: Sequence[tuple[int, str]]) -> tuple[Fault, ...]:
        """Name each unprintable character once for each tag."""
        tag_names, text_tags = list(self._tags), self._texts.rows()[:, _TAG]
        found = dict.fromkeys((tag_names[text_tags[text]], char) for text, char in missing)
        return tuple(
            Fault(
                path=tag,
                rule="text.glyph_missing",
                message=f"no font has a glyph for U+{ord(char):04X} {char!r}.",
                hint="Replace the character, or set a font that has it (KAIPIAO_FONT_FALLBACK).",
            )
            for tag, char in found
        )


def _rows(values: Sequence[Sequence[int]], columns: int) -> NDArray[np.int32]:
    return np.array(values, np.int32) if values else np.zeros((0, columns), np.int32)


def _offsets(parts: Sequence[NDArray[np.generic]]) -> NDArray[np.uint32]:
    return np.array([0, *accumulate(map(len, parts))], np.uint32)


def _stack(parts: Sequence[NDArray[np.int32]], empty_shape: tuple[int, ...]) -> NDArray[np.int32]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(empty_shape, np.int32)
