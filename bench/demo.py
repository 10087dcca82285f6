"""The demo: made-up invoices through the pool, every output checked by readers that are not ours, and a gallery."""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import corpus
from bench.corpus import Document
from bench.gallery import Card, write_gallery
from bench.pool import DemoPool
from bench.verdicts import Evidence, Verdict, judge_all
from render.model.invoice import InvoiceKind
from render.sign.keys import set_up_test_identity
from render.store.api import Store
from workers.config import WorkerSettings
from workers.receipts import ErrorRecord, Receipt
from workers.records import Records

SEED = 2026
MAX_CHUNK_JOBS = 64
TITLE = "Kaipiao demo"
EXIT_FAILED = 1
EXIT_STOPPED = 130
_KEPT_SETTINGS = "KAIPIAO_FONT_"
_KINDS = {InvoiceKind.VAT_SPECIAL: "专用发票", InvoiceKind.VAT_ORDINARY: "普通发票"}
_STAGES = ("read", "layout", "pdf", "sign", "raster", "encode", "store")


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How many invoices, where everything is written, and how many workers."""

    count: int
    folder: Path
    workers: int


@dataclass(slots=True)
class _Outcome:
    """What is known at the end."""

    receipts: dict[str, Receipt] = field(default_factory=dict)
    errors: dict[str, ErrorRecord] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    found: int = 0
    left_over: Sequence[int] = ()

    @property
    def is_right(self) -> bool:
        """Tell whether nothing failed, every receipt was checked and held, and no process is left."""
        is_checked = self.verdicts.keys() == self.receipts.keys()
        return is_checked and not (self.errors or self.wrong or self.left_over)

    @property
    def wrong(self) -> int:
        return sum(bool(verdict.problems) for verdict in self.verdicts.values())


def run_demo(settings: DemoSettings, console: Console) -> int:
    """Run the demo and return its exit code: 0 only if every invoice was rendered and every check holds.

    Raises:
        KaipiaoError: something that the demo needs is missing.
    """
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(settings, console)
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running. Run it again to go on from here.", style="yellow")
        return EXIT_STOPPED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _run(settings: DemoSettings, console: Console) -> int:
    folder = settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    documents = corpus.varied(settings.count, SEED)
    environment = pool_environment(folder / "state", settings)
    pool_settings = WorkerSettings.from_mapping(environment)
    set_up_test_identity(pool_settings.home, now=datetime.now(UTC))
    records = Records(Store(pool_settings.effective_store), lambda: datetime.now(UTC))
    jobs = {job_id(document): document for document in documents}

    outcome = _Outcome()
    pending = _look_up(records, jobs, outcome)
    outcome.found = len(outcome.receipts)
    if outcome.found:
        console.print(f"{outcome.found} of {len(jobs)} have receipts from an earlier run: they are not rendered again.")
    if pending:
        outcome.left_over = _render(settings, environment, pending, console)
        _look_up(records, pending, outcome)
    _judge(settings, pool_settings.effective_store, jobs, outcome, console)
    fresh = [receipt for name, receipt in outcome.receipts.items() if name in pending]
    _print_table(outcome, fresh, len(jobs), chunk_jobs(settings) * settings.workers, console)
    _print_problems(jobs, outcome, console)
    page = _write_page(folder, jobs, outcome)
    console.print(f"Gallery: {page}\nFiles:   {folder / 'files'}")
    if outcome.left_over:
        processes = ", ".join(map(str, outcome.left_over))
        console.print(f"Still running although they were told to end: {processes}", style="red")
    is_right = outcome.is_right and len(outcome.receipts) == len(jobs)
    console.print(
        "Every check holds." if is_right else "Not everything is right.", style="green" if is_right else "red"
    )
    return 0 if is_right else EXIT_FAILED


def pool_environment(home: Path, settings: DemoSettings) -> dict[str, str]:
    """Return the environment of a private pool: settings of a pool that may run elsewhere do not reach it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KAIPIAO_")}
    fonts = {name: value for name, value in os.environ.items() if name.startswith(_KEPT_SETTINGS)}
    own = {"KAIPIAO_HOME": str(home), "KAIPIAO_CHUNK_JOBS": str(chunk_jobs(settings))}
    return {**inherited, **fonts, **own}


def chunk_jobs(settings: DemoSettings) -> int:
    """Return how many invoices travel in a message: several messages for each worker."""
    return max(1, min(MAX_CHUNK_JOBS, settings.count // (settings.workers * 4)))


def job_id(document: Document) -> str:
    """Return the id under which this very document is submitted, in this run and in the next."""
    return f"demo-{document.invoice.number}-{hashlib.sha256(document.data).hexdigest()[:12]}"


def _look_up(records: Records, jobs: dict[str, Document], outcome: _Outcome) -> dict[str, Document]:
    """Sort jobs into rendered and failed, and return those of which nothing is known."""
    unknown = {}
    for name, document in jobs.items():
        known = records.outcome(name)
        if isinstance(known, ErrorRecord):
            outcome.errors[name] = known
        elif known is not None and (receipt := records.receipt(known.receipt)) is not None:
            outcome.receipts[name] = receipt
        else:
            unknown[name] = document
    return unknown


def _render(
    settings: DemoSettings, environment: dict[str, str], pending: dict[str, Document], console: Console
) -> Sequence[int]:
    """Render through a pool, and return the processes that would not end."""
    console.print(f"Starting a broker and {settings.workers} workers.")
    pool = DemoPool(environment, settings.workers, settings.folder / "logs")
    with pool, _progress("Rendering", len(pending), console) as advance:
        pool.render({name: document.data for name, document in pending.items()}, advance)
    return pool.left_over


def _judge(settings: DemoSettings, store: str, jobs: dict[str, Document], outcome: _Outcome, console: Console) -> None:
    evidences = [
        Evidence(jobs[name], receipt.outputs, store, settings.folder) for name, receipt in outcome.receipts.items()
    ]
    by_number = {document.invoice.number: name for name, document in jobs.items()}
    with _progress("Checking", len(evidences), console) as advance:
        for verdict in judge_all(evidences, settings.workers):
            outcome.verdicts[by_number[verdict.number]] = verdict
            advance(1)


@contextmanager
def _progress(label: str, total: int, console: Console) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=total)
        yield lambda steps: progress.advance(task, steps)


def steady_rate(created: Sequence[datetime], warm_up: int) -> float | None:
    """Return receipts a second after the first ``warm_up`` ones; None where too few are left to tell."""
    ordered = sorted(created)
    if len(ordered) <= warm_up or ordered[-1] == ordered[warm_up - 1]:
        return None
    return (len(ordered) - warm_up) / (ordered[-1] - ordered[warm_up - 1]).total_seconds()


def _print_table(outcome: _Outcome, fresh: Sequence[Receipt], total: int, warm_up: int, console: Console) -> None:
    table = Table(title=TITLE, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("invoices", str(total))
    table.add_row("rendered now", str(len(fresh)))
    table.add_row("found rendered", str(outcome.found))
    table.add_row("failed", str(len(outcome.errors)))
    checked = f"{len(outcome.verdicts) - outcome.wrong} right, {outcome.wrong} wrong"
    table.add_row("checked by others' readers", checked)
    rate = steady_rate([receipt.created for receipt in fresh], warm_up)
    if rate is not None:
        table.add_row("invoices/s, all workers, after the first messages", f"{rate:.1f}")
    receipts = list(outcome.receipts.values())
    if receipts:
        for stage in (*_STAGES, *sorted({name for each in receipts for name in each.stage_ms} - set(_STAGES))):
            times = [receipt.stage_ms[stage] for receipt in receipts if stage in receipt.stage_ms]
            if times:
                table.add_row(f"{stage}, median ms an invoice", f"{median(times):.2f}")
        for kind in ("pdf", "png"):
            sizes = [output.size for receipt in receipts for output in receipt.outputs if output.kind == kind]
            table.add_row(f"{kind.upper()} files, mean bytes", f"{len(sizes)}, {round(mean(sizes)):,}")
        signers = {output.signer for receipt in receipts for output in receipt.outputs if output.signer}
        table.add_row("signed by certificate", ", ".join(sorted(signers)) or "none")
    console.print(table)


def _print_problems(jobs: dict[str, Document], outcome: _Outcome, console: Console) -> None:
    for name, error in outcome.errors.items():
        faults = "; ".join(f"{fault.path}: {fault.message}" for fault in error.faults)
        console.print(f"{jobs[name].name}: {error.code}: {error.message} {faults}", style="red", markup=False)
    for name, verdict in outcome.verdicts.items():
        for problem in verdict.problems:
            console.print(f"{jobs[name].name} {verdict.number}: {problem}", style="red", markup=False)


def _write_page(folder: Path, jobs: dict[str, Document], outcome: _Outcome) -> Path:
    cards = [_card(document, outcome, name) for name, document in jobs.items()]
    counts = Counter("right" if not card.problems else "wrong" for card in cards)
    summary = f"{len(cards)} invoices, signed PDF and PNG: {counts['right']} right, {counts['wrong']} wrong."
    return write_gallery(folder, TITLE, summary, cards)


def _card(document: Document, outcome: _Outcome, name: str) -> Card:
    invoice = document.invoice
    verdict = outcome.verdicts.get(name)
    problems: Sequence[str] = verdict.problems if verdict else ("not rendered",)
    if name in outcome.errors:
        problems = (f"{outcome.errors[name].code}: {outcome.errors[name].message}",)
    lines = f"{len(invoice.lines)} line{'s' if len(invoice.lines) > 1 else ''}"
    return Card(
        number=invoice.number,
        caption=f"{_KINDS[invoice.kind]}, {lines}, ¥{invoice.total:.2f}, {invoice.buyer.name}",
        pdf=verdict.pdf if verdict else "",
        pictures=verdict.pictures if verdict else (),
        features=document.features,
        problems=tuple(problems),
    )
