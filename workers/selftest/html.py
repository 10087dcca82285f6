"""The report of a self-test as one HTML file that needs nothing else: table, plot and picture."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape

from workers.selftest.report import BatchTime, Outcome, SelfTest, figure_text

_WIDTH, _HEIGHT, _MARGIN = 760, 340, 60
_COLOURS = {Outcome.OK: "#1a7f37", Outcome.FAILED: "#b3261e", Outcome.MISSING: "#9a6700", Outcome.LEFT_OUT: "#57606a"}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d0d7de;padding:.35rem .6rem;text-align:left;
vertical-align:top}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
img{max-width:100%;border:1px solid #d0d7de}
svg text{font:12px system-ui,sans-serif;fill:#57606a}
"""


def to_html(test: SelfTest) -> str:
    """Return the whole page."""
    verdict = "passed" if test.passed else "not passed"
    card = test.card["name"] if test.card else "no device"
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Kaipiao GPU self-test</title>",
        f"<style>{_STYLE}</style><h1>Kaipiao GPU self-test: {verdict}</h1>",
        f"<p>{escape(str(card))} · Kaipiao {escape(test.version)} · {escape(test.made_at)}</p>",
        _steps(test),
        _batches(test.batches),
        *(_picture(name, data) for name, data in test.pictures.items()),
        "</html>\n",
    ]
    return "\n".join(parts)


def _steps(test: SelfTest) -> str:
    rows = []
    for step in test.steps:
        remedy = f"<br><b>→ {escape(step.remedy)}</b>" if step.remedy else ""
        figures = "".join(f"<br>{escape(name)}: {figure_text(value)}" for name, value in step.figures.items())
        outcome = f"<b style='color:{_COLOURS[step.outcome]}'>{escape(step.outcome)}</b>"
        rows.append(f"<tr><td>{escape(step.name)}<td>{outcome}<td>{escape(step.detail)}{remedy}{figures}")
    return f"<h2>Steps</h2><table><tr><th>step<th>outcome<th>found{''.join(rows)}</table>"


def _batches(batches: Sequence[BatchTime]) -> str:
    if not batches:
        return "<h2>Batches</h2><p>Nothing was measured: there is no device.</p>"
    rows = []
    for batch in batches:
        cpu = f"{batch.cpu_ms:,.2f}" if batch.cpu_ms is not None else "–"
        numbers = (
            f"{batch.pages:,}",
            f"{batch.device_ms:,.2f}",
            f"{1000 * batch.pages / batch.device_ms:,.0f}",
            cpu,
            f"{batch.bytes_a_page:,.0f}",
        )
        rows.append("<tr>" + "".join(f"<td class=number>{number}" for number in numbers))
    heads = ("pages", "device ms", "device pages/s", "CPU ms", "bytes a page")
    table = f"<table><tr>{''.join(f'<th class=number>{head}' for head in heads)}{''.join(rows)}</table>"
    return f"<h2>Batches, display list to PNG in memory, transfers included</h2>{_plot(batches)}{table}"


def _plot(batches: Sequence[BatchTime]) -> str:
    """Return pages a second over pages of a batch, both axes logarithmic, as SVG."""
    device = [(batch.pages, 1000 * batch.pages / batch.device_ms) for batch in batches]
    cpu = [(batch.pages, 1000 * batch.pages / batch.cpu_ms) for batch in batches if batch.cpu_ms is not None]
    rates = [rate for _, rate in (*device, *cpu)]
    low, high = math.floor(math.log10(min(rates))), math.ceil(math.log10(max(rates)))
    high = max(high, low + 1)
    last = max(1.0, math.log2(batches[-1].pages))

    def place(pages: float, rate: float) -> tuple[float, float]:
        x = _MARGIN + math.log2(pages) / last * (_WIDTH - 2 * _MARGIN)
        y = _HEIGHT - _MARGIN - (math.log10(rate) - low) / (high - low) * (_HEIGHT - 2 * _MARGIN)
        return round(x, 1), round(y, 1)

    parts = [f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='pages a second by batch size'>"]
    for decade in range(low, high + 1):
        _, y = place(1, 10**decade)
        parts.append(f"<line x1='{_MARGIN}' x2='{_WIDTH - _MARGIN}' y1='{y}' y2='{y}' stroke='#d0d7de'/>")
        parts.append(f"<text x='{_MARGIN - 8}' y='{y + 4}' text-anchor='end'>{10.0**decade:,g}</text>")
    for batch in batches:
        x, _ = place(batch.pages, 10**low)
        parts.append(f"<text x='{x}' y='{_HEIGHT - _MARGIN + 18}' text-anchor='middle'>{batch.pages}</text>")
    for name, points, colour in (("device", device, "#0969da"), ("CPU, one core", cpu, "#9a6700")):
        if not points:
            continue
        spots = [place(*point) for point in points]
        line = " ".join(f"{x},{y}" for x, y in spots)
        parts.append(f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [f"<circle cx='{x}' cy='{y}' r='3' fill='{colour}'/>" for x, y in spots]
        x, y = spots[-1]
        parts.append(f"<text x='{x}' y='{y - 10}' text-anchor='end' style='fill:{colour}'>{name}</text>")
    parts.append(f"<text x='{_MARGIN}' y='20'>pages a second, by pages of a batch</text></svg>")
    return "".join(parts)


def _picture(name: str, data: bytes) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return f"<h2>{escape(name)}</h2><img alt='{escape(name)}' src='data:image/png;base64,{encoded}'>"
