"""The idempotency key: which jobs are the same job.

The key is the SM3 digest of seller's tax number, invoice number, template and version, and output specification. Only
a worker can compute it, since it must have read the invoice; a submitter knows its jobs by the ``job_id`` that it
chose, and may submit a job again without harm whenever it does not know what became of it. Two jobs with one key and
equal content are the same job: the first receipt stands for both. With other content, they are a conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from render.encode.formats import AUTO, LEVELS, choose_pictures
from render.model.invoice import Invoice
from render.sign.sm3 import sm3_hex


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an invoice is, before anything is rendered.

    Attributes:
        content: digest of everything that the invoice says, ``sm3:<hex>``; independent of the form it came in.
    """

    number: str
    template_id: str
    template_version: str
    content: str
    seller_tax_id: str = field(repr=False)


def idempotency_key(
    identity: Identity, outputs: Sequence[str], dpi: int, *, level: str = LEVELS[0], mode: str = AUTO
) -> str:
    """Return the key, 64 hex digits.

    The output specification counts as far as it decides about bytes: the resolution where pictures are asked for, level
    and mode where they differ from what a format does by itself.

    Raises:
        InputError: no such outputs, level or mode, or a format without this mode.
    """
    pictures = choose_pictures(outputs, mode, level)
    chosen = sorted((one.kind, one.mode, one.level) for one in pictures if not one.is_default)
    parts = [
        identity.seller_tax_id,
        identity.number,
        identity.template_id,
        identity.template_version,
        sorted(outputs),
        dpi if pictures else 0,
        *([chosen] if chosen else []),
    ]
    return sm3_hex(msgspec.json.encode(parts))


def number_key(identity: Identity) -> str:
    """Return the key of an invoice number, 64 hex digits: whatever its form, outputs or template, it says one thing."""
    return sm3_hex(msgspec.json.encode([identity.seller_tax_id, identity.number]))


def content_digest(invoice: Invoice) -> str:
    """Return the digest of what an invoice says; the bytes that it was read from do not count."""
    said = msgspec.json.encode(replace(invoice, source=None), order="deterministic")
    return f"sm3:{sm3_hex(said)}"
