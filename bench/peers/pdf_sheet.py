"""What every peer draws on a page: the texts, rules, rings and modules of ours, in millimetres from the top left.

Each peer gets the same pieces and draws them in its own way. All Chinese text is set in the one TrueType font that
every peer can embed; places are those of our template, so that the pages look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import chain

import numpy as np
import zxingcpp

from bench.peers import form
from render.model.invoice import Invoice, InvoiceKind, Line

Color = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""

BLACK: Color = (0, 0, 0)
MAROON: Color = (128, 0, 0)
WATERMARK: Color = (244, 244, 244)
SEAL: Color = (220, 40, 40)
STRIPS: tuple[tuple[float, float, float, float, Color], ...] = (
    (205.584, 30.054, 0.54, 46.746, (246, 237, 225)),
    (205.584, 76.854, 0.54, 47.146, (118, 89, 84)),
)
RULE_MM = 0.25
QR_MM = (6.5, 6.0, 20.0)
"""Left, top and side."""

_ROWS_A_PAGE, _ROWS_ON_LAST = 8, 7
_NAME_EMS = 11.4
_WIDE_FROM = 0x2000
_FULL_SIZE_CHARS = 13
_SMALL_MM = 2.6
_SEAL_X, _SEAL_Y = 105.0, 18.0
_MARK_X, _MARK_Y, _MARK_R = 60.45, 99.5, 1.75
_MARK_MM = 0.225
_HALF_DIAGONAL = 0.5**0.5


class Align(Enum):
    """Which point of a text ``Text.x_mm`` is."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


class Page(Enum):
    """Which page of its document a page is; sums stand on the last and on a single one."""

    SINGLE = "single"
    MIDDLE = "middle"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text by its baseline; ``is_mono`` sets it in the font of tax ids."""

    x_mm: float
    y_mm: float
    text: str
    size_mm: float = form.TEXT_MM
    align: Align = Align.LEFT
    is_mono: bool = False
    color: Color = BLACK


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight stroke."""

    x1_mm: float
    y1_mm: float
    x2_mm: float
    y2_mm: float
    width_mm: float = RULE_MM


@dataclass(frozen=True, slots=True)
class Ring:
    """The stroke of an ellipse."""

    x_mm: float
    y_mm: float
    radius_x_mm: float
    radius_y_mm: float
    width_mm: float
    color: Color


@dataclass(frozen=True, slots=True)
class Fixed:
    """What is the same on every page of a kind; drawn in the order of the fields, before the values.

    ``rules`` are maroon, ``boxes`` are left, top, width, height and colour.
    """

    texts: tuple[Text, ...]
    boxes: tuple[tuple[float, float, float, float, Color], ...]
    rules: tuple[Rule, ...]
    rings: tuple[Ring, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page.

    Attributes:
        kind, page: name the fixed part; ``texts``: the values.
        modules: left, top, width and height in mm of each run of black modules of the QR code.
    """

    kind: InvoiceKind
    page: Page
    texts: tuple[Text, ...]
    modules: list[tuple[float, float, float, float]] = field(repr=False)

    @property
    def fixed(self) -> Fixed:
        """The part that does not depend on the invoice."""
        return fixed_part(self.kind, self.page)


def sheets(invoice: Invoice) -> list[Sheet]:
    """Return the pages of an invoice."""
    modules = qr_modules(invoice.qr_text)
    pages = _paged(invoice.lines)
    drawn = []
    for place, lines in enumerate(pages):
        page = Page.SINGLE if len(pages) == 1 else Page.LAST if place == len(pages) - 1 else Page.MIDDLE
        number = f"共{len(pages)}页 第{place + 1}页" if page is not Page.SINGLE else ""
        drawn.append(Sheet(invoice.kind, page, tuple(_values(invoice, lines, page, number)), modules))
    return drawn


@lru_cache(maxsize=len(InvoiceKind) * len(Page))
def fixed_part(kind: InvoiceKind, page: Page) -> Fixed:
    """Return what every page of this kind shows."""
    has_sums = page is not Page.MIDDLE
    captions = chain(form.CAPTIONS_OF_EVERY_PAGE, form.CAPTIONS_OF_SUMS if has_sums else ())
    subtotal_y = {Page.MIDDLE: 95.0, Page.LAST: 91.1}.get(page)
    texts = [Text(35 + 70 * column, 81.4, "样张", 30, Align.CENTER, color=WATERMARK) for column in range(3)]
    texts.append(Text(form.PAGE_MM[0] / 2, 14.1, form.TITLES[kind], 7.0732, Align.CENTER, color=MAROON))
    texts += [Text(each.x_mm, each.y_mm, each.text, each.size_mm, color=MAROON) for each in captions]
    if subtotal_y is not None:
        texts += [Text(x_mm, subtotal_y, char, color=MAROON) for x_mm, char in ((20.5, "小"), (36.5, "计"))]
    texts.append(Text(_SEAL_X, 25.2, "样张", 5.8, Align.CENTER, color=SEAL))
    texts.append(Text(_SEAL_X, 17.5, "非税务机关监制", 1.8, Align.CENTER, color=SEAL))
    rules = [Rule(*ends) for ends in form.RULES_MM]
    rings = [Ring(_SEAL_X, _SEAL_Y, 14.7, 9.7, 0.6, SEAL), Ring(_SEAL_X, _SEAL_Y, 13.85, 8.85, 0.2, SEAL)]
    if has_sums:
        reach = _MARK_R * _HALF_DIAGONAL
        left, right, top, bottom = _MARK_X - reach, _MARK_X + reach, _MARK_Y - reach, _MARK_Y + reach
        rules += [Rule(left, top, right, bottom, _MARK_MM), Rule(left, bottom, right, top, _MARK_MM)]
        rings.append(Ring(_MARK_X, _MARK_Y, _MARK_R, _MARK_R, _MARK_MM, MAROON))
    return Fixed(tuple(texts), STRIPS, tuple(rules), tuple(rings))


def qr_modules(text: str) -> list[tuple[float, float, float, float]]:
    """Return the QR code of level M as rectangles, one for each run of black modules in a row.

    zxing-cpp makes the code in a fifth of a millisecond; the encoders written in Python take longer than the fastest
    peer takes for the rest of the page.
    """
    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    image = np.asarray(zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False))
    size = len(image)
    padded = np.zeros((size, size + 2), np.int8)
    padded[:, 1:-1] = image == 0
    changes = np.flatnonzero(np.diff(padded.ravel()))
    rows, starts = np.divmod(changes[0::2], size + 2)
    lengths = changes[1::2] - changes[0::2]
    left, top, side = QR_MM
    module = side / size
    return [
        (left + start * module, top + row * module, length * module, module)
        for row, start, length in zip(rows.tolist(), starts.tolist(), lengths.tolist(), strict=True)
    ]


def _values(invoice: Invoice, lines: Sequence[Line], page: Page, number: str) -> Iterator[Text]:
    """Yield the values of a page in reading order."""
    yield Text(170, 14, invoice.number, 2.9)
    yield Text(170, 20, f"{invoice.issued:%Y}年{invoice.issued:%m}月{invoice.issued:%d}日")
    for x_mm, party in ((20, invoice.buyer), (120, invoice.seller)):
        for row, text in enumerate(form.wrapped(party.name, form.PARTY_CHARS)):
            yield Text(x_mm, 36.5 + row * 3.5, text)
        if party.tax_id:
            yield Text(x_mm + 34.5, 47, party.tax_id, 4.2333, is_mono=True)
    if number:
        yield Text(205.4, 26, number, align=Align.RIGHT, color=MAROON)
    yield from _table(lines)
    if page is not Page.SINGLE:
        y_mm = 95.0 if page is Page.MIDDLE else 91.1
        yield _right(153, y_mm, f"¥{form.money(sum((line.amount for line in lines), Decimal(0)))}")
        yield _right(205, y_mm, f"¥{form.money(sum((line.tax for line in lines), Decimal(0)))}")
    if page is not Page.MIDDLE:
        yield _right(153, 95, f"¥{form.money(invoice.total_amount)}")
        yield _right(205, 95, f"¥{form.money(invoice.total_tax)}")
        yield Text(63, 101.3, invoice.total_words)
        yield Text(155.5, 101.5, f"¥{form.money(invoice.total)}", 3.8806)
        for row, text in enumerate(form.wrapped(invoice.remark, form.REMARK_CHARS)):
            if text:
                yield Text(11.1, 107 + row * 3.3, text)
    yield Text(32, 132.5, invoice.clerk)


def _table(lines: Sequence[Line]) -> Iterator[Text]:
    y_mm = 59.64
    for line in lines:
        first_mm = y_mm
        # The whole name before the other columns: readers keep the order of drawing.
        for text in _name_rows(line.name):
            yield Text(4.8, y_mm, text)
            y_mm += form.ROW_MM
        if line.spec:
            yield Text(41.4, first_mm, line.spec, 2.5)
        if line.unit:
            yield Text(71.5, first_mm, line.unit, align=Align.CENTER)
        if line.quantity:
            yield _right(102.5, first_mm, line.quantity)
            yield _right(127.5, first_mm, line.unit_price)
        yield _right(153, first_mm, form.money(line.amount))
        yield Text(166.5, first_mm, form.rate_text(line), align=Align.CENTER)
        yield _right(205, first_mm, form.tax_text(line))


def _right(x_mm: float, y_mm: float, text: str) -> Text:
    return Text(x_mm, y_mm, text, form.TEXT_MM if len(text) <= _FULL_SIZE_CHARS else _SMALL_MM, Align.RIGHT)


def _name_rows(name: str) -> list[str]:
    """Break a name where its column ends."""
    rows, start, used = [], 0, 0.0
    for place, char in enumerate(name):
        width = 1.0 if ord(char) >= _WIDE_FROM else 0.5
        if used + width > _NAME_EMS:
            rows.append(name[start:place])
            start, used = place, 0.0
        used += width
    return [*rows, name[start:]]


def _paged(lines: Sequence[Line]) -> list[list[Line]]:
    """Distribute lines to pages by the rows of their names; the last of several pages has room for both sums."""
    heights = [len(_name_rows(line.name)) for line in lines]
    pages: list[list[Line]] = [[]]
    used = 0
    for line, height in zip(lines, heights, strict=True):
        if pages[-1] and used + height > _ROWS_A_PAGE:
            pages.append([])
            used = 0
        pages[-1].append(line)
        used += height
    if len(pages) > 1 and used > _ROWS_ON_LAST and len(pages[-1]) > 1:
        pages.append([pages[-1].pop()])
    return pages
