"""How each byte of a row relates to the row above and to its neighbour, and which of the two it is copied from.

A row's masks are uint64[n + 2]: a bit a byte, the first lowest, in words 1 … n; the first and the last word are 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from render.compiled import jitable
from render.encode.kernels.byte_masks import WORD, unlike

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)


@jitable
def compare_above(data: U1, row: int, width: int, lead: int, same: U8) -> bool:
    """Set a bit of same[1:-1] for each byte of a row that repeats the byte above it; tell whether all do."""
    n_words = same.size - 2
    in_last = width + lead - WORD * (n_words - 1)
    any_other = unlike(data, row, row - width) << np.uint64(lead)
    same[1] = ~any_other
    for k in range(1, n_words - 1):
        at = row + WORD * k - lead
        other = unlike(data, at, at - width)
        any_other |= other
        same[k + 1] = ~other
    spare = np.uint64(WORD - in_last)
    other = unlike(data, row + width - WORD, row - WORD) >> spare
    same[n_words] = ~other & ONES >> spare
    return bool((any_other | other) == np.uint64(0))


@jitable
def compare_left(data: U1, row: int, width: int, lead: int, same: U8) -> None:
    """Set a bit of same[1:-1] for each byte of a row that repeats the byte before it; the filter's byte is 0."""
    n_words = same.size - 2
    in_last = width + lead - WORD * (n_words - 1)
    same[1] = ~unlike(data, row + 1, row) << np.uint64(1 + lead)
    if row and (data[row - 1] == 0 if lead else data[row - 1] == data[row]):
        same[1] |= np.uint64(1)
    if lead and data[row] == 0:
        same[1] |= np.uint64(2)
    for k in range(1, n_words - 1):
        at = row + WORD * k - lead
        same[k + 1] = ~unlike(data, at, at - 1)
    spare = np.uint64(WORD - in_last)
    at = row + width - WORD
    same[n_words] = ~unlike(data, at, at - 1) >> spare


@jitable
def leave_long(change: U8, full: U8, same: U8) -> None:
    """Take from ``same`` what lies in runs of ``change`` that fill two words on end: white paper, mostly."""
    n = np.uintp(change.size - 2)
    for word in range(n):
        k = word + np.uintp(1)
        near = max(change[word], change[k + np.uintp(1)])
        full[k] = ONES if change[k] & near == ONES else np.uint64(0)
    for word in range(n):
        k = word + np.uintp(1)
        here = change[k]
        # Below the highest gap, and from the lowest gap on.
        below = ~here
        below |= below >> np.uint64(1)
        below |= below >> np.uint64(2)
        below |= below >> np.uint64(4)
        below |= below >> np.uint64(8)
        below |= below >> np.uint64(16)
        below |= below >> np.uint64(32)
        ends = ~below & full[k + np.uintp(1)] | here & ~(here + np.uint64(1)) & full[word]
        same[k] &= ~(full[k] | ends)


@jitable
def find_above(same: U8, first: U8) -> None:
    """Find runs of 16 bits and more, across words: set ``first`` for each bit that 15 more follow."""
    for word in range(np.uintp(same.size - 2)):
        k = word + np.uintp(1)
        here, after = same[k], same[k + np.uintp(1)]
        here, after = here & (here >> np.uint64(1) | after << np.uint64(63)), after & after >> np.uint64(1)
        here, after = here & (here >> np.uint64(2) | after << np.uint64(62)), after & after >> np.uint64(2)
        here, after = here & (here >> np.uint64(4) | after << np.uint64(60)), after & after >> np.uint64(4)
        first[k] = here & (here >> np.uint64(8) | after << np.uint64(56))


@jitable
def take_above(first: U8, above: U8, change: U8) -> None:
    """Take the runs that begin at bits of ``first`` as copies from above; the rest may be copied from the left."""
    for word in range(np.uintp(first.size - 2)):
        k = word + np.uintp(1)
        here, before = first[k], first[word]
        here, before = here | here << np.uint64(1) | before >> np.uint64(63), before | before << np.uint64(1)
        here, before = here | here << np.uint64(2) | before >> np.uint64(62), before | before << np.uint64(2)
        here, before = here | here << np.uint64(4) | before >> np.uint64(60), before | before << np.uint64(4)
        here = here | here << np.uint64(8) | before >> np.uint64(56)
        above[k] = here
        change[k] &= ~here


@jitable
def find_left(change: U8, first: U8) -> None:
    """Find runs of three and more: set ``first`` for each bit that two more follow."""
    for word in range(np.uintp(change.size - 2)):
        k = word + np.uintp(1)
        here, after = change[k], change[k + np.uintp(1)]
        here_and_next = here & (here >> np.uint64(1) | after << np.uint64(63))
        first[k] = here_and_next & (here >> np.uint64(2) | after << np.uint64(62))


@jitable
def take_left(first: U8, left: U8) -> None:
    """Take the runs that begin at bits of ``first`` as copies from the left."""
    for word in range(np.uintp(first.size - 2)):
        k = word + np.uintp(1)
        here, before = first[k], first[word]
        left[k] = here | here << np.uint64(1) | before >> np.uint64(63) | here << np.uint64(2) | before >> np.uint64(62)


@jitable
def classify(same: U8, change: U8, was_above: np.uint64, was_left: np.uint64, first: U8, above: U8, left: U8) -> None:
    """Say of each byte of a row whether it is copied from above or from the left.

    A copy from above costs ten bits more than one from the left, so only a long one pays that is not as long from the
    left.

    Args:
        same: mask of bytes that repeat the row above; is changed.
        change: mask of bytes that repeat the byte before; is changed.
        was_above: 1 if the row above ends with a copy from above it, which may go on here, otherwise 0.
        was_left: the same of copies from the left.
        first: mask, scratch.
        above: mask to fill.
        left: mask to fill.
    """
    leave_long(change, first, same)
    find_above(same, first)
    take_above(first, above, change)
    if was_above:
        above[1] |= same[1] & ~(same[1] + np.uint64(1))
        change[1] &= ~above[1]
    find_left(change, first)
    take_left(first, left)
    if was_left:
        left[1] |= change[1] & ~(change[1] + np.uint64(1))
