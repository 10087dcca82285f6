"""``kaipiao schema``: the published JSON Schemas."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from workers.cli.output import print_json


class SchemaName(StrEnum):
    """Which document."""

    INVOICE = "invoice"
    JOB = "job"
    CHUNK = "chunk"
    ENVELOPE = "envelope"


def schema(
    name: Annotated[SchemaName, typer.Argument(help="Which document.", show_default=True)] = SchemaName.INVOICE,
) -> None:
    """Print the JSON Schema of an invoice or of a message of the pool."""
    print_json(find_schema(name))


def find_schema(name: SchemaName) -> dict[str, Any]:
    """Return a JSON Schema (2020-12)."""
    if name is SchemaName.INVOICE:
        from render.model.schema import json_schema

        return json_schema()
    if name is SchemaName.ENVELOPE:
        from workers.envelope.message import envelope_schema

        return envelope_schema()
    from workers.messages import CHUNK_SCHEMA, JOB_SCHEMA, message_schema

    return message_schema(JOB_SCHEMA if name is SchemaName.JOB else CHUNK_SCHEMA)
