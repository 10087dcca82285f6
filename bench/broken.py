"""Inputs that must be refused, by name, each with the error code that it must get."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from bench import corpus
from render.model.invoice import Media

MALFORMED = "input_malformed"
INVALID = "invoice_invalid"
TOO_LONG = 10_000_000

_BILLION_LAUGHS = "<!DOCTYPE EInvoice [{}]><EInvoice><Header><EIid>&e9;</EIid></Header></EInvoice>".format(
    '<!ENTITY e0 "ha">' + "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
)
_OUTSIDE = '<!DOCTYPE EInvoice [<!ENTITY x SYSTEM "file:///etc/hostname">]><EInvoice><Header><EIid>&x;</EIid></Header></EInvoice>'


@dataclass(frozen=True, slots=True)
class BrokenDocument:
    """An input that is refused with one of ``codes``; ``media`` is what its sender claims."""

    name: str
    media: Media
    data: bytes = field(repr=False)
    codes: tuple[str, ...]


def bad(seed: int = 1) -> list[BrokenDocument]:
    """Return every broken input, made from one good invoice."""
    good = corpus.typical(1, seed)[0]
    text = good.data.decode()
    whole = json.loads(text)
    documents = [_json(name, _broken(whole, breaks), code) for name, (code, breaks) in _BREAKS.items()]
    documents += [
        BrokenDocument("empty", Media.JSON, b"", (MALFORMED,)),
        BrokenDocument("not_utf8", Media.JSON, text.encode("gb18030"), (MALFORMED,)),
        BrokenDocument("truncated_json", Media.JSON, good.data[: len(good.data) // 2], (MALFORMED,)),
        BrokenDocument("deep_json", Media.JSON, b"[" * 100_000, (MALFORMED,)),
        BrokenDocument("json_array", Media.JSON, b"[]", (MALFORMED, INVALID)),
        BrokenDocument("nan_number", Media.JSON, _number(text, whole, "NaN"), (MALFORMED, INVALID)),
        BrokenDocument("float_money", Media.JSON, _number(text, whole, whole["total"]), (MALFORMED, INVALID)),
        BrokenDocument("xml_bomb", Media.EINVOICE_XML, _BILLION_LAUGHS.encode(), (MALFORMED,)),
        BrokenDocument("xml_external_entity", Media.EINVOICE_XML, _OUTSIDE.encode(), (MALFORMED,)),
        BrokenDocument("xml_other_root", Media.EINVOICE_XML, b"<html/>", (MALFORMED, INVALID)),
        BrokenDocument("truncated_xml", Media.EINVOICE_XML, b"<EInvoice><Header>", (MALFORMED,)),
    ]
    return documents


def _json(name: str, document: dict[str, Any], code: str) -> BrokenDocument:
    # A field of ten megabytes may be refused by size or by the rule of that field.
    codes = (MALFORMED, INVALID) if code == MALFORMED else (code,)
    return BrokenDocument(
        name, Media.JSON, json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"), codes
    )


def _number(text: str, whole: dict[str, Any], number: str) -> bytes:
    """Replace the total, a string, by a bare number."""
    return text.replace(f'"total": "{whole["total"]}"', f'"total": {number}').encode()


def _broken(whole: dict[str, Any], breaks: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    document = deepcopy(whole)
    breaks(document)
    return document


def _set(path: str, value: str) -> Callable[[dict[str, Any]], None]:
    """Return a function that sets one field; ``path`` is dotted, with list places as numbers."""

    def breaks(document: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place: Any = document
        for name in parents:
            place = place[int(name) if name.isdigit() else name]
        place[last] = value

    return breaks


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    def breaks(document: dict[str, Any]) -> None:
        del document[name]

    return breaks


_BREAKS: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "unknown_schema": (MALFORMED, _set("schema", "kaipiao.invoice/99")),
    "unknown_kind": (INVALID, _set("kind", "vat_imaginary")),
    "unknown_field": (INVALID, _set("discount_code", "0")),
    "without_seller": (INVALID, _without("seller")),
    "without_lines": (INVALID, _without("lines")),
    "path_like_number": (INVALID, _set("number", "../../../etc/passwd")),
    "number_with_nul": (INVALID, _set("number", "2631200000000000000\0")),
    "full_width_number": (INVALID, _set("number", "２６３１２００００００００００００００１")),
    "full_width_dots": (INVALID, _set("number", "．．／．．／0000000000000")),
    "short_number": (INVALID, _set("number", "123")),
    "impossible_date": (INVALID, _set("issued", "2026-02-30")),
    "seller_code_check": (INVALID, _set("seller.tax_id", "91990000FAKE000000")),
    "nan_total": (INVALID, _set("total", "NaN")),
    "infinite_amount": (INVALID, _set("lines.0.amount", "Infinity")),
    "exponent_amount": (INVALID, _set("lines.0.amount", "1E+30")),
    "three_decimals": (INVALID, _set("total_tax", "0.001")),
    "wrong_total": (INVALID, _set("total", "0.01")),
    "wrong_words": (INVALID, _set("total_words", "壹分")),
    "wrong_qr": (INVALID, _set("qr_text", "01,31,,24312000000000000001,1130.00,20240528,,0000")),
    "wrong_tax": (INVALID, _set("lines.0.tax", "99999.99")),
    "control_character": (INVALID, _set("buyer.name", "虚构\x07示例有限公司")),
    "bidi_override": (INVALID, _set("buyer.name", "虚构\u202e示例有限公司")),
    "surrogate": (MALFORMED, _set("buyer.name", "虚构\ud800示例有限公司")),
    "noncharacter": (INVALID, _set("buyer.name", "虚构\ufffe示例有限公司")),
    "huge_name": (MALFORMED, _set("buyer.name", "虚" * TOO_LONG)),
    "remark_too_long": (INVALID, _set("remark", "注" * 451)),
}
