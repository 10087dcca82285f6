"""Text runs of a display list as PDF text objects (ISO 32000-1, 9.4), for all documents of the list at once."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from render.display.list import DisplayList, Kind
from render.pdf.font import pair_keys
from render.pdf.kernels.codes import FACE_SHIFT, assign_codes
from render.pdf.kernels.operators import GLYPH_BYTES, RUN_BYTES, put_texts
from render.pdf.structure import Marks


class TextObjects:
    """All text of a display list as operators.

    Attributes:
        operators: the text objects of all runs in paint order, each with a line feed behind it, and the
            operators of marked content about them.
        pairs: for each document, by the index of the face, the pairs of glyph and character that its font must hold;
            int64[n] each, see :mod:`render.pdf.font`.
    """

    def __init__(
        self,
        display: DisplayList,
        widths: NDArray[np.int32],
        prefix: str,
        document_of_page: NDArray[np.int64],
        seeds: NDArray[np.int64],
        marks: Marks,
    ) -> None:
        """Turn every run into a text object.

        Args:
            display: one or more laid-out documents.
            widths: int32[n_faces, max_glyphs], the widths that fonts state, in 1/UNITS em.
            prefix: begins the resource names of fonts; one character.
            document_of_page: int64[P], ascending; pages of one document share fonts.
            seeds: int64[K], as :func:`seed_keys` makes them.
            marks: which items begin and end marked content.
        """
        offsets = display.page_item_off.astype(np.int64)
        is_run = display.item_kind == Kind.GLYPHS
        runs = display.item_ref[is_run].astype(np.int64)
        page = np.arange(display.n_pages).repeat(offsets[1:] - offsets[:-1])[is_run]
        lengths = (display.run_glyph_off[runs + 1] - display.run_glyph_off[runs]).astype(np.int64)
        self.pairs: list[dict[int, NDArray[np.int64]]] = [{} for _ in range(int(document_of_page[-1]) + 1)]
        codes = self._assign_codes(display, runs, document_of_page[page], lengths, seeds)
        longest = int(lengths.max(initial=0))
        out = np.empty(RUN_BYTES * len(runs) + GLYPH_BYTES * len(codes), np.uint8)
        ends = np.empty(len(runs) + 1, np.int64)
        length = put_texts(
            runs,
            page,
            display.page_size_um[:, 1].astype(np.int64),
            display.run_font,
            display.run_size_um,
            display.run_xscale,
            display.run_origin_um,
            display.run_glyph_off,
            display.glyph_id,
            display.glyph_x_um,
            widths,
            codes,
            marks.begins[is_run],
            marks.ends[is_run],
            ord(prefix),
            np.empty(longest, np.float64),
            np.empty(longest, np.int64),
            out,
            ends,
        )
        self.operators = out[:length].tobytes()
        # Where the text of each item begins, or would begin, and the end.
        before = np.zeros(len(is_run) + 1, np.int64)
        is_run.cumsum(out=before[1:])
        self._begin = ends[before]

    def places(self, items: NDArray[np.int64]) -> list[int]:
        """Return where in :attr:`operators` the text of each of these items begins; the one behind the last counts."""
        places: list[int] = self._begin[items].tolist()
        return places

    def _assign_codes(
        self,
        display: DisplayList,
        runs: NDArray[np.int64],
        document: NDArray[np.int64],
        lengths: NDArray[np.int64],
        seeds: NDArray[np.int64],
    ) -> NDArray[np.uint16]:
        """Note the pairs of each document and face, and return the code of each glyph in its font."""
        n_glyphs = int(lengths.sum())
        # Room for one document, not for all: a table that stays in the processor's cache.
        largest = int(np.bincount(document, lengths).max(initial=0)) + len(seeds)
        codes = np.empty(n_glyphs, np.uint16)
        distinct = np.empty(n_glyphs + len(self.pairs) * len(seeds), np.int64)
        groups = np.empty((n_glyphs + 1, 3), np.int64)
        slots = np.zeros((2 << largest.bit_length(), 3), np.int64)
        count = assign_codes(
            runs,
            document,
            display.run_font,
            display.run_glyph_off,
            display.glyph_id,
            display.glyph_char,
            seeds,
            slots,
            distinct,
            codes,
            groups,
        )
        distinct &= (1 << FACE_SHIFT) - 1
        for (document_index, face, begin), (_, _, end) in itertools.pairwise(groups[: count + 1].tolist()):
            self.pairs[document_index][face] = distinct[begin:end]
        return codes


def font_name(prefix: str, face: int) -> str:
    """Return the resource name of a face's font."""
    return f"/{prefix}{face}"


def seed_keys(face: int, cmap: NDArray[np.uint16], chars: str) -> NDArray[np.int64]:
    """Return the keys by which every font of a face holds these characters, used or not; those without glyph are left.

    Args:
        face: its index.
        cmap: uint16[CMAP_SIZE], its character map.
        chars: what it shall hold.
    """
    codes = np.array(sorted({ord(char) for char in chars if cmap[ord(char)]}), np.uint32)
    return (np.int64(face) << FACE_SHIFT) | pair_keys(cmap[codes], codes)
