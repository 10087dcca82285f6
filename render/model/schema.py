"""The published JSON Schema of our JSON: everything about one field that a schema can say.

Sums, signs, pairs and check digits join several fields and are left to the reader, which names them as faults.
"""

from __future__ import annotations

import re
from typing import Any, Final

from render.model.fields import (
    CONFIRMATION,
    DATE,
    HEAD_REQUIRED,
    HEAD_TEXT_LENGTHS,
    LINE_REQUIRED,
    LINE_TEXT_LENGTHS,
    MAX_DECIMAL_CHARACTERS,
    MAX_LINES,
    MONEY,
    NUMBER,
    PARTY_LENGTHS,
    QUANTITY,
    RATE,
    SCHEMA_ID,
    TAX_CODE,
    TAX_ID,
    UNIT_PRICE,
)
from render.model.invoice import InvoiceKind, LineRole, Treatment
from render.model.qr import MAX_LENGTH as MAX_QR_LENGTH
from render.model.text import FORBIDDEN_RANGES
from render.model.uscc import SHAPE as SELLER_TAX_ID

_LAST_BMP: Final = 0xFFFF
_SURROGATES: Final = (0xD800, 0xDFFF)

Schema = dict[str, Any]


def json_schema() -> Schema:
    """Return the JSON Schema (2020-12) of an invoice document; a new object each time."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:kaipiao:invoice:1",
        "title": "Kaipiao invoice",
        "description": "An issued Chinese e-invoice (数电票). Every value is a string, decimals too; no numbers.",
        **_object(_root_properties(), required=("schema", "seller", "buyer", "lines", *HEAD_REQUIRED)),
    }


def _root_properties() -> Schema:
    return {
        "schema": {"const": SCHEMA_ID},
        "kind": _choice(InvoiceKind, "增值税专用发票 or 普通发票"),
        "number": _shape(NUMBER, "发票号码: 20 digits, the first two the year of issue"),
        "issued": _shape(DATE, "开票日期") | {"format": "date"},
        "seller": _party("销售方: tax_id passes the check of GB/T 32100", SELLER_TAX_ID, required=("name", "tax_id")),
        "buyer": _party("购买方: tax_id is empty for a person", TAX_ID, required=("name",)),
        "lines": {
            "description": "Lines of the item table in order; a discount directly follows the line that it discounts.",
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_LINES,
            "items": _line(),
        },
        "total_amount": _shape(MONEY, "合计金额: the exact sum of the lines' amounts"),
        "total_tax": _shape(MONEY, "合计税额: the exact sum of the lines' taxes"),
        "total": _shape(MONEY, "价税合计: total_amount and total_tax"),
        "total_words": {"description": "价税合计（大写）; written from the total where absent", "type": "string"},
        "remark": _text(HEAD_TEXT_LENGTHS["remark"], "备注; its lines end with U+000A") | {"pattern": _LINES_PATTERN},
        "clerk": _text(HEAD_TEXT_LENGTHS["clerk"], "开票人", is_required=True),
        "qr_text": {
            "description": "Text of the QR code, printed as given; made from the other fields where absent",
            "type": "string",
            "maxLength": MAX_QR_LENGTH,
        },
        "red": {
            "description": "Makes this a red invoice (红字发票), whose sums and quantities are all negative.",
            **_object(
                {
                    "blue_number": _shape(NUMBER, "被红冲蓝字发票号码"),
                    "confirmation": _shape(CONFIRMATION, "红字发票信息确认单编号"),
                },
                required=("blue_number", "confirmation"),
            ),
        },
    }


def _party(description: str, tax_id: re.Pattern[str], required: tuple[str, ...]) -> Schema:
    properties = {
        name: _text(length, name, is_required=name in required)
        for name, length in PARTY_LENGTHS.items()
        if name != "tax_id"
    }
    properties["tax_id"] = _shape(tax_id, "统一社会信用代码/纳税人识别号", is_optional="tax_id" not in required)
    return {"description": description, **_object(properties, required=required)}


def _line() -> Schema:
    properties = {
        name: _text(length, name, is_required=name in LINE_REQUIRED) for name, length in LINE_TEXT_LENGTHS.items()
    }
    length = {"maxLength": MAX_DECIMAL_CHARACTERS}
    properties |= {
        "quantity": _shape(QUANTITY, "数量: printed as given, with unit_price or not", is_optional=True) | length,
        "unit_price": _shape(UNIT_PRICE, "单价: printed as given, without tax", is_optional=True) | length,
        "amount": _shape(MONEY, "金额: without tax"),
        "rate": _shape(RATE, "税率/征收率 as a fraction; zero unless taxed"),
        "tax": _shape(MONEY, "税额: zero unless taxed"),
        "treatment": _choice(Treatment, "taxed where absent", is_optional=True),
        "role": _choice(LineRole, "normal where absent", is_optional=True),
        "tax_code": _shape(TAX_CODE, "税收分类编码: 19 digits", is_optional=True),
    }
    return _object(properties, required=LINE_REQUIRED)


def _object(properties: Schema, required: tuple[str, ...]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _choice(
    choices: type[InvoiceKind | Treatment | LineRole], description: str, *, is_optional: bool = False
) -> Schema:
    values = [choice.value for choice in choices]
    return {"description": description, "enum": [*values, ""] if is_optional else values}


def _shape(pattern: re.Pattern[str], description: str, *, is_optional: bool = False) -> Schema:
    """Return a string of one shape; where the field is optional, an empty string is the same as none."""
    optional = "?" if is_optional else ""
    return {"description": description, "type": "string", "pattern": f"^(?:{pattern.pattern}){optional}$"}


def _text(length: int, description: str, *, is_required: bool = False) -> Schema:
    return {
        "description": description,
        "type": "string",
        "minLength": 1 if is_required else 0,
        "maxLength": length,
        "pattern": _TEXT_PATTERN,
    }


def _text_pattern(*, has_lines: bool = False) -> str:
    """Return the pattern of a text without forbidden characters and outer spaces, of one line or of several.

    It names the characters of the basic plane: patterns treat those beyond, and surrogates, differently by dialect.
    """
    ranges = (
        f"\\u{first:04x}-\\u{last:04x}"
        for first, last, _ in FORBIDDEN_RANGES
        if last <= _LAST_BMP and (first, last) != _SURROGATES
    )
    forbidden = "".join(ranges)
    inner, outer = f"[^{forbidden}]", f"[^\\s{forbidden}]"
    if has_lines:
        inner = f"(?:{inner}|\\n)"
    return f"^(?:{outer}(?:{inner}*{outer})?)?$"


_TEXT_PATTERN: Final = _text_pattern()
_LINES_PATTERN: Final = _text_pattern(has_lines=True)
