"""What every case stands on: a renderer with a test identity, and the peer, set up in a folder of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from gmssl import sm2

from bench import checks
from bench.corpus import Document
from bench.peers.straightforward import Straightforward
from bench.runner import require
from render.config import RenderSettings
from render.model.invoice import Media
from render.pipeline import Renderer, RenderRequest, RenderResult
from render.sign.keys import set_up_test_identity

SIGNING_TIME = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""Fixed, so that two runs sign the same bytes."""

BACKEND = "cpu"


@dataclass(frozen=True, slots=True)
class Bed:
    """Our renderer and the peer, warm and ready.

    Attributes:
        folder: gone when the case ends.
    """

    renderer: Renderer
    peer: Straightforward
    folder: Path

    def render(self, document: Document) -> RenderResult:
        """Render one document to PDF and PNG.

        Raises:
            KaipiaoError: the document was refused.
        """
        result = self.renderer.render_batch([request(document)])[0]
        if result.error is not None:
            raise result.error
        return result

    def require_right(self, document: Document) -> None:
        """Check what both sides make of a document.

        Raises:
            CheckFailed: an output of either side is not what the document states.
        """
        require(document.name, checks.problems_of(rendered(document, self.render(document))))
        theirs = self.peer.render(document.invoice)
        seen = checks.Rendered(document.invoice, theirs["pdf"][0], tuple(theirs["png"]), is_signed=False)
        problems = [*checks.text_problems(seen), *checks.picture_problems(document.invoice, seen.pages)]
        require(f"peer, {document.name}", problems)


def request(document: Document) -> RenderRequest:
    """Return the request for both outputs of a document."""
    return RenderRequest(document.data, SIGNING_TIME, document.media, job_id=document.name)


def rendered(document: Document, result: RenderResult) -> checks.Rendered:
    """Put a document and what was made of it together for checking."""
    pdfs = [output.data for output in result.outputs if output.kind == "pdf"]
    pages = tuple(output.data for output in result.outputs if output.kind == "png")
    xml = document.data if document.media is Media.EINVOICE_XML else None
    return checks.Rendered(document.invoice, pdfs[0], pages, xml)


@contextmanager
def open_bed() -> Iterator[Bed]:
    """Set up a test identity, a renderer and the peer; remove what was written at the end."""
    with TemporaryDirectory(prefix="kaipiao-bench-") as name:
        folder = Path(name)
        settings = RenderSettings.from_mapping({"KAIPIAO_HOME": str(folder / "home")})
        set_up_test_identity(folder / "home", now=SIGNING_TIME)
        renderer = Renderer(settings)
        kai, mono = (renderer.fonts.face(role).path for role in ("kai", "mono"))
        yield Bed(renderer, Straightforward(kai, mono, *_peer_keys()), folder)


def _peer_keys() -> tuple[str, str]:
    """Return a fresh SM2 key pair in hexadecimal, private and public."""
    private = f"{secrets.randbelow(int(sm2.default_ecc_table['n'], 16) - 2) + 1:064x}"
    curve = sm2.CryptSM2(private_key=private, public_key="")
    return private, curve._kg(int(private, 16), sm2.default_ecc_table["g"])  # noqa: SLF001 gmssl has no other way
