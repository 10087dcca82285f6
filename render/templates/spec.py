"""What a template says, as frozen values: rules, captions, value cells, item table, paging. Lengths are µm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from render.display.resolve import Align

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in µm."""

Color = tuple[int, int, int]


class PageKind(StrEnum):
    """Which of the compiled backgrounds lies under a page."""

    SINGLE = "single"
    MIDDLE = "middle"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight printed line."""

    name: str
    start_um: tuple[int, int]
    end_um: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Strip:
    """A filled rectangle, such as half of the 打印识别线 at the right edge."""

    name: str
    box_um: Box
    color: Color


@dataclass(frozen=True, slots=True)
class Mark:
    """A ⊗: a circle with a cross in it."""

    name: str
    center_um: tuple[int, int]
    radius_um: int
    width_um: int
    pages: frozenset[PageKind]


@dataclass(frozen=True, slots=True)
class Caption:
    """A printed label.

    Attributes:
        baselines_um: one, or one for each character where they stand below one another.
        steps_um: advance from each character to the next before ``xscale`` (per mille), one fewer than characters.
    """

    name: str
    text: str
    role: str
    size_um: int
    x_um: int
    baselines_um: tuple[int, ...]
    steps_um: tuple[int, ...]
    xscale: int
    pages: frozenset[PageKind]


@dataclass(frozen=True, slots=True)
class Fit:
    """One permitted way to set a text: em size, line pitch, number of lines (0 = as many as needed).

    ``symbol_um`` is the em size of the ¥ sign before a sum, 0 where the cell has none.
    """

    size_um: int
    pitch_um: int
    lines: int
    symbol_um: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a value stands: it never leaves ``box_um`` and is set by the first of ``fits`` that holds it.

    Attributes:
        tag: field path, the tag of its items.
        baselines_um: first baseline for each of ``fits``; for a table column, measured from the top of its row.
    """

    tag: str
    role: str
    color: Color
    align: Align
    box_um: Box
    baselines_um: tuple[int, ...]
    fits: tuple[Fit, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The item table: rows of equal pitch from ``top_um``; a line of the invoice takes one or more rows.

    The boxes of ``columns`` are one row high, relative to the top of a row.
    """

    top_um: int
    row_pitch_um: int
    columns: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Paging:
    """Rows that a page holds, by kind of page; the last page never holds more than a single one."""

    rows: Mapping[PageKind, int]
    is_provisional: bool


@dataclass(frozen=True, slots=True)
class TemplateSpec:
    """A whole template as data."""

    page_um: tuple[int, int]
    colors: Mapping[str, Color]
    rule_width_um: int
    rules: tuple[Rule, ...]
    strips: tuple[Strip, ...]
    marks: tuple[Mark, ...]
    captions: tuple[Caption, ...]
    seal_box_um: Box
    qr_box_um: Box
    cells: Mapping[str, Cell]
    table: Table
    paging: Paging

    def caption(self, name: str) -> Caption:
        """Return a caption by its name."""
        return next(caption for caption in self.captions if caption.name == name)
