"""Shares of fields that a text recogniser reads back right from pictures at 200 dpi, field by field.

The recogniser is PP-OCRv6 as RapidOCR ships it in its wheel; nothing is fetched. Each field is cut out by the boxes of
the display list and compared with the invoice that came in, not with what was laid out.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.bed import BACKEND
from bench.cases.images_beside import draw_with_pdfium
from bench.cases.images_page import Workshop, open_workshop
from bench.corpus import Document, varied
from bench.measurement import Report, Row
from bench.peers.pdf_peer import PeerMissing, version_of
from bench.runner import CheckFailed, one_core
from render.display.list import DisplayList, Kind
from render.layout.engine import layout_invoice
from render.model.invoice import Invoice, Treatment
from render.units import um_to_px

U1 = NDArray[np.uint8]

DEFAULT_COUNT = 500
DPI = 200
NOTES = (
    "counted in pages; invoices take every recipe in turn: discounts, exempt, red, long names, rare characters, …",
    "a field is right if its characters are those of the invoice, white space and full-width forms aside",
    "rare: misread fields with an ideograph beyond U+4E00 to U+9FA5; it takes 𬭊鿏 for 钳铸 in any font and size",
    "right off pdfium's: of the misread fields, those that it reads right off pdfium's picture of our PDF",
)
_SEED = 43
# Around a field's box: letters reach out of it, and a recogniser wants some paper. Rules stay outside.
_MARGIN_UM = 760
# Runs whose tops are nearer than this stand in one line.
_SAME_LINE_UM = 2000
_SPOKEN_EVERY = 20
_COMMON_IDEOGRAPHS = "\u4e00", "\u9fa5"


@dataclass(frozen=True, slots=True)
class Misread:
    """A field that was not read as it should be.

    Attributes:
        field: its tag; ``page``: from 0.
        is_rare: whether it has an ideograph beyond those that recognisers are commonly taught.
        theirs: what the recogniser reads off pdfium's picture of the same field.
    """

    document: str
    page: int
    field: str
    expected: str
    read: str
    theirs: str
    is_rare: bool


@dataclass(slots=True)
class Tally:
    """What became of all fields of one sort."""

    ms: list[float] = field(default_factory=list)
    right: int = 0
    misread: list[Misread] = field(default_factory=list)

    @property
    def fields(self) -> int:
        """How many fields there were."""
        return self.right + len(self.misread)


class Recogniser:
    """RapidOCR without its search for lines of text: what it is given is one line.

    Raises:
        PeerMissing: it is not installed.
    """

    def __init__(self) -> None:
        version_of("rapidocr")
        version_of("onnxruntime")
        options = {"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
        self._engine: Any = import_module("rapidocr").RapidOCR(params=options)

    def read(self, rgb: U1) -> str:
        """Return the characters of a picture of one line, uint8[height, width, 3]."""
        found = self._engine(np.ascontiguousarray(rgb[..., ::-1]), use_det=False, use_cls=False, use_rec=True)
        return "".join(found.txts or ())


def run(count: int) -> list[Row]:
    """Read ``count`` pages, saying now and then how far it is, and what was misread.

    Raises:
        CheckFailed: the recogniser is not installed.
    """
    console = Console(stderr=True)
    try:
        recogniser = Recogniser()
    except PeerMissing as absence:
        raise CheckFailed(f"the recogniser is {absence}") from absence
    tallies: dict[str, Tally] = defaultdict(Tally)
    with one_core(), open_workshop() as workshop:
        for pages in read_pages(workshop, recogniser, varied(count, _SEED), count, tallies):
            if pages % _SPOKEN_EVERY == 0:
                done, right = sum(t.fields for t in tallies.values()), sum(t.right for t in tallies.values())
                console.print(f"{pages} of {count} pages: {right} of {done} fields read right")
    for sort, tally in tallies.items():
        for misread in tally.misread:
            console.print(f"{sort}: {misread}", markup=False, highlight=False)
    return [_row(f"images-ocr.{sort}", tally) for sort, tally in tallies.items()]


def print_results(report: Report, console: Console) -> None:
    """Print a line for each sort of field and one for all."""
    table = Table(title=f"fields that a recogniser reads off pictures at {DPI} dpi")
    for heading in ("field", "fields", "right", "share %", "misread", "of them rare", "right off pdfium's", "ms"):
        table.add_column(heading, justify="left" if heading == "field" else "right")
    total: Counter[str] = Counter()
    for row in report.results:
        total.update({name: int(value) for name, value in row.extra.items()})
        table.add_row(*_cells(row.case.removeprefix("images-ocr."), row.extra), f"{np.median(row.samples_ms):.0f}")
    table.add_section()
    table.add_row(*_cells("all", total), "")
    console.print(table)


def read_pages(
    workshop: Workshop,
    recogniser: Recogniser,
    documents: Sequence[Document],
    count: int,
    tallies: Mapping[str, Tally],
) -> Iterator[int]:
    """Read documents until so many pages are done; yield how many are, after each."""
    done = 0
    for document in documents:
        template = workshop.renderer.template(document.invoice.kind.value)
        display = layout_invoice(document.invoice, template)
        expected = printed_fields(document.invoice)
        unseen = set(expected)
        for page, pixels in enumerate(workshop.pages(template, display, DPI)):
            if done == count:
                return
            rgb = pixels.rgb()
            for tag, boxes in field_boxes(display, page).items():
                if tag not in expected:
                    continue
                unseen.discard(tag)
                tally = tallies[_sort_of(tag)]
                start = time.perf_counter()
                read = read_boxes(recogniser, rgb, boxes)
                tally.ms.append((time.perf_counter() - start) * 1000)
                if _plain(read) == _plain(expected[tag]):
                    tally.right += 1
                    continue
                theirs = draw_with_pdfium(workshop.pdf(display, template), page, pixels.index.shape, DPI)
                beside, is_rare = read_boxes(recogniser, theirs, boxes), has_rare_ideograph(expected[tag])
                tally.misread.append(Misread(document.name, page, tag, expected[tag], read, beside, is_rare))
            done += 1
            yield done
        for tag in sorted(unseen):
            tallies[_sort_of(tag)].misread.append(Misread(document.name, 0, tag, expected[tag], "", "", is_rare=False))


def printed_fields(invoice: Invoice) -> dict[str, str]:
    """Return what must be read, by tag: number, date, parties, sums, and each line's amount and tax."""
    fields = {
        "number": invoice.number,
        "issued": f"{invoice.issued:%Y}年{invoice.issued:%m}月{invoice.issued:%d}日",
        "buyer.name": invoice.buyer.name,
        "buyer.tax_id": invoice.buyer.tax_id,
        "seller.name": invoice.seller.name,
        "seller.tax_id": invoice.seller.tax_id,
        "total_amount": f"¥{invoice.total_amount:.2f}",
        "total": f"¥{invoice.total:.2f}",
        "total_words": invoice.total_words,
    }
    if any(line.treatment is Treatment.TAXED for line in invoice.lines):
        fields["total_tax"] = f"¥{invoice.total_tax:.2f}"
    for place, line in enumerate(invoice.lines):
        fields[f"lines[{place}].amount"] = f"{line.amount:.2f}"
        if line.treatment is Treatment.TAXED:
            fields[f"lines[{place}].tax"] = f"{line.tax:.2f}"
    return {tag: text for tag, text in fields.items() if text}


def has_rare_ideograph(text: str) -> bool:
    """Tell whether a text has a Chinese character beyond the 20,902 of Unicode 1.1, which GBK has too."""
    first, last = _COMMON_IDEOGRAPHS
    ideographs = (char for char in text if unicodedata.name(char, "").startswith("CJK UNIFIED"))
    return any(not first <= char <= last for char in ideographs)


def field_boxes(display: DisplayList, page: int) -> dict[str, list[tuple[int, int, int, int]]]:
    """Return the boxes in µm of the lines of text of every field on a page, by tag, from top to bottom."""
    boxes: dict[str, list[tuple[int, int, int, int]]] = {}
    for item in range(int(display.page_item_off[page]), int(display.page_item_off[page + 1])):
        if display.item_kind[item] != Kind.GLYPHS:
            continue
        left, top, right, bottom = display.item_bbox_um[item].tolist()
        lines = boxes.setdefault(display.tag_of(item), [])
        if lines and abs(lines[-1][1] - top) < _SAME_LINE_UM:
            old = lines.pop()
            left, top, right, bottom = min(left, old[0]), min(top, old[1]), max(right, old[2]), max(bottom, old[3])
        lines.append((left, top, right, bottom))
    return boxes


def read_boxes(recogniser: Recogniser, rgb: U1, boxes: Sequence[tuple[int, int, int, int]]) -> str:
    """Read the lines of a field one by one."""
    return "".join(recogniser.read(_cut(rgb, box)) for box in boxes)


def _cut(rgb: U1, box_um: tuple[int, int, int, int]) -> U1:
    left, top, right, bottom = box_um
    height, width = rgb.shape[:2]
    rows = slice(max(0, um_to_px(top - _MARGIN_UM, DPI)), min(height, um_to_px(bottom + _MARGIN_UM, DPI)))
    columns = slice(max(0, um_to_px(left - _MARGIN_UM, DPI)), min(width, um_to_px(right + _MARGIN_UM, DPI)))
    return rgb[rows, columns]


def _plain(text: str) -> str:
    """Return a text without white space, full-width forms as plain ones."""
    return unicodedata.normalize("NFKC", "".join(text.split())).replace("￥", "¥")


def _sort_of(tag: str) -> str:
    return re.sub(r"\[\d+\]", "", tag)


def _row(case: str, tally: Tally) -> Row:
    misread = tally.misread
    right_there = sum(_plain(each.theirs) == _plain(each.expected) for each in misread)
    extra = {
        "fields": tally.fields,
        "right": tally.right,
        "misread": len(misread),
        "rare": sum(each.is_rare for each in misread),
        "theirs": right_there,
    }
    return Row(case=case, backend=BACKEND, samples_ms=tuple(tally.ms), extra=extra)


def _cells(name: str, extra: Mapping[str, float]) -> tuple[str, ...]:
    share = 100 * extra["right"] / extra["fields"] if extra["fields"] else 0.0
    counts = (extra[key] for key in ("misread", "rare", "theirs"))
    return (name, f"{extra['fields']:.0f}", f"{extra['right']:.0f}", f"{share:.2f}", *(f"{n:.0f}" for n in counts))
