"""Ready-made queue entries: what kombu would write into Redis for one message of Celery's protocol 2, written at once.

Headers and properties come from Celery itself, once a task, and only what differs from message to message is filled in
after that; so a new version of Celery changes them by itself.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from celery import Celery
from msgspec import Struct

from workers.envelope.message import Envelope
from workers.messages import Job

_BODY_ENCODING = "base64"
_EMBED: Mapping[str, None] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class EntryForm:
    """Writes the entries of one task's messages.

    Args:
        app: whose protocol it is.
        task: name of the task.
        new_id: gives a fresh id for each delivery.
    """

    def __init__(self, app: Celery, task: str, new_id: Callable[[], str]) -> None:
        message = app.amqp.as_task_v2("-", task, args=(), kwargs={}, argsrepr="", kwargsrepr="", ignore_result=True)
        self._headers: dict[str, Any] = dict(message.headers)
        self._properties: dict[str, Any] = {
            **message.properties,
            "delivery_mode": 2,
            "priority": 0,
            "body_encoding": _BODY_ENCODING,
        }
        self._new_id = new_id
        self._encode = msgspec.json.Encoder().encode

    def entry(self, payload: Job | Envelope | Struct, *, message_id: str, name: str, queue: str) -> bytes:
        """Return one entry of the list that is the queue.

        Args:
            payload: the task's only argument.
            message_id: Celery's id of the message.
            name: what logs call the message; never what is in it.
            queue: where it goes.
        """
        body = self._encode(((payload,), {}, _EMBED))
        return self._encode(
            {
                "body": binascii.b2a_base64(body, newline=False).decode("ascii"),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {**self._headers, "id": message_id, "root_id": message_id, "argsrepr": name},
                "properties": {
                    **self._properties,
                    "correlation_id": message_id,
                    "delivery_info": {"exchange": "", "routing_key": queue},
                    "delivery_tag": self._new_id(),
                },
            }
        )
