"""``kaipiao envelope``: the keys with which producers seal their messages."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from render.errors import ConfigError
from workers.cli.output import JsonFlag, console, print_json
from workers.config import WorkerSettings
from workers.envelope.keys import SECRET_BYTES, KeyFile, KeyRing, add_key, retire_key, switch_key


class Action(StrEnum):
    """What to do with the keys."""

    ADD = "add"
    SWITCH = "switch"
    RETIRE = "retire"
    LIST = "list"


def envelope(
    action: Annotated[Action, typer.Argument(help="add a key, switch to the next, retire the previous, or list all.")],
    producer: Annotated[str, typer.Argument(help="Whose keys, such as issuance; not needed for list.")] = "",
    *,
    file: Annotated[Path | None, typer.Option(help="The key file; default: KAIPIAO_ENVELOPE_KEYS.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Mark the new key as one for tests.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Keep the keys that seal messages; no secret is ever printed.

    To change a producer's key without a stop: add, carry the file to the workers; switch, carry it to the producer;
    retire when the envelopes of before have run out, and carry it to the workers.
    """
    keys = KeyFile(file or WorkerSettings.from_mapping(os.environ).envelope_file)
    if action is not Action.LIST:
        if not producer:
            raise ConfigError("whose keys?", hint=f"Name a producer: kaipiao envelope {action.value} issuance.")
        keys.change(lambda ring: _changed(ring, action, producer, is_test=test))
    ring = keys.ring
    if as_json:
        print_json([
            {"key_id": key.key_id, "producer": key.producer, "state": key.state.value, "created": key.created}
            for key in ring.keys
        ])  # fmt: skip
    else:
        console().print(_table(ring))


def _changed(ring: KeyRing, action: Action, producer: str, *, is_test: bool) -> KeyRing:
    if action is Action.ADD:
        secret = secrets.token_bytes(SECRET_BYTES)
        return add_key(ring, producer, now=datetime.now(UTC), secret=secret, is_test=is_test)
    return (switch_key if action is Action.SWITCH else retire_key)(ring, producer)


def _table(ring: KeyRing) -> Table:
    table = Table()
    for heading in ("key id", "producer", "state", "made"):
        table.add_column(heading, overflow="fold")
    for key in ring.keys:
        table.add_row(key.key_id, key.producer, key.state.value, key.created)
    return table
