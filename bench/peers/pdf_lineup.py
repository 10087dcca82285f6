"""All peers that draw PDF, and how to open those that are here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from bench.peers.pdf_peer import Draw, PeerFonts, PeerMissing

KEYS = ("reportlab", "pycairo", "typst", "weasyprint", "fpdf2", "chromium")
_MODULES = {key: f"bench.peers.pdf_{'cairo' if key == 'pycairo' else key}" for key in KEYS}


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that is open: its key, its name with its version, and what draws an invoice."""

    key: str
    name: str
    draw: Draw


@dataclass(frozen=True, slots=True)
class Lineup:
    """The peers of this machine; ``missing`` says by key how to get the others."""

    peers: tuple[Peer, ...]
    missing: dict[str, str]


def open_peer(key: str, fonts: PeerFonts) -> AbstractContextManager[tuple[str, Draw]]:
    """Return a context that yields a peer's name and what draws an invoice."""
    opened = import_module(_MODULES[key]).open_peer(fonts)
    return cast("AbstractContextManager[tuple[str, Draw]]", opened)


@contextmanager
def open_lineup(fonts: PeerFonts, keys: tuple[str, ...]) -> Iterator[Lineup]:
    """Open those of these peers that are here; close all at the end."""
    with ExitStack() as stack:
        peers, missing = [], {}
        for key in keys:
            try:
                name, draw = stack.enter_context(open_peer(key, fonts))
            except PeerMissing as absence:
                missing[key] = str(absence)
            else:
                peers.append(Peer(key, name, draw))
        yield Lineup(tuple(peers), missing)
