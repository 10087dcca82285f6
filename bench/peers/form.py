"""The fixed form that peers draw: captions and rules of the 数电票, in millimetres from the top left."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from render.model.invoice import InvoiceKind, Line, Treatment

PAGE_MM = (210.0, 140.0)
TEXT_MM = 3.175
ROW_MM = 4.5
ROWS_A_PAGE = 7
NAME_CHARS = 11
REMARK_CHARS = 60
PARTY_CHARS = 26
MAROON = (128 / 255, 0.0, 0.0)
TITLES = {
    InvoiceKind.VAT_SPECIAL: "电子发票（增值税专用发票）",
    InvoiceKind.VAT_ORDINARY: "电子发票（普通发票）",
}

HORIZONTAL_MM = (30, 52, 96, 104, 124)
RULES_MM: tuple[tuple[float, float, float, float], ...] = (
    (65.5, 18, 138.5, 18),
    (65.5, 19, 138.5, 19),
    *((4.5, y, 205.5, y) for y in HORIZONTAL_MM),
    *((x, 30, x, 124) for x in (4.5, 205.5)),
    *((x, 30, x, 52) for x in (10.7, 105.2, 111.2)),
    (56.5, 96, 56.5, 104),
    (10.7, 104, 10.7, 124),
)


@dataclass(frozen=True, slots=True)
class Caption:
    """Fixed text with its left end and baseline."""

    x_mm: float
    y_mm: float
    text: str
    size_mm: float = TEXT_MM


def _down(x_mm: float, first_mm: float, pitch_mm: float, text: str) -> tuple[Caption, ...]:
    return tuple(Caption(x_mm, first_mm + place * pitch_mm, char) for place, char in enumerate(text))


CAPTIONS_OF_EVERY_PAGE = (
    Caption(154.5, 14, "发票号码："),
    Caption(154.5, 20, "开票日期："),
    *_down(6, 35.5, 3.5, "购买方信息"),
    *_down(106.5, 35.5, 3.5, "销售方信息"),
    *_down(6, 112, 6, "备注"),
    Caption(11.5, 36.5, "名称："),
    Caption(112, 36.5, "名称："),
    Caption(11.5, 47, "统一社会信用代码/纳税人识别号：", 2.7),
    Caption(112, 47, "统一社会信用代码/纳税人识别号：", 2.7),
    Caption(16, 56, "项目名称"),
    Caption(42.1, 56, "规格型号"),
    Caption(67, 56, "单 位"),
    Caption(93, 56, "数 量"),
    Caption(118, 56, "单 价"),
    Caption(143.5, 56, "金 额"),
    Caption(157.5, 56, "税率/征收率"),
    Caption(194.5, 56, "税 额"),
    Caption(19.5, 132.5, "开票人："),
)
CAPTIONS_OF_SUMS = (
    Caption(20.5, 95, "合"),
    Caption(36.5, 95, "计"),
    Caption(17, 101.5, "价税合计（大写）"),
    Caption(143.5, 101.5, "（小写）"),
)
CAPTIONS = (*CAPTIONS_OF_EVERY_PAGE, *CAPTIONS_OF_SUMS)


def rate_text(line: Line) -> str:
    """Return the rate as it is printed: ``13%``, 免税 or 不征税."""
    if line.treatment is not Treatment.TAXED:
        return "免税" if line.treatment is Treatment.EXEMPT else "不征税"
    return f"{(line.rate * 100).normalize():f}%"


def tax_text(line: Line) -> str:
    """Return the tax as it is printed."""
    return money(line.tax) if line.treatment is Treatment.TAXED else "***"


def money(value: Decimal) -> str:
    """Return an amount with two decimals and no thousands separators."""
    return f"{value:.2f}"


def wrapped(text: str, chars: int) -> list[str]:
    """Cut a text into rows of so many characters."""
    return [text[start : start + chars] for start in range(0, len(text), chars)] or [""]


def paged(lines: tuple[Line, ...]) -> list[list[Line]]:
    """Distribute lines to pages by the rows that their wrapped names take."""
    pages: list[list[Line]] = [[]]
    used = 0
    for line in lines:
        rows = len(wrapped(line.name, NAME_CHARS))
        if pages[-1] and used + rows > ROWS_A_PAGE:
            pages.append([])
            used = 0
        pages[-1].append(line)
        used += rows
    return pages
