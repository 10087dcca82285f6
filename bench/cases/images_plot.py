"""Draws an images report as SVG: for each resolution, milliseconds against bytes of every writer of files."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 1000, 700

_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 70, 60
_COLORS: Mapping[str, tuple[str, str]] = {
    "png": ("PNG", "#1864ab"),
    "tiff": ("TIFF", "#2b8a3e"),
    "webp": ("WebP", "#862e9c"),
    "jpeg": ("JPEG q85", "#c92a2a"),
    "g4": ("TIFF G4, bilevel", "#5c3d00"),
}
_OURS = "Kaipiao"
_FONT_PX = 12
_CHAR_PX, _BOLD_CHAR_PX = 6.9, 7.6
_RADIUS = 5
_STEPS = (1, 2, 5)
_ROOM = 1.25
_CASE = re.compile(r"images\.(\d+)dpi\.lines_(\d+)\.([a-z0-9]+)(_small)?(?:\.(\w+))?")
_VERSION = re.compile(r" ?\d+(?:\.\d+)+| \((?:pyvips|fpng-py)[^)]*\)|, own framing")


@dataclass(frozen=True, slots=True)
class Point:
    """A writer of files: what it makes, how large, how fast."""

    form: str
    label: str
    bytes: int
    ms: float
    is_ours: bool


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        is_beside = self.right < other.left or other.right < self.left
        return not (is_beside or self.bottom < other.top or other.bottom < self.top)


def write_plots(rows: Mapping[tuple[str, str], Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write a plot for each resolution and number of lines in a report.

    Args:
        rows: of the report, by case and backend, as :func:`bench.report.load` returns them.
        folder: where the files go.

    Raises:
        ValueError: the report is not of ``images``.
    """
    groups: dict[tuple[str, str], list[Point]] = {}
    for (case, _), row in rows.items():
        found = _CASE.fullmatch(case)
        if found is not None and found[3] in _COLORS:
            groups.setdefault((found[1], found[2]), []).extend(_points(found, row))
    if not groups:
        raise ValueError("the report has no rows of `images`")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for (dpi, lines), points in groups.items():
        files.append(folder / f"images-{dpi}dpi-{lines}-lines.svg")
        title = f"One page at {dpi} dpi, invoices of {lines} line{'s' if lines != '1' else ''}, one core"
        files[-1].write_text(draw(title, list(dict.fromkeys(points))), encoding="utf-8")
    return files


def _points(found: re.Match[str], row: Mapping[str, Any]) -> Iterator[Point]:
    """Yield what a row says of ours, and of the library beside it unless it stands there for comparison only."""
    small = ", small" if found[4] else ""
    yield Point(found[3], f"{_OURS}{small}", row["bytes"], row["median_ms"], is_ours=True)
    if found[5] and row["peer_median_ms"] is not None:
        name = " ".join(_VERSION.sub("", row["peer"]).split()).replace(" (default)", "")
        yield Point(found[3], name, row["peer_bytes"], row["peer_median_ms"], is_ours=False)


def draw(title: str, points: Sequence[Point]) -> str:
    """Return the plot as SVG: both axes logarithmic, ours filled, libraries as rings."""
    x_range, y_range = _range(point.bytes for point in points), _range(point.ms for point in points)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="{_FONT_PX}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="26" font-size="17" font-weight="bold">{html.escape(title)}</text>',
        *_legend(points),
        *_axes(x_range, y_range),
    ]
    places = [(_x(point.bytes, x_range), _y(point.ms, y_range)) for point in points]
    taken = [_Box(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in places]
    # Ours first, so that theirs make room.
    for point, (x, y) in sorted(zip(points, places, strict=True), key=lambda pair: not pair[0].is_ours):
        color = _COLORS[point.form][1]
        box = _free_box(x, y, point.label, taken, is_bold=point.is_ours)
        taken.append(box)
        fill, weight = (color, "bold") if point.is_ours else ("#ffffff", "normal")
        middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
        if math.dist(middle, (x, y)) > (box.right - box.left) / 2 + 4 * _RADIUS:
            parts.append(f'<path d="M{x:.1f} {y:.1f}L{middle[0]:.1f} {middle[1]:.1f}" stroke="#adb5bd"/>')
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}" fill="{fill}" stroke="{color}" stroke-width="2"/>'
            f'<text x="{box.left:.1f}" y="{box.bottom - 3:.1f}" fill="{color}" font-weight="{weight}">'
            f"{html.escape(point.label)}</text>"
        )
    return "\n".join((*parts, "</svg>", ""))


def _free_box(x: float, y: float, label: str, taken: Sequence[_Box], *, is_bold: bool) -> _Box:
    """Return the nearest place for a label where no point and no other label is; else the nearest of all."""
    width, height = len(label) * (_BOLD_CHAR_PX if is_bold else _CHAR_PX), _FONT_PX + 2
    gap = _RADIUS + 3
    candidates = [
        (x + gap, y - height / 2),
        (x - gap - width, y - height / 2),
        *((x + side, y + step) for step in (-height - gap, gap) for side in (-width / 2, gap, -gap - width)),
        *(
            (x + side, y - height / 2 + sign * step * height)
            for step in range(1, 9)
            for sign in (-1, 1)
            for side in (gap, -gap - width, -width / 2)
        ),
    ]
    boxes = [_Box(left, top, left + width, top + height) for left, top in candidates]
    inside = [box for box in boxes if box.left >= _LEFT and box.right <= WIDTH - 2 and box.top >= _TOP]
    free = (box for box in inside if box.bottom <= HEIGHT - _BOTTOM and not any(map(box.meets, taken)))
    return next(free, boxes[0])


def _legend(points: Sequence[Point]) -> Iterator[str]:
    x = float(_LEFT)
    for form in dict.fromkeys(point.form for point in points):
        name, color = _COLORS[form]
        yield f'<circle cx="{x + 6:.1f}" cy="46" r="{_RADIUS}" fill="{color}"/>'
        yield f'<text x="{x + 16:.1f}" y="50">{name}</text>'
        x += 34 + len(name) * _CHAR_PX
    yield f'<text x="{x + 10:.1f}" y="50" fill="#495057">filled: {_OURS}; rings: libraries; lower left is better</text>'


def _axes(x_range: tuple[float, float], y_range: tuple[float, float]) -> Iterator[str]:
    for tick in _ticks(x_range):
        x = _x(tick, x_range)
        yield f'<path d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}" stroke="#e9ecef"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{tick / 1000:,g}</text>'
    for tick in _ticks(y_range):
        y = _y(tick, y_range)
        yield f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="#e9ecef"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>'
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">kilobytes a page (1,000 bytes)</text>'
    at = (_TOP + HEIGHT - _BOTTOM) / 2
    yield f'<text transform="translate(18 {at}) rotate(-90)" text-anchor="middle">milliseconds a page, median</text>'


def _range(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found) / _ROOM, max(found) * _ROOM


def _ticks(span: tuple[float, float]) -> list[float]:
    low, high = (math.floor(math.log10(value)) for value in span)
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in _STEPS]
    return [tick for tick in ticks if span[0] <= tick <= span[1]]


def _x(value: float, span: tuple[float, float]) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * _share(value, span)


def _y(value: float, span: tuple[float, float]) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * _share(value, span)


def _share(value: float, span: tuple[float, float]) -> float:
    return math.log(value / span[0]) / math.log(span[1] / span[0])
