"""What a batch may cost: pixels before any is drawn, and bytes while they are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from render.errors import Fault, InputError, KaipiaoError, Retry

MAX_PAGE_PIXELS = 40_000_000
"""A4 at 600 dpi has 35 million; the rasteriser draws no larger page."""


class BatchFull(KaipiaoError):  # noqa: N818 named like the rest of the error tree
    """The batch has no room left for a job that would fit into one of its own."""

    code = "batch_full"
    retry = Retry.LATER


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be asked for.

    Attributes:
        page_pixels: of a page.
        batch_pixels: of all pictures of a batch: an invoice's pages count once for each picture format.
        batch_bytes: of all finished files of a batch, which are in memory together.
    """

    page_pixels: int = MAX_PAGE_PIXELS
    batch_pixels: int = 4_000_000_000
    batch_bytes: int = 1 << 30


class BatchRoom:
    """What is left of the budget of one batch. The first job that fits by itself always finds room."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._pixels = 0
        self._bytes = 0

    def take_pixels(self, pages: Iterable[tuple[int, int]], n_formats: int) -> None:
        """Set the pixels of an invoice's pictures aside.

        Args:
            pages: width and height of each page in pixels.
            n_formats: how many pictures are made of each page.

        Raises:
            InputError: a page or all of them exceed what one invoice may have.
            BatchFull: other invoices of this batch leave too little.
        """
        sizes = list(pages)
        limit = self.budget.page_pixels
        for number, (width, height) in enumerate(sizes):
            if width * height > limit:
                message = f"page {number + 1} has {width} × {height} pixels; a page may have {limit:,}."
                _refuse(
                    "dpi", "budget.page_pixels", message, "Choose a lower resolution, or raise KAIPIAO_PAGE_PIXELS."
                )
        wanted, limit = sum(width * height for width, height in sizes) * n_formats, self.budget.batch_pixels
        if wanted > limit:
            message = f"{len(sizes)} pages × {n_formats} formats have {wanted:,} pixels; a batch may have {limit:,}."
            hint = "Choose a lower resolution or fewer outputs, or raise KAIPIAO_BATCH_PIXELS."
            _refuse("dpi", "budget.batch_pixels", message, hint)
        if self._pixels + wanted > limit:
            message = f"{wanted:,} pixels are wanted, {limit - self._pixels:,} of the batch's {limit:,} are left."
            raise BatchFull(message, hint="Render it in another batch, or raise KAIPIAO_BATCH_PIXELS.")
        self._pixels += wanted

    def hold_bytes(self, before: int, after: int) -> None:
        """Let an invoice's files grow in memory.

        Args:
            before: bytes that it held so far.
            after: bytes that it holds from now on.

        Raises:
            InputError: its files alone exceed the budget.
            BatchFull: other invoices of this batch leave too little.
        """
        limit = self.budget.batch_bytes
        if after > limit:
            message = f"its files have {after:,} bytes and more; a batch may have {limit:,}."
            hint = "Choose a lower resolution, level small or fewer outputs, or raise KAIPIAO_BATCH_BYTES."
            _refuse("outputs", "budget.batch_bytes", message, hint)
        if self._bytes - before + after > limit:
            message = f"the files of this batch would have more than {limit:,} bytes."
            raise BatchFull(message, hint="Render it in another batch, or raise KAIPIAO_BATCH_BYTES.")
        self._bytes += after - before

    def release_bytes(self, held: int) -> None:
        """Give back the bytes of an invoice that failed."""
        self._bytes -= held


def _refuse(field: str, rule: str, message: str, hint: str) -> None:
    raise InputError("the invoice is too large to render.", faults=(Fault(field, rule, message, hint),))
