"""Pages put aside on disk, so that what comes back can be compared with what went in, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

U1 = NDArray[np.uint8]


class Spool:
    """Arrays in the order in which they were put, compressed lightly: a page of text takes about its PNG's bytes.

    Args:
        path: of the file, which must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb")
        self._parts: list[tuple[int, tuple[int, ...]]] = []

    def put(self, array: U1) -> None:
        """Put an array at the end.

        Raises:
            OSError: the disk does not take it.
        """
        data: Any = isal_zlib.compress(np.ascontiguousarray(array).data.cast("B"), 0)
        self._file.write(data)
        self._parts.append((len(data), array.shape))

    def take_all(self) -> Iterator[U1]:
        """Return every array in order; nothing can be put afterwards."""
        self.close()
        with self._path.open("rb") as file:
            for size, shape in self._parts:
                yield np.frombuffer(isal_zlib.decompress(file.read(size)), np.uint8).reshape(shape)

    def close(self) -> None:
        """Close the file; it stays on disk."""
        self._file.close()
