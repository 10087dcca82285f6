"""Distribution of lines over pages."""

import pytest

from render.layout.paging import Fragment, paginate
from render.templates.spec import PageKind, Paging

PAGING = Paging({PageKind.SINGLE: 8, PageKind.MIDDLE: 8, PageKind.LAST: 7}, is_provisional=True)


def pages(heights, discounts=()):
    return paginate(heights, [index in discounts for index in range(len(heights))], PAGING)


def rows(page):
    return sum(fragment.rows for fragment in page)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(1, [1]), (8, [8]), (9, [8, 1]), (15, [8, 7]), (16, [8, 7, 1]), (40, [8, 8, 8, 8, 7, 1]), (100, [8] * 12 + [4])],
)
def test_lines_of_one_row_fill_page_after_page(lines, expected):
    assert [rows(page) for page in pages([1] * lines)] == expected


def test_two_thousand_lines_are_all_placed_in_order():
    placed = [fragment.line for page in pages([1] * 2000) for fragment in page]
    assert placed == list(range(2000))


def test_a_wrapped_line_moves_to_the_next_page_whole():
    assert [[fragment.line for fragment in page] for page in pages([6, 3])] == [[0], [1]]


def test_a_discount_moves_with_its_line():
    assert [[fragment.line for fragment in page] for page in pages([1] * 9, {8})] == [[0, 1, 2, 3, 4, 5, 6], [7, 8]]


def test_a_discount_moves_with_its_line_when_the_last_page_has_no_room_for_it():
    first, second, third = pages([1] * 16, {15})
    assert [rows(first), rows(second)] == [8, 6]
    assert [fragment.line for fragment in third] == [14, 15]


def test_a_line_of_more_rows_than_a_page_continues_on_the_next():
    assert pages([20]) == [
        [Fragment(0, 0, 8, 0)],
        [Fragment(0, 8, 8, 0)],
        [Fragment(0, 16, 4, 0)],
    ]


def test_a_block_that_fills_the_last_page_gives_up_its_last_row():
    assert pages([1, 8]) == [[Fragment(0, 0, 1, 0)], [Fragment(1, 0, 7, 0)], [Fragment(1, 7, 1, 0)]]


def test_a_line_and_discount_that_no_page_holds_together_are_parted():
    assert [[fragment.line for fragment in page] for page in pages([6, 5], {1})] == [[0], [1]]
