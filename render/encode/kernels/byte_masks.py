"""Operations on 64 bytes or bits at once that a compiler does not find in loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]

WORD = 64


def unlike(data: U1, one: int, other: int) -> np.uint64:
    """Return a bit for each of the 64 bytes from two places on, the first lowest: 1 where they differ."""
    differ = data[one : one + WORD] != data[other : other + WORD]
    return np.uint64(np.packbits(differ, bitorder="little").view(np.uint64)[0])


def weigh(data: U1, at: int, n_words: int) -> int:
    """Return sum << 32 | weighted sum of up to 16 times 64 bytes from a place on, with weights from 0 on."""
    part = data[at : at + WORD * n_words].astype(np.int64)
    return int(part.sum()) << 32 | int((part * np.arange(part.size)).sum())


def lowest_bit(word: np.uint64) -> int:
    """Return the place of the lowest bit of a word that is not zero."""
    number = int(word)
    return (number & -number).bit_length() - 1


try:
    from render.encode.kernels.byte_vectors import teach
except ImportError:
    # Without Numba there is nobody to teach.
    pass
else:
    teach(unlike, weigh, lowest_bit)
