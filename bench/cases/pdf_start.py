"""Milliseconds from a fresh process to the first PDF, of the first PDF of a ready process, and of those after it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bed import BACKEND
from bench.cases.pdf_child import OURS
from bench.cases.pdf_ours import open_ours, peer_fonts
from bench.corpus import typical
from bench.measurement import Row
from bench.peers.pdf_lineup import KEYS, open_lineup
from bench.peers.pdf_peer import PeerFonts
from bench.runner import one_core

DEFAULT_COUNT = 5
NOTES = (
    "--count is how many fresh processes each side gets, in turn; each draws a few different invoices",
    "cold: from the start of the interpreter to the first file, with all imports, fonts and templates",
    "first: the first file once all that is loaded; steady: the files after the third",
    "ours reads its invoices from JSON within these times; a peer is given them read",
    "each side ran once before, so that compiled code and the files of the system are in their caches",
)
_SEED = 24
_INVOICES = 12
_SETTLED_AFTER = 3
_CHILD_S = 120


def run(count: int) -> list[Row]:
    """Start ``count`` processes for each side."""
    documents = typical(_INVOICES, _SEED)
    with TemporaryDirectory(prefix="kaipiao-bench-") as name, one_core():
        folder = Path(name)
        (folder / "documents.json").write_text(json.dumps([each.data.decode() for each in documents]), encoding="utf-8")
        (folder / "invoices.pickle").write_bytes(pickle.dumps([document.invoice for document in documents]))
        with open_ours() as ours:
            fonts = peer_fonts(ours)
        with open_lineup(fonts, KEYS) as lineup:
            names = {peer.key: peer.name for peer in lineup.peers}
        samples: dict[str, dict[str, list[float]]] = {key: defaultdict(list) for key in (OURS, *names)}
        for key in samples:
            _start(key, folder, fonts)
        for turn in range(count):
            for key in list(samples)[:: 1 if turn % 2 == 0 else -1]:
                for phase, values in _start(key, folder, fonts).items():
                    samples[key][phase] += values
    return list(_rows(samples, names, lineup.missing))


def _start(key: str, folder: Path, fonts: PeerFonts) -> dict[str, list[float]]:
    """Run one process to its end and return its times."""
    command = [sys.executable, "-m", "bench.cases.pdf_child", key, str(folder)]
    command += [str(fonts.kai.path), str(fonts.mono.path)]
    # Byte code is kept from one run to the next, whatever this process does with its own.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=_CHILD_S, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"the process of {key} failed: {done.stderr.strip()[-500:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return {
        "cold": [(said["first_at"] - started) * 1000],
        "first": [said["ms"][0]],
        "steady": said["ms"][_SETTLED_AFTER:],
    }


def _rows(samples: dict[str, dict[str, list[float]]], names: dict[str, str], missing: dict[str, str]) -> Iterator[Row]:
    for phase in ("cold", "first", "steady"):
        mine = samples[OURS][phase]
        for key in KEYS:
            theirs = samples[key][phase] if key in names else []
            extra = {"min_ms": min(mine)} | ({"peer_min_ms": min(theirs)} if theirs else {})
            yield Row(
                case=f"pdf-start.{phase}.{key}",
                backend=BACKEND,
                samples_ms=tuple(mine),
                peer=names.get(key) or f"{key}: {missing[key]}",
                peer_samples_ms=tuple(theirs),
                extra=extra,
            )
