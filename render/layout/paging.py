"""Distributes the item table over pages: rows of a line stay together, a discount stays with what it discounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from render.templates.spec import PageKind, Paging


class Fragment(NamedTuple):
    """Some rows of one line on a page: ``rows`` rows from the line's ``first_row``, at the page's row ``at_row``."""

    line: int
    first_row: int
    rows: int
    at_row: int


Page = list[Fragment]


def paginate(heights: Sequence[int], is_discount: Sequence[bool], paging: Paging) -> list[Page]:
    """Return the fragments of each page.

    A line is split only where it has more rows than a page; a discount is parted from its line only where both
    together have.

    Args:
        heights: rows that each line takes, at least 1.
        is_discount: whether each line belongs to the one before it.
        paging: how many rows a page holds.
    """
    if sum(heights) <= paging.rows[PageKind.SINGLE]:
        return [list(_stack(heights))]
    middle, last = paging.rows[PageKind.MIDDLE], paging.rows[PageKind.LAST]
    pages = _Pages(middle)
    for block in _blocks(heights, is_discount, middle):
        pages.add([(line, 0, heights[line]) for line in block])
    pages.shorten_last(last)
    return pages.pages


def _stack(heights: Sequence[int]) -> Iterator[Fragment]:
    at_row = 0
    for line, height in enumerate(heights):
        yield Fragment(line, 0, height, at_row)
        at_row += height


def _blocks(heights: Sequence[int], is_discount: Sequence[bool], capacity: int) -> Iterator[list[int]]:
    """Yield runs of lines that stay together: a line and its discount, where a page holds both."""
    block: list[int] = []
    for line, height in enumerate(heights):
        if block and is_discount[line] and sum(heights[member] for member in block) + height <= capacity:
            block.append(line)
            continue
        if block:
            yield block
        block = [line]
    yield block


class _Pages:
    """Pages in the making; ``_block_start`` is the fragment of the last page where its last block begins."""

    def __init__(self, capacity: int) -> None:
        self.pages: list[Page] = [[]]
        self._capacity = capacity
        self._used = 0
        self._block_start = 0

    def add(self, parts: Sequence[tuple[int, int, int]]) -> None:
        """Append a block of (line, first row, rows), on the next page where this one has no room for all of it."""
        height = sum(rows for _, _, rows in parts)
        if self._used + height > self._capacity and (height <= self._capacity or self._used == self._capacity):
            self._turn()
        self._block_start = len(self.pages[-1])
        for line, first_row, rows in parts:
            self._flow(line, first_row, rows)

    def shorten_last(self, capacity: int) -> None:
        """Leave at most ``capacity`` rows on the last page, which also holds the sums."""
        if self._used <= capacity:
            return
        page = self.pages[-1]
        if self._block_start > 0:
            moved = page[self._block_start :]
            del page[self._block_start :]
        else:
            # One block fills the page: its last line gives up its last rows.
            *_, tail = page
            excess = self._used - capacity
            if tail.rows > excess:
                page[-1] = Fragment(tail.line, tail.first_row, tail.rows - excess, tail.at_row)
                moved = [Fragment(tail.line, tail.first_row + tail.rows - excess, excess, 0)]
            else:
                moved = [page.pop()]
        self._turn()
        self.add([(fragment.line, fragment.first_row, fragment.rows) for fragment in moved])
        if self._used > capacity:
            self.shorten_last(capacity)

    def _flow(self, line: int, first_row: int, rows: int) -> None:
        while rows:
            if self._used == self._capacity:
                self._turn()
            taken = min(rows, self._capacity - self._used)
            self.pages[-1].append(Fragment(line, first_row, taken, self._used))
            self._used += taken
            first_row += taken
            rows -= taken

    def _turn(self) -> None:
        self.pages.append([])
        self._used = 0
        self._block_start = 0
