"""The fields of an invoice document: names, lengths, shapes. Readers, checks and the published schema use these."""

from __future__ import annotations

import re
from typing import Final

SCHEMA_ID: Final = "kaipiao.invoice/1"
MAX_DOCUMENT_BYTES: Final = 2 * 1024 * 1024
MAX_LINES: Final = 2000

PARTY_LENGTHS: Final = {"name": 150, "tax_id": 20, "address": 300, "phone": 60, "bank": 150, "account": 100}
"""Fields of a buyer or seller, and how many characters each may have."""

LINE_TEXT_LENGTHS: Final = {"name": 600, "spec": 150, "unit": 300}
LINE_FIELDS: Final = frozenset(
    {*LINE_TEXT_LENGTHS, "quantity", "unit_price", "amount", "rate", "tax", "treatment", "role", "tax_code"}
)
LINE_REQUIRED: Final = ("name", "amount", "rate", "tax")

HEAD_TEXT_LENGTHS: Final = {"remark": 450, "clerk": 300}
HEAD_FIELDS: Final = frozenset(
    {*HEAD_TEXT_LENGTHS, "kind", "number", "issued", "total_amount", "total_tax", "total", "total_words", "qr_text"}
)
HEAD_REQUIRED: Final = ("kind", "number", "issued", "total_amount", "total_tax", "total", "clerk")

RED_FIELDS: Final = frozenset({"blue_number", "confirmation"})

MAX_DECIMAL_CHARACTERS: Final = 25
"""Quantities and prices are printed as given, up to this many characters."""

NUMBER: Final = re.compile(r"[0-9]{20}")
CONFIRMATION: Final = re.compile(r"[0-9A-Za-z]{1,40}")
DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TAX_ID: Final = re.compile(r"[0-9A-Z]{1,20}")
TAX_CODE: Final = re.compile(r"[0-9]{19}")
MONEY: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\.[0-9]{2}")
QUANTITY: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
UNIT_PRICE: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
RATE: Final = re.compile(r"0(?:\.[0-9]{1,6})?")
