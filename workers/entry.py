"""What an entry of a queue must look like before Celery sees it: Celery's protocol 2 in kombu's Redis form.

Celery takes headers as they come. Some values end the loop that reads messages, others make it keep a place for a
message for ever, and what it throws away it writes into its log whole, buyers' names and all.
"""

from __future__ import annotations

import binascii
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

_Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_Id = Annotated[str, Meta(min_length=1, max_length=255)]
_Seconds = Annotated[float, Meta(gt=0)]


class _Headers(Struct, frozen=True):
    task: Literal["kaipiao.render_chunk", "kaipiao.render_job"]
    id: _Id
    retries: _Count = 0
    eta: datetime | None = None
    expires: datetime | None = None
    timelimit: tuple[_Seconds | None, _Seconds | None] | None = None


class _DeliveryInfo(Struct, frozen=True):
    exchange: str
    routing_key: str


class _Properties(Struct, frozen=True):
    delivery_tag: _Id
    delivery_info: _DeliveryInfo
    body_encoding: Literal["base64"]


class _Entry(Struct, frozen=True, rename="kebab"):
    body: Annotated[str, Meta(min_length=4)]
    content_type: Literal["application/json"]
    content_encoding: Literal["utf-8"]
    headers: _Headers
    properties: _Properties


class _Embed(Struct, frozen=True, forbid_unknown_fields=True):
    """What Celery does besides the task, which we never ask for: calling whatever a stranger names."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


_Arguments = tuple[tuple[Raw], Annotated[dict[str, Any], Meta(max_length=0)], _Embed]
_decode_body = msgspec.json.Decoder(_Arguments).decode


def check_entry(entry: Any) -> None:  # noqa: ANN401 hostile until checked
    """Make sure that an entry is a message of one of our tasks, with one argument that is JSON.

    Raises:
        ValueError: it is not.
    """
    _decode_body(binascii.a2b_base64(msgspec.convert(entry, _Entry).body, strict_mode=True))
