"""The case of picture formats runs once over the corner of a page; only that each row has a peer is asserted."""

import json
from dataclasses import replace

import pytest

from bench.__main__ import main
from bench.cases import formats
from render.encode.formats import FORMATS

pytestmark = [pytest.mark.fonts, pytest.mark.slow]


def test_every_format_mode_and_level_has_a_row_beside_pillow(tmp_path, monkeypatch):
    pages = formats._pages
    monkeypatch.setattr(formats, "DPI", 100)
    monkeypatch.setattr(formats, "_REPEATS", 1)
    monkeypatch.setattr(formats, "_pages", lambda count: map(_corner_with_qr_code, pages(count)))
    path = tmp_path / "report.json"
    assert main(["run", "formats", "--count", "1", "--json", str(path)]) == 0
    rows = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert [row["case"] for row in rows] == [
        f"formats.{kind}.{mode}.{level}"
        for kind, one in FORMATS.items()
        for mode in one.encoders
        for level in one.levels
    ]
    for row in rows:
        assert (row["peer"], row["backend"]) == ("Pillow", FORMATS[row["case"].split(".")[1]].library)
        assert min(row["median_ms"], row["peer_median_ms"], row["bytes"], row["peer_bytes"]) > 0


def _corner_with_qr_code(page):
    """Return a tenth of the page: HEIF and AVIF of all of it would take most of a minute."""
    return replace(page, index=page.index[:160, :280].copy())


def test_a_file_with_other_pixels_or_without_its_qr_code_is_not_timed():
    (page,) = formats._pages(1)
    image = formats._image(page, "grey")
    white = formats._image(page, "grey").point(lambda value: 255)
    data = formats._pillows({"format": "PNG"}, page, white)
    assert formats._problems("png", data, image) == ["the pixels differ", "the QR code cannot be read"]
    assert formats._problems("png", formats._pillows({"format": "PNG"}, page, image), image) == []
