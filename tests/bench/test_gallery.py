import io
import re
from pathlib import Path

from PIL import Image

from bench.gallery import Card, write_gallery, write_thumbnail


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "PNG")
    return buffer.getvalue()


def test_page_escapes_what_invoices_say_and_needs_no_network(tmp_path: Path) -> None:
    cards = [
        Card("1", "<script>alert(1)</script>", "files/1.pdf", ("files/1.png", "files/1-p2.png"), ("red",)),
        Card("2", "plain", "files/2.pdf", ("files/2.png",), ("exempt",), ("pdfium does not find '<b>'",)),
    ]
    text = write_gallery(tmp_path, "Title & more", "2 invoices", cards).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "Title &amp; more" in text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert text.count('loading="lazy"') == 2
    assert text.index('data-features="failed exempt"') < text.index('data-features="red"')
    assert "files/1-p2.png" in text


def test_thumbnail_is_small_and_made_once(tmp_path: Path) -> None:
    name = write_thumbnail(tmp_path, "7", png(2480, 1654))
    path = tmp_path / name
    with Image.open(path) as image:
        assert image.width == 600
    before = path.stat().st_mtime_ns
    assert write_thumbnail(tmp_path, "7", png(30, 20)) == name
    assert path.stat().st_mtime_ns == before
