"""``kaipiao dead``: the dead-letter desk (死信台), where jobs lie that no attempt could finish."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from render.errors import InputError
from workers.cli.output import EXIT_FAILED, JsonFlag, console, print_json, printable

if TYPE_CHECKING:
    from workers.client import PoolClient
    from workers.ledger.protocol import Record

_PAGE = 1000

dead = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at jobs that died, send them out again or drop them (死信台).",
    epilog="On the desk lie jobs whose worker died each time, that ran into the time limit, or whose errors did not "
    "pass while the retry ladder was climbed. An invoice that breaks rules is refused instead, and does not come here.",
)

Jobs = Annotated[
    list[str] | None, typer.Argument(metavar="JOB...", help="Ids of jobs on the desk.", show_default=False)
]
OneJob = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of jobs on the desk.", show_default=False)]
Everything = Annotated[bool, typer.Option("--all", help="All jobs on the desk.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most jobs to list.")]
Code = Annotated[str | None, typer.Option("--code", help="Only jobs that died of this error code.")]
Document = Annotated[bool, typer.Option("--document", help="Also print the invoice. It may hold personal data.")]


@dead.command("list")
def list_dead(*, limit: Limit = 50, code: Code = None, as_json: JsonFlag = False) -> None:
    """List jobs on the desk, those that have lain there longest first."""
    records = []
    for record in _on_desk(_client()):
        if code in (None, record.code):
            records.append(record)
        if len(records) == limit:
            break
    if as_json:
        print_json([_summary(record) for record in records])
        return
    table = Table()
    for heading in ("job", "lane", "since", "code", "attempts", "lost", "reason"):
        table.add_column(heading, overflow="fold")
    for record in records:
        row = (
            record.job_id,
            record.lane,
            _time(record.at_ms),
            record.code,
            record.attempts,
            record.losses,
            record.reason,
        )
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    console().print(table if records else "The desk is empty.")


@dead.command()
def show(jobs: OneJob, *, document: Document = False, as_json: JsonFlag = False) -> None:
    """Show what is known of jobs on the desk, and what they asked for."""
    import msgspec

    shown = []
    for record in _found(_client(), jobs):
        asked = msgspec.json.decode(record.message) if record.message else {}
        invoice = asked.pop("invoice", None)
        shown.append(_summary(record) | {"job": asked})
        if document:
            shown[-1]["document"] = invoice
    if as_json:
        print_json(shown)
        return
    for each in shown:
        table = Table(show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in (each | {f"job.{name}": value for name, value in each.pop("job").items()}).items():
            table.add_row(name, Text(printable(str(value))))
        console().print(table)


@dead.command()
def replay(jobs: Jobs = None, *, everything: Everything = False, as_json: JsonFlag = False) -> None:
    """Send jobs out again, each in a message of its own and with no attempts counted.

    Mend the cause first. Exit status: 0 = all were sent out, 1 = some were not on the desk.
    """
    client = _client()
    wanted = _wanted(client, jobs, everything=everything)
    replayed = client.replay(wanted)
    _finish("replayed", wanted, replayed, as_json=as_json)


@dead.command()
def drop(jobs: Jobs = None, *, everything: Everything = False, as_json: JsonFlag = False) -> None:
    """Take jobs off the desk for good; their error records stay in the store.

    Exit status: 0 = all were dropped, 1 = some were not on the desk.
    """
    client = _client()
    wanted = _wanted(client, jobs, everything=everything)
    dropped: list[str] = []
    for start in range(0, len(wanted), _PAGE):
        part = wanted[start : start + _PAGE]
        dropped += [job_id for job_id, was_dead in zip(part, client.ledger.drop(part), strict=True) if was_dead]
    _finish("dropped", wanted, dropped, as_json=as_json)


def _client() -> PoolClient:
    from workers.client import PoolClient
    from workers.config import WorkerSettings

    return PoolClient(WorkerSettings.from_mapping(os.environ))


def _on_desk(client: PoolClient) -> Iterator[Record]:
    from workers.ledger.protocol import State

    offset = 0
    while page := client.ledger.standing(State.DEAD, _PAGE, offset):
        yield from page
        offset += len(page)


def _found(client: PoolClient, job_ids: list[str]) -> Iterator[Record]:
    from workers.ledger.protocol import State

    for job_id, record in zip(job_ids, client.ledger.look(job_ids), strict=True):
        if record is None or record.state is not State.DEAD:
            where = "unknown to the ledger" if record is None else record.state.value
            raise InputError(f"{job_id} is not on the desk; it is {where}.", hint="`kaipiao dead list` shows who is.")
        yield record


def _wanted(client: PoolClient, jobs: list[str] | None, *, everything: bool) -> list[str]:
    if bool(jobs) == everything:
        raise InputError("it is not clear which jobs are meant.", hint="Name jobs, or say --all, but not both.")
    return [record.job_id for record in _on_desk(client)] if everything else list(dict.fromkeys(jobs or []))


def _finish(done: str, wanted: list[str], changed: list[str], *, as_json: bool) -> None:
    missed = sorted(set(wanted) - set(changed))
    if as_json:
        print_json({done: changed, "not_on_desk": missed})
    else:
        console().print(f"{len(changed)} {done}" + (f", {len(missed)} not on the desk:" if missed else ""))
        for job_id in missed:
            console().print(Text(printable(job_id)))
    raise typer.Exit(EXIT_FAILED if missed else 0)


def _summary(record: Record) -> dict[str, Any]:
    return {
        "job_id": record.job_id,
        "lane": record.lane,
        "since": _time(record.at_ms),
        "submitted": _time(record.created_ms),
        "code": record.code,
        "reason": record.reason,
        "attempts": record.attempts,
        "losses": record.losses,
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
