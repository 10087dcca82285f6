"""Contact sheets: every template as we draw it beside pdfium's picture of our PDF, whole and enlarged, for eyes.

Each row is a part of the page, ours left and pdfium's right; at 400 % every pixel is a square of 4 × 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console

from bench.cases.images_beside import draw_with_pdfium
from bench.cases.images_page import Workshop, open_workshop
from bench.cases.images_samples import Sample, samples
from render.layout.engine import layout_invoice
from render.templates.spec import Box, TemplateSpec
from render.units import um_to_px

U1 = NDArray[np.uint8]

DPI = 150
ZOOM = 4

_GAP_PX = 12
_CAPTION_PX = 22
_FONT_PX = 15
_GROUND, _INK = (222, 226, 230), (33, 37, 41)
_MARGIN_UM = 1500
_CROP_UM = (46_000, 20_000)
_SEAL_PX = (900, 600)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page to look at closely."""

    name: str
    box_um: Box


def write_sheets(folder: Path, console: Console) -> list[Path]:
    """Write a sheet for each template, in blue and red, with the sample seal and with a picture as seal.

    Returns:
        The files, PNG.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with TemporaryDirectory(prefix="kaipiao-bench-") as name:
        seal = Path(name) / "seal.png"
        made_up_seal().save(seal)
        for suffix, path in (("", None), ("-picture-seal", seal)):
            with open_workshop(path) as workshop:
                for sample in samples():
                    if path is not None and not sample.name.endswith("blue_1"):
                        continue
                    files.append(folder / f"{sample.name.replace('.', '-')}{suffix}.png")
                    _sheet(workshop, sample).save(files[-1])
                    console.print(f"Written: {files[-1]}")
    return files


def parts_of(spec: TemplateSpec) -> Iterator[Part]:
    """Return the parts of a page: seal and title, QR code, parties, the table's corner and first row, sums, foot."""
    left, top, right, bottom = spec.seal_box_um
    seal = (left - _MARGIN_UM, max(0, top - _MARGIN_UM), right + _MARGIN_UM, bottom + _MARGIN_UM)
    yield Part("title and seal", seal)
    left, top, right, bottom = spec.qr_box_um
    yield Part("QR code", (left - _MARGIN_UM, top - _MARGIN_UM, right + _MARGIN_UM, bottom + _MARGIN_UM))
    columns, row = spec.table.columns, spec.table.top_um
    for name, at in (
        ("number and date", spec.cells["number"].box_um[:2]),
        ("buyer", spec.cells["buyer.name"].box_um[:2]),
        ("seller's tax id", spec.cells["seller.tax_id"].box_um[:2]),
        ("first line, names", (columns["name"].box_um[0], row)),
        ("first line, sums", (columns["amount"].box_um[0], row)),
        ("sums", spec.cells["total_amount"].box_um[:2]),
        ("words and total", spec.cells["total_words"].box_um[:2]),
        ("clerk", spec.cells["clerk"].box_um[:2]),
    ):
        yield Part(name, _crop_at(spec, at[0], at[1]))
    width, height = spec.page_um
    yield Part("lower right corner", _crop_at(spec, width, height))


def _crop_at(spec: TemplateSpec, x: int, y: int) -> Box:
    """Return a crop of the usual size with this point near its top left, moved into the page."""
    left = min(max(0, x - 3 * _MARGIN_UM), spec.page_um[0] - _CROP_UM[0])
    top = min(max(0, y - 3 * _MARGIN_UM), spec.page_um[1] - _CROP_UM[1])
    return left, top, left + _CROP_UM[0], top + _CROP_UM[1]


def _sheet(workshop: Workshop, sample: Sample) -> Image.Image:
    """Return the sheet of an invoice's first page, and of its last where it has more."""
    template = workshop.renderer.template(sample.invoice.kind.value)
    display = layout_invoice(sample.invoice, template)
    pdf = workshop.pdf(display, template)
    rows: list[tuple[str, U1, U1]] = []
    for page, pixels in enumerate(workshop.pages(template, display, DPI)):
        if page not in (0, display.n_pages - 1):
            continue
        ours, theirs = pixels.rgb(), draw_with_pdfium(pdf, page, pixels.index.shape, DPI)
        rows.append((f"{sample.name}, page {page + 1}, {DPI} dpi, 100 %", ours, theirs))
        rows += [
            (f"{part.name}, 400 %", _enlarged(ours, part.box_um), _enlarged(theirs, part.box_um))
            for part in parts_of(template.spec)
        ]
    return _stacked(rows)


def _enlarged(rgb: U1, box_um: Box) -> U1:
    left, top, right, bottom = (um_to_px(length, DPI) for length in box_um)
    return rgb[top:bottom, left:right].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


def _stacked(rows: Sequence[tuple[str, U1, U1]]) -> Image.Image:
    """Return rows below one another, each with its caption; ours left, pdfium's right."""
    width = max(ours.shape[1] for _, ours, _ in rows)
    height = sum(ours.shape[0] + _CAPTION_PX + _GAP_PX for _, ours, _ in rows)
    sheet = Image.new("RGB", (2 * width + 3 * _GAP_PX, height + _GAP_PX), _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_PX)
    top = _GAP_PX
    for caption, ours, theirs in rows:
        for left, who, picture in ((_GAP_PX, "Kaipiao", ours), (2 * _GAP_PX + width, "pdfium", theirs)):
            draw.text((left, top), f"{who}: {caption}", fill=_INK, font=font)
            sheet.paste(Image.fromarray(picture), (left, top + _CAPTION_PX))
        top += ours.shape[0] + _CAPTION_PX + _GAP_PX
    return sheet


def made_up_seal() -> Image.Image:
    """Return an RGBA picture to stand in the seal's place: rings and a hatching, no mark of anybody."""
    width, height = _SEAL_PX
    seal = Image.new("RGBA", _SEAL_PX, (255, 255, 255, 0))
    draw = ImageDraw.Draw(seal)
    red = (225, 40, 30, 255)
    draw.ellipse((10, 10, width - 10, height - 10), outline=red, width=24)
    draw.ellipse((60, 60, width - 60, height - 60), outline=red, width=8)
    for step in range(-4, 5):
        draw.line((width / 2 + step * 60 - 120, height * 0.7, width / 2 + step * 60 + 120, height * 0.3), red, 10)
    return seal
