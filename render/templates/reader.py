"""``template.toml`` → :class:`TemplateSpec`; every value is checked, and nothing is guessed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from render.display.kernels.resolve import NO_SCALE
from render.display.resolve import Align
from render.errors import ConfigError
from render.fonts.registry import ROLES
from render.templates.section import Section
from render.templates.spec import (
    Box,
    Caption,
    Cell,
    Color,
    Fit,
    Mark,
    PageKind,
    Paging,
    Rule,
    Strip,
    Table,
    TemplateSpec,
)

MAX_ROWS = 100
_REQUIRED_COLORS = ("label", "sample_seal", "watermark")
_ALIGNS = {"left": Align.LEFT, "center": Align.CENTER, "right": Align.RIGHT}


def read_toml(path: Path) -> dict[str, Any]:
    """Return a template file's tables; numbers with a point as :class:`~decimal.Decimal`.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"template file {path.name} cannot be read: {error}.", hint="Mend the template file.") from (
            error
        )


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` with the values of ``above`` laid over it, table by table; lists are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        merged[key] = merge(lower, value) if isinstance(lower, dict) and isinstance(value, dict) else value
    return merged


def read_spec(values: Mapping[str, Any], place: str) -> TemplateSpec:
    """Check a template's merged tables.

    Args:
        values: the tables without ``extends`` and ``abstract``.
        place: what error messages call the template.

    Raises:
        ConfigError: a value is missing, unknown or of the wrong kind; the message names it.
    """
    root = Section(dict(values), place)
    page = root.section("page")
    size, ascent = (page.length("width"), page.length("height")), page.ratio("ascent")
    page.close()
    colors = _colors(root.section("colors"))
    rules = root.section("rules")
    rule_width, rule_lines = rules.length("width"), tuple(_rules(rules.section("lines")))
    rules.close()
    cell_reader = _CellReader(root, colors, ascent)
    spec = TemplateSpec(
        page_um=size,
        colors=colors,
        rule_width_um=rule_width,
        rules=rule_lines,
        strips=tuple(_strips(root.section("strips"), colors)),
        marks=tuple(_marks(root.section("marks"))),
        captions=tuple(_captions(root.section("captions", defaults=None), root.section("caption").table())),
        seal_box_um=_only_box(root.section("seal")),
        qr_box_um=_only_box(root.section("qr")),
        cells=cell_reader.cells(root.section("cells")),
        table=cell_reader.table(root.section("table")),
        paging=_paging(root.section("paging")),
    )
    root.close()
    return spec


def _only_box(section: Section) -> Box:
    box = section.box("box")
    section.close()
    return box


def _colors(section: Section) -> dict[str, Color]:
    colors: dict[str, Color] = {}
    for name in section.names():
        value = section.raw(name)
        parts = [part for part in value if type(part) is int and 0 <= part <= 255] if isinstance(value, list) else []
        if not isinstance(value, list) or not len(value) == len(parts) == 3:
            section.fail(name, "must be [red, green, blue] from 0 to 255")
        colors[name] = (parts[0], parts[1], parts[2])
    for name in _REQUIRED_COLORS:
        if name not in colors:
            section.fail(name, "is missing")
    return colors


def _color(section: Section, colors: Mapping[str, Color]) -> Color:
    name = section.text("color")
    if name not in colors:
        section.fail("color", f"names no color; there are {', '.join(colors)}")
    return colors[name]


def _pages(section: Section) -> frozenset[PageKind]:
    if "pages" not in section:
        return frozenset(PageKind)
    value = section.raw("pages")
    known = {kind.value for kind in PageKind}
    if not isinstance(value, list) or not value or not all(isinstance(kind, str) and kind in known for kind in value):
        section.fail("pages", f"must be a list of {', '.join(sorted(known))}")
    return frozenset(map(PageKind, value))


def _role(section: Section) -> str:
    role = section.text("role")
    if role not in ROLES:
        section.fail("role", f"must be one of {', '.join(ROLES)}")
    return role


def _rules(section: Section) -> Iterator[Rule]:
    for name in section.names():
        x0, y0, x1, y1 = section.lengths(name, 4)
        yield Rule(name, (x0, y0), (x1, y1))


def _strips(section: Section, colors: Mapping[str, Color]) -> Iterator[Strip]:
    for name, entry in section.sections():
        yield Strip(name, entry.box("box"), _color(entry, colors))
        entry.close()


def _marks(section: Section) -> Iterator[Mark]:
    for name, entry in section.sections():
        x, y = entry.lengths("center", 2)
        yield Mark(name, (x, y), entry.length("radius"), entry.length("width"), _pages(entry))
        entry.close()


def _captions(section: Section, defaults: Mapping[str, Any]) -> Iterator[Caption]:
    for name, entry in section.sections(defaults=defaults):
        text = entry.text("text")
        is_column = isinstance(entry.raw("baseline"), list)
        baselines = entry.lengths("baseline", len(text)) if is_column else (entry.length("baseline"),)
        given = entry.lengths("steps")
        steps = () if is_column else (given + given[-1:] * len(text))[: len(text) - 1]
        yield Caption(
            name=name,
            text=text,
            role=_role(entry),
            size_um=entry.length("size"),
            x_um=entry.length("x"),
            baselines_um=baselines,
            steps_um=steps,
            xscale=entry.integer("xscale", 1, 2 * NO_SCALE),
            pages=_pages(entry),
        )
        entry.close()


class _CellReader:
    """Reads cells and table columns, which share defaults, colours and named fits."""

    def __init__(self, root: Section, colors: Mapping[str, Color], ascent: Decimal) -> None:
        self._defaults = root.section("cell").table()
        self._named_fits = root.section("fits").table()
        self._colors = colors
        self._ascent = ascent

    def cells(self, section: Section) -> dict[str, Cell]:
        """Return the value cells by name."""
        cells = {}
        for name, entry in section.sections(defaults=self._defaults):
            fits = self._fits(entry)
            if "baseline" in entry:
                baselines = (entry.length("baseline"),) * len(fits)
            else:
                top = entry.length("text_top")
                baselines = tuple(top + self._rise(fit.size_um) for fit in fits)
            tag = entry.text("tag") if "tag" in entry else name
            cells[name] = self._cell(entry, tag, entry.box("box"), baselines, fits)
        return cells

    def table(self, section: Section) -> Table:
        """Return the item table."""
        pitch, baseline = section.length("row_pitch"), section.length("baseline")
        columns = {}
        for name, entry in section.section("columns").sections(defaults=self._defaults):
            left, right = entry.lengths("extent", 2)
            fits = self._fits(entry)
            columns[name] = self._cell(entry, name, (left, 0, right, pitch), (baseline,) * len(fits), fits)
        table = Table(section.length("top"), pitch, columns)
        section.close()
        return table

    def _cell(self, entry: Section, tag: str, box: Box, baselines: tuple[int, ...], fits: tuple[Fit, ...]) -> Cell:
        align = entry.text("align")
        if align not in _ALIGNS:
            entry.fail("align", f"must be one of {', '.join(_ALIGNS)}")
        cell = Cell(
            tag=tag,
            role=_role(entry),
            color=_color(entry, self._colors),
            align=_ALIGNS[align],
            box_um=box,
            baselines_um=baselines,
            fits=fits,
        )
        entry.close()
        return cell

    def _fits(self, entry: Section) -> tuple[Fit, ...]:
        given = entry.raw("fits")
        if isinstance(given, str):
            given = self._named_fits.get(given)
        if not isinstance(given, list) or not given:
            entry.fail("fits", "must be a list of sizes, or name one under [fits]")
        defaults = {"pitch": 0, "lines": 1, "symbol": 0}
        fits = []
        for place, value in enumerate(given):
            fit = Section(value, f"fits[{place}]", defaults=defaults)
            lines = fit.integer("lines", 0, MAX_ROWS)
            fits.append(Fit(fit.length("size"), fit.length("pitch"), lines, fit.length("symbol")))
            fit.close()
        return tuple(fits)

    def _rise(self, size_um: int) -> int:
        return int((self._ascent * size_um).to_integral_value(ROUND_HALF_UP))


def _paging(section: Section) -> Paging:
    rows = {kind: section.integer(kind.value, 1, MAX_ROWS) for kind in PageKind}
    if rows[PageKind.LAST] > rows[PageKind.SINGLE]:
        section.fail("last", "must not exceed single: a last page holds the same and a subtotal")
    paging = Paging(rows, section.flag("is_provisional"))
    section.close()
    return paging
