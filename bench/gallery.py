"""Writes what the demo made as one static page that needs no network: thumbnails, links, filters by feature."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from PIL import Image

THUMBNAIL_PX = (600, 400)
THUMBNAILS = "thumbnails"
PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class Card:
    """One invoice of the gallery.

    Attributes:
        pdf, pictures: files relative to the page.
        caption: a few words on it; ``problems``: what the checks found wrong.
    """

    number: str
    caption: str
    pdf: str
    pictures: tuple[str, ...]
    features: tuple[str, ...]
    problems: tuple[str, ...] = field(default=())


def write_thumbnail(folder: Path, number: str, png: bytes) -> str:
    """Write a small picture of a page unless it is there, and return its name relative to the gallery's page."""
    name = f"{THUMBNAILS}/{number}.png"
    path = folder / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            small = image.convert("RGB")
            # Halves first: a thin rule survives as a shade instead of vanishing between samples.
            small.thumbnail(THUMBNAIL_PX, Image.Resampling.LANCZOS, reducing_gap=2.0)
            small.quantize(64).save(path, "PNG", optimize=True)
    return name


def write_gallery(folder: Path, title: str, summary: str, cards: Sequence[Card]) -> Path:
    """Write the page and return its path; failed invoices come first."""
    ordered = sorted(cards, key=lambda card: (not card.problems, card.number))
    template = Template((Path(__file__).with_name("gallery.html")).read_text(encoding="utf-8"))
    text = template.substitute(
        title=html.escape(title), summary=html.escape(summary), cards="\n".join(_article(card) for card in ordered)
    )
    page = folder / PAGE
    page.write_text(text, encoding="utf-8")
    return page


def _article(card: Card) -> str:
    links = [f'<a href="{html.escape(card.pdf)}">PDF</a>'] if card.pdf else []
    links += [
        f'<a href="{html.escape(path)}">PNG{"" if place == 0 else f" p{place + 1}"}</a>'
        for place, path in enumerate(card.pictures)
    ]
    features = ["failed", *card.features] if card.problems else list(card.features)
    problems = "".join(f"<li>{html.escape(problem)}</li>" for problem in card.problems)
    first = html.escape(card.pictures[0]) if card.pictures else ""
    thumbnail = (
        f'<a href="{first}"><img loading="lazy" alt="{html.escape(card.number)}" '
        f'src="{THUMBNAILS}/{html.escape(card.number)}.png"></a>'
    )
    return (
        f'<article class="{"failed" if card.problems else "right"}" data-features="{html.escape(" ".join(features))}">'
        f"{thumbnail if first else ''}"
        f'<div><span class="number">{html.escape(card.number)}</span> {" · ".join(links)}'
        f"<br>{html.escape(card.caption)}"
        f'<br><span class="features">{html.escape(", ".join(features).replace("_", " "))}</span>'
        f"{f'<ul class=problems>{problems}</ul>' if problems else ''}</div></article>"
    )
