"""Checks what the pool stored for each invoice, in processes of their own, and lays the files out for people."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from bench import checks
from bench.corpus import Document
from bench.gallery import write_thumbnail
from render.model.invoice import Media
from render.store.api import Store
from workers.receipts import OutputReceipt

FILES = "files"


@dataclass(frozen=True, slots=True)
class Evidence:
    """An invoice as it was submitted, and the files that its receipt names.

    Attributes:
        store: URL of the store.
        folder: where files are laid out under their names.
    """

    document: Document
    outputs: tuple[OutputReceipt, ...]
    store: str = field(repr=False)
    folder: Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks said: the files relative to the folder, and every problem."""

    number: str
    pdf: str
    pictures: tuple[str, ...]
    problems: tuple[str, ...]


def judge(evidence: Evidence) -> Verdict:
    """Check one invoice's files, and lay them out with a thumbnail."""
    invoice = evidence.document.invoice
    store = Store(evidence.store)
    data = {output.name: store.get(output.key) for output in evidence.outputs}
    names = {kind: [o.name for o in evidence.outputs if o.kind == kind] for kind in ("pdf", "png")}
    problems = [f"{o.name} has another size than its receipt" for o in evidence.outputs if len(data[o.name]) != o.size]
    if names["pdf"] and names["png"]:
        xml = evidence.document.data if evidence.document.media is Media.EINVOICE_XML else None
        pages = tuple(data[name] for name in names["png"])
        problems += checks.problems_of(checks.Rendered(invoice, data[names["pdf"][0]], pages, xml))
        write_thumbnail(evidence.folder, invoice.number, pages[0])
    else:
        problems.append("the receipt names no PDF or no picture")
    for name, content in data.items():
        _lay_out(evidence.folder / FILES / name, content)
    pdf, *_ = [*(f"{FILES}/{name}" for name in names["pdf"]), ""]
    return Verdict(invoice.number, pdf, tuple(f"{FILES}/{name}" for name in names["png"]), tuple(problems))


def _lay_out(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.write_bytes(content)


def judge_all(evidences: Iterable[Evidence], processes: int) -> Iterator[Verdict]:
    """Yield verdicts as they are ready."""
    # Spawned, not forked: this process has threads of its own.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        tasks = [pool.submit(judge, evidence) for evidence in evidences]
        try:
            for task in as_completed(tasks):
                yield task.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
