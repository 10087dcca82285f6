"""Our side of the PDF cases: an unsigned renderer, its clock, and what readers find in a PDF of either side."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pikepdf
import pypdfium2

from bench import checks
from bench.bed import request
from bench.corpus import Document
from bench.peers.pdf_peer import PeerFont, PeerFonts
from bench.runner import StageMs
from render.config import RenderSettings
from render.fonts.registry import FontFile
from render.model.invoice import Invoice
from render.pipeline import Renderer, RenderRequest, RenderResult

_CHECK_DPI = 300
_POINTS_AN_INCH = 72
_PAGE_POINTS = (210 / 25.4 * _POINTS_AN_INCH, 140 / 25.4 * _POINTS_AN_INCH)
_PAGE_TOLERANCE_POINTS = 0.5


class Ours:
    """A renderer that writes unsigned PDF/A-3 with the XML attached, and remembers how large they were."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self._bytes = 0
        self._files = 0

    @property
    def mean_bytes(self) -> int:
        """Mean size of all files that were measured."""
        return round(self._bytes / self._files)

    def pdf(self, document: Document) -> bytes:
        """Return the PDF of one document.

        Raises:
            KaipiaoError: the document was refused.
        """
        return _files(self.renderer.render_batch([_pdf_request(document)]))[0]

    def __call__(self, documents: Sequence[Document]) -> StageMs:
        """Render documents in one batch.

        Returns:
            Milliseconds a document: ``document`` for everything from the read invoice to the file, ``writer`` for the
            PDF writer alone, ``whole`` for the whole call. Reading the JSON and the file's SM3 digest are in ``whole``
            alone, since no peer does either.
        """
        requests = [_pdf_request(document) for document in documents]
        start = time.perf_counter()
        results = self.renderer.render_batch(requests)
        whole = time.perf_counter() - start
        files = _files(results)
        self._bytes += sum(map(len, files))
        self._files += len(files)
        # As the call itself clocked them: a digest taken by itself is slower than those of a batch.
        no_peer_ms = sum(result.stage_ms["read"] + result.stage_ms["digest"] for result in results)
        return {
            "document": (whole * 1000 - no_peer_ms) / len(results),
            "writer": sum(result.stage_ms["pdf"] for result in results) / len(results),
            "whole": whole * 1000 / len(results),
        }


@contextmanager
def open_ours(song: Path | None = None) -> Iterator[Ours]:
    """Set up a renderer that does not sign.

    Args:
        song: font file for the values, where not the one that the renderer takes by itself.
    """
    with TemporaryDirectory(prefix="kaipiao-bench-") as home:
        settings = RenderSettings.from_mapping({"KAIPIAO_HOME": home, "KAIPIAO_SIGNING": "off"})
        if song is not None:
            settings = replace(settings, fonts=replace(settings.fonts, song=FontFile(song)))
        yield Ours(Renderer(settings))


def peer_fonts(ours: Ours) -> PeerFonts:
    """Return the font files that peers draw with: ours of the form's captions, and ours of tax ids."""
    kai, mono = (PeerFont(ours.renderer.fonts.face(role).path) for role in ("kai", "mono"))
    return PeerFonts(kai, mono)


@dataclass(frozen=True, slots=True)
class Findings:
    """What readers found in a PDF: each list says what is wrong, empty where nothing is."""

    text: list[str]
    qr: list[str]
    page: list[str]
    pages: int


def findings(invoice: Invoice, pdf: bytes, families: Sequence[str]) -> Findings:
    """Read a PDF with pdfium and zxing-cpp, and look at its fonts with pikepdf.

    Args:
        invoice: what the PDF must say.
        pdf: the file.
        families: fonts that it must embed.
    """
    squeezed = _squeeze(checks.pdfium_text(pdf))
    missing = [f"{value!r} is not found" for value in checks.printed_values(invoice) if _squeeze(value) not in squeezed]
    document = pypdfium2.PdfDocument(pdf)
    try:
        first = document[0]
        image = first.render(scale=_CHECK_DPI / _POINTS_AN_INCH, grayscale=True).to_pil()
        size, pages = first.get_size(), len(document)
    finally:
        document.close()
    fonts = _embedded_fonts(pdf)
    page = [f"{name} is not embedded" for name in families if not any(_squeeze(name) in font for font in fonts)]
    if any(abs(a - b) > _PAGE_TOLERANCE_POINTS for a, b in zip(size, _PAGE_POINTS, strict=True)):
        page.append(f"the page is {size[0]:.1f} × {size[1]:.1f} points")
    return Findings(missing, checks.qr_problems(invoice, image), page, pages)


def _pdf_request(document: Document) -> RenderRequest:
    return replace(request(document), outputs=("pdf",))


def _files(results: Sequence[RenderResult]) -> list[bytes]:
    for result in results:
        if result.error is not None:
            raise result.error
    return [output.data for result in results for output in result.outputs]


def _embedded_fonts(pdf: bytes) -> list[str]:
    """Return the names of the embedded fonts."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        descriptors = [
            entry
            for entry in document.objects
            if isinstance(entry, pikepdf.Dictionary) and entry.get("/Type") == "/FontDescriptor"
        ]
        return [
            str(entry["/FontName"]).replace("-", "")
            for entry in descriptors
            if any(key in entry for key in ("/FontFile", "/FontFile2", "/FontFile3"))
        ]


def _squeeze(text: str) -> str:
    return "".join(text.split()).replace("\ufffe", "-")
