"""The logical structure of a document (ISO 32000-1, 14.7 and 14.8): what belongs together, in the order of reading.

One element stands for each value of the form and for each line of the table; before them stands the form itself, with
its captions. Elements are flat below the document: readers aloud and converters need no more to keep fields apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from render.display.list import NO_BASE, DisplayList, Kind
from render.pdf.body import Body, ObjectStream, pack_objects
from render.pdf.deflate import deflate_once
from render.pdf.syntax import text_string

PARAGRAPH, FIGURE = "P", "Figure"
_GLYPHS = int(Kind.GLYPHS)
_KEPT_MARKS = 256
_KEPT_TREES = 64
_ALTERNATIVES = {FIGURE: f"/Alt{text_string('图')}"}
_LINE_PREFIX = "lines["


NO_MARK = -1


@dataclass(frozen=True, slots=True)
class Marks:
    """The marked contents of a display list: one for each element and page.

    Attributes:
        begins: int64[items], the number on its page of the marked content that begins with the item, or NO_MARK.
        ends: bool[items], whether marked content ends with the item.
        kinds: for each page the structure type of each of its marked contents, by their number; the first is that of
            the background, where the page has one. Empty where content is not marked.
    """

    begins: NDArray[np.int64]
    ends: NDArray[np.bool_]
    kinds: list[tuple[str, ...]]


def no_marks(display: DisplayList) -> Marks:
    """Return the marks of a list whose content is not marked."""
    n_items = display.n_items
    return Marks(np.full(n_items, NO_MARK, np.int64), np.zeros(n_items, np.bool_), [()] * display.n_pages)


def mark_elements(display: DisplayList) -> Marks:
    """Return marks for items of one element that follow each other on a page."""
    offsets = display.page_item_off.astype(np.int64)
    is_first = np.ones(display.n_items + 1, np.bool_)
    if display.n_items:
        element = _element_of_tag(display)[display.item_tag]
        is_first[1:-1] = element[1:] != element[:-1]
    is_first[offsets] = True
    has_base = display.page_base != NO_BASE
    firsts = is_first[:-1].nonzero()[0]
    first_of_page = firsts.searchsorted(offsets)
    numbers = np.arange(len(firsts)) - (first_of_page[:-1] - has_base).repeat(np.diff(first_of_page))
    begins = np.full(display.n_items, NO_MARK, np.int64)
    begins[firsts] = numbers
    is_text = (display.item_kind[firsts] == _GLYPHS).tobytes()
    first_of_page = first_of_page.tolist()
    by_page = [
        _kinds(is_text[first:last], based)
        for based, (first, last) in zip(has_base.tolist(), itertools.pairwise(first_of_page), strict=True)
    ]
    return Marks(begins, is_first[1:], by_page)


# Pages with as many elements have the same, and a shape that is known is found sooner by the same tuple.
@lru_cache(maxsize=_KEPT_MARKS)
def _kinds(is_text: bytes, has_base: bool) -> tuple[str, ...]:  # noqa: FBT001 a key of the cache
    """Return the structure type of each marked content of a page, from whether its elements begin with text."""
    return (*((PARAGRAPH,) if has_base else ()), *(PARAGRAPH if text else FIGURE for text in is_text))


def _element_of_tag(display: DisplayList) -> NDArray[np.int64]:
    """Return, for each tag of the list, a number that tags of one element share; int64[tags]."""
    places: dict[str, int] = {}
    return np.array([places.setdefault(_element_name(tag), len(places)) for tag in display.tags], np.int64)


def element_kind(kind: int) -> str:
    """Return the structure type of an element that begins with an item of this kind."""
    return PARAGRAPH if kind == _GLYPHS else FIGURE


@lru_cache(maxsize=_KEPT_MARKS)
def begin_element(kind: str, mark: int) -> bytes:
    """Return the operator that begins the content of an element; ``EMC`` ends it."""
    return f"/{kind}<</MCID {mark}>>BDC\n".encode("ascii")


END_ELEMENT = b"EMC\n"


def add_structure(body: Body, pages: Sequence[int], marks: Sequence[tuple[str, ...]]) -> str:
    """Append the structure tree and return the catalog's entries for it.

    Args:
        body: takes the objects.
        pages: object number of each page; page n must say ``/StructParents n``.
        marks: for each page the structure type of each of its marked contents, by their number.
    """
    root = body.next_number
    body.add_packed(_tree(root, tuple(pages), tuple(marks)))
    return f"/MarkInfo<</Marked true>>/StructTreeRoot {root} 0 R"


@lru_cache(maxsize=_KEPT_TREES)
def _tree(root: int, pages: tuple[int, ...], marks: tuple[tuple[str, ...], ...]) -> list[ObjectStream]:
    """Return the packed objects of a structure tree, whose numbers begin with that of its root.

    Documents with the same fields and as many lines have the same tree, so it has streams of its own, which are kept.
    """
    document, number = root + 1, root + 2
    elements, texts = [], []
    for page, kinds in zip(pages, marks, strict=True):
        rest = f"/P {document} 0 R/Pg {page} 0 R/K "
        texts += [f"<</S/{kind}{rest}{mark}{_ALTERNATIVES.get(kind, '')}>>" for mark, kind in enumerate(kinds)]
        elements.append(range(number, number + len(kinds)))
        number += len(kinds)
    parents = "".join(f"{place}[{_references(numbers)}]" for place, numbers in enumerate(elements))
    tree = f"/ParentTree<</Nums[{parents}]>>/ParentTreeNextKey {len(pages)}"
    objects = [
        f"<</Type/StructTreeRoot/K {document} 0 R{tree}>>",
        f"<</S/Document/P {root} 0 R/K[{' '.join(map(_references, elements))}]>>",
        *texts,
    ]
    return pack_objects(list(enumerate(objects, root)), deflate_once)


def _element_name(tag: str) -> str:
    return tag.split(".", 1)[0] if tag.startswith(_LINE_PREFIX) else tag


def _references(numbers: Sequence[int]) -> str:
    return " ".join([f"{number} 0 R" for number in numbers])
