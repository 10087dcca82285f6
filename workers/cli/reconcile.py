"""``kaipiao reconcile``: one verdict for every job."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from render.errors import MalformedInput
from workers.cli.output import EXIT_FAILED, JsonFlag, console, print_json, printable

_MOST_ROWS = 50

Issued = Annotated[
    Path | None,
    typer.Option("--issued", metavar="FILE", help="Ids of the jobs that were submitted, one a line.", dir_okay=False),
]
WholeStore = Annotated[bool, typer.Option("--whole-store", help="Also look at jobs that the ledger has forgotten.")]
Deep = Annotated[bool, typer.Option("--deep", help="Read every output and compare its digest, not its size alone.")]


def reconcile(
    *, issued: Issued = None, whole_store: WholeStore = False, deep: Deep = False, as_json: JsonFlag = False
) -> None:
    """Compare the issuer's list, the ledger and the store, and give every job one verdict (对账). Changes nothing.

    Verdicts: ok = ended, and its outputs or its error are there; missing = unknown, or something is not there; extra =
    not on the issuer's list; differs = two places contradict each other; unsigned = a PDF without its signature; open =
    not ended yet, or on the dead-letter desk. Exit status: 0 = all are ok or open, 1 = some are not.
    """
    from render.config import RenderSettings
    from workers.client import PoolClient
    from workers.config import WorkerSettings
    from workers.reconcile import Reconciliation, Verdict

    client = PoolClient(WorkerSettings.from_mapping(os.environ))
    signs = RenderSettings.from_mapping(os.environ).identity is not None
    comparison = Reconciliation(client.ledger, client.records, expects_signatures=signs, reads_outputs=deep)
    counts = Counter(dict.fromkeys(Verdict, 0))
    notable = []
    for finding in comparison.findings(None if issued is None else read_ids(issued), whole_store=whole_store):
        counts[finding.verdict] += 1
        if finding.verdict is not Verdict.OK:
            notable.append(finding)
    if as_json:
        rows = [{"job_id": each.job_id, "verdict": each.verdict.value, "reason": each.reason} for each in notable]
        print_json({"counts": {verdict.value: number for verdict, number in counts.items()}, "findings": rows})
    else:
        console().print(", ".join(f"{number} {verdict.value}" for verdict, number in counts.items()))
        if notable:
            table = Table()
            for heading in ("job", "verdict", "why"):
                table.add_column(heading, overflow="fold")
            for each in notable[:_MOST_ROWS]:
                table.add_row(Text(printable(each.job_id)), each.verdict.value, Text(printable(each.reason)))
            if len(notable) > _MOST_ROWS:
                table.add_row("…", f"and {len(notable) - _MOST_ROWS} more", "--json lists all")
            console().print(table)
    raise typer.Exit(EXIT_FAILED if counts.total() - counts[Verdict.OK] - counts[Verdict.OPEN] else 0)


def read_ids(path: Path) -> list[str]:
    """Return the ids in a file, one a line; empty lines are passed over.

    Raises:
        MalformedInput: it cannot be read, or a line is no job id.
    """
    import msgspec

    from workers.messages import Identifier

    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedInput(f"{path} cannot be read: {error}.", hint="Name a text file of job ids.") from error
    ids = [line for line in lines if line]
    try:
        return msgspec.convert(ids, type=list[Identifier])
    except msgspec.ValidationError as error:
        raise MalformedInput(f"{path} holds what is no job id: {error}.", hint="Write one id a line.") from error
