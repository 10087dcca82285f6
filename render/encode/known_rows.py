"""What the rows come to that pages have in common: found out once for a ground, and copied for each page on it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.encode.kernels.deflate_rows import KEEP, KNOWN, LIVE, N_KEPT, n_kept_tokens, scratch
from render.pixels import OnGround, PageGround

_Tokens = tuple[NDArray[np.int64], NDArray[np.uint16]]
KnownRows = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint16]]
"""The arguments ``known``, ``about`` and ``kept`` of :func:`render.encode.kernels.deflate_rows.deflate_rows`."""


class RowMemory:
    """Rows of grounds, kept as long as the grounds are there; safe for several threads.

    Args:
        run: the compiled matcher of rows.
    """

    def __init__(self, run: Callable[..., int | np.signedinteger[Any]]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._of: weakref.WeakKeyDictionary[PageGround, dict[int, _Tokens]] = weakref.WeakKeyDictionary()
        self._nothing: _Tokens = np.zeros((0, N_KEPT), np.int64), np.zeros(0, np.uint16)

    def known_rows(self, page: OnGround, lead: int) -> KnownRows:
        """Return what is known of a page's rows: all where neither it nor the row above was touched."""
        known = np.full(page.touched.shape, LIVE, np.uint8)
        known[1:] = np.where(page.touched[1:] | page.touched[:-1], LIVE, KNOWN)
        return known, *self._tokens(page.ground, lead)

    def no_rows(self, height: int) -> KnownRows:
        """Return that nothing is known of so many rows."""
        return np.full(height, LIVE, np.uint8), *self._nothing

    def _tokens(self, ground: PageGround, lead: int) -> _Tokens:
        with self._lock:
            of_ground = self._of.setdefault(ground, {})
        # Should two threads find it out at once, they find the same.
        if lead not in of_ground:
            height, width = ground.index.shape
            about, tokens = np.zeros((height, N_KEPT), np.int64), np.empty(height * (width + lead), np.uint16)
            known = np.full(height, KEEP, np.uint8)
            self._run(ground.index.reshape(-1), width, lead, known, about, tokens, *scratch(height, width, lead))
            of_ground[lead] = about, tokens[: n_kept_tokens(about)].copy()
        return of_ground[lead]
