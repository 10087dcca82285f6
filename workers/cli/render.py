"""``kaipiao render``: invoices in, files out, in this process and without a pool."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from render.budget import BatchFull
from render.encode.formats import AUTO, LEVELS, choose_pictures
from render.errors import InputError, KaipiaoError, MalformedInput
from render.model.fields import MAX_DOCUMENT_BYTES
from workers.cli.output import (
    EXIT_FAILED,
    EXIT_INPUT,
    JsonFlag,
    console,
    error_console,
    error_panel,
    print_json,
    printable,
)
from workers.cli.progress import progress_bar
from workers.cli.wishes import Dpi, Level, Mode, Outputs, Pdf, Png, named_outputs

if TYPE_CHECKING:
    from render.pipeline import Renderer, RenderRequest, RenderResult
    from workers.cli.folder import ResultFolder, Saved

BATCH = 16
_MOST_ROWS = 40

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Invoices: our JSON, or EInvoice XML.", show_default=False),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of results; made where missing.")]
Unsigned = Annotated[bool, typer.Option("--unsigned", help="Leave PDF unsigned.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that hold something else.")]


@dataclass(slots=True)
class Row:
    """What became of one file."""

    file: Path
    result: RenderResult | None = None
    saved: tuple[Saved, ...] = ()
    error: KaipiaoError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values."""
        outputs = [
            {
                "file": str(saved.path),
                "kind": saved.output.kind,
                "state": saved.state.value,
                "bytes": saved.size,
                "backend": saved.output.backend,
                "signer": saved.output.signer,
            }
            for saved in self.saved
        ]
        return {
            "file": str(self.file),
            "number": self.result.number if self.result else "",
            "outputs": outputs,
            "warnings": [fault.as_dict() for fault in self.result.warnings] if self.result else [],
            "error": self.error.as_dict() if self.error else None,
            "stage_ms": self.result.stage_ms if self.result else {},
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; ``signing_time``: one for the whole run."""

    outputs: tuple[str, ...]
    dpi: int
    level: str = LEVELS[0]
    mode: str = AUTO
    signing_time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def request(self, data: bytes) -> RenderRequest:
        """Return the request for a document."""
        from render.pipeline import RenderRequest

        return RenderRequest(
            data, self.signing_time, outputs=self.outputs, dpi=self.dpi, level=self.level, mode=self.mode
        )


def render(
    files: Files,
    *,
    out: Out = Path("out"),
    pdf: Pdf = False,
    png: Png = False,
    outputs: Outputs = "",
    dpi: Dpi = 300,
    level: Level = LEVELS[0],
    mode: Mode = AUTO,
    unsigned: Unsigned = False,
    force: Force = False,
    as_json: JsonFlag = False,
) -> None:
    """Render invoices to files named by invoice number.

    A file with the same content is left as it is; one with other content is an error, unless --force is given. A bad
    invoice does not stop the others. Exit status: 0 = all well, 2 = some invoice was refused, 1 = anything else failed.
    """
    from render.config import RenderSettings
    from render.pipeline import Renderer
    from workers.cli.folder import ResultFolder

    settings = RenderSettings.from_mapping(os.environ | ({"KAIPIAO_SIGNING": "off"} if unsigned else {}))
    wish = Wish(named_outputs(outputs, pdf=pdf, png=png), dpi, level, mode)
    choose_pictures(wish.outputs, mode, level)
    if "pdf" not in wish.outputs:
        # Pictures carry no signature, so no key is needed.
        settings = replace(settings, identity=None)
    folder = ResultFolder(out, force=force)
    start = time.perf_counter()
    with error_console().status("loading fonts, templates and key"):
        renderer = Renderer(settings)
    with progress_bar() as progress:
        bar = progress.add_task("rendering", total=len(files))
        rows = []
        for row in render_files(files, renderer, folder, wish):
            rows.append(row)
            progress.advance(bar)
    if as_json:
        print_json([row.as_dict() for row in rows])
    else:
        _report(rows, time.perf_counter() - start)
    errors = [row.error for row in rows if row.error is not None]
    if errors:
        raise typer.Exit(EXIT_INPUT if all(isinstance(error, InputError) for error in errors) else EXIT_FAILED)


def render_files(files: Sequence[Path], renderer: Renderer, folder: ResultFolder, wish: Wish) -> Iterator[Row]:
    """Render files, a batch at a time, and yield a row for each in their order."""
    for first in range(0, len(files), BATCH):
        rows = [Row(file) for file in files[first : first + BATCH]]
        waiting = []
        for row in rows:
            try:
                data = read_file(row.file)
            except KaipiaoError as error:
                row.error = error
            else:
                waiting.append((row, wish.request(data)))
        while waiting:
            results = renderer.render_batch([request for _, request in waiting])
            put_off = []
            for (row, request), result in zip(waiting, results, strict=True):
                if isinstance(result.error, BatchFull):
                    put_off.append((row, request))
                row.result, row.error = result, result.error
                if result.error is None:
                    try:
                        row.saved = folder.save(result)
                    except KaipiaoError as error:
                        row.error = error
            # What found no room beside the others is rendered without them.
            waiting = put_off if len(put_off) < len(waiting) else []
        yield from rows


def read_file(path: Path) -> bytes:
    """Read a file, but not more than an invoice can be; ``-`` is standard input.

    Raises:
        MalformedInput: it is missing, no file, or too large.
    """
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise MalformedInput(f"{path}: {error.strerror}.", hint="Name files that can be read.") from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise MalformedInput(f"{path} has more than {MAX_DOCUMENT_BYTES} bytes.", hint="Name one invoice a file.")
    return data


def _report(rows: Sequence[Row], seconds: float) -> None:
    screen, errors = console(), error_console()
    shown = rows if len(rows) <= _MOST_ROWS else [row for row in rows if row.error]
    table = Table(title=f"{len(rows) - len(shown)} more went well" if len(shown) < len(rows) else None)
    for heading in ("file", "invoice number", "results"):
        table.add_column(heading, overflow="fold")
    table.add_column("ms", justify="right")
    for row in shown[:_MOST_ROWS]:
        number = row.result.number if row.result else ""
        spent = f"{sum(row.result.stage_ms.values()):.1f}" if row.result and not row.error else ""
        table.add_row(Text(printable(str(row.file))), printable(number), _results(row), spent)
    if shown:
        screen.print(table)
    for row in rows:
        if row.error is not None:
            errors.print(error_panel(row.error, str(row.file)))
        for fault in row.result.warnings if row.result else ():
            errors.print(Text(f"warning: {printable(f'{row.file}: {fault}')}", style="yellow"))
    failed = sum(row.error is not None for row in rows)
    written = sum(saved.size for row in rows for saved in row.saved)
    screen.print(f"{len(rows) - failed} rendered, {failed} failed, {written:,} bytes, {seconds:.2f} s, {_place(rows)}")


def _results(row: Row) -> Text:
    if row.error is not None:
        return Text(row.error.code, style="red")
    kinds = Counter(saved.output.kind for saved in row.saved)
    made = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())
    states = ", ".join(sorted({saved.state.value for saved in row.saved}))
    unsigned = any(saved.output.kind == "pdf" and not saved.output.signer for saved in row.saved)
    return Text(f"{made}: {states}{', unsigned' if unsigned else ''}")


def _place(rows: Sequence[Row]) -> str:
    folders = {str(saved.path.parent) for row in rows for saved in row.saved}
    return f"in {printable(folders.pop())}" if folders else "nothing written"
