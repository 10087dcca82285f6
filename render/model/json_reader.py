"""Our own JSON, read without tolerance: a name twice, a number for a string, or a field nobody knows is a fault."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeGuard

import msgspec

from render.model.faults import Findings, malformed
from render.model.fields import HEAD_FIELDS, LINE_FIELDS, MAX_LINES, PARTY_LENGTHS, RED_FIELDS, SCHEMA_ID
from render.model.raw import RawInvoice, Strings
from render.model.text import quote

_PARTY_FIELDS: Final = frozenset(PARTY_LENGTHS)
_PARTS: Final = frozenset({"seller", "buyer", "lines", "red"})
_ROOT_FIELDS: Final = HEAD_FIELDS | _PARTS | {"schema"}
_STRINGS: Final = frozenset({str})
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")
_NUMBERS = 'Write numbers as strings such as "100.00".'
_NOT_JSON = "Send one JSON object in UTF-8, as the published schema describes it."


class _Number(str):
    """A JSON number, kept as its characters: turned into a float it would have lost its cents."""

    __slots__ = ()


class _DuplicateNameError(ValueError):
    """A JSON object has a name twice; readers disagree on which value counts."""


def read_json(data: bytes, text: str, findings: Findings) -> RawInvoice:
    """Read the values of a JSON document.

    Args:
        data: the document.
        text: the same, decoded from UTF-8.
        findings: takes a fault for each value that has not the form of its field.

    Raises:
        MalformedInput: not JSON, or not of our schema.
    """
    return _read_plain(data) or _read_any(text, findings)


def _read_plain(data: bytes) -> RawInvoice | None:
    """Read a document that is in order by a fast parser, or return None, so that the other reader says what is wrong.

    The fast parser keeps the last of two values of one name. That shows in a count: each string that was read accounts
    for two quotation marks, so more of them are escaped ones or strings that were dropped.
    """
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if type(document) is not dict or document.get("schema") != SCHEMA_ID:
        return None
    n_parts = len(_PARTS) if "red" in document else len(_PARTS) - 1
    seller, buyer, lines = (document.pop(name, None) for name in ("seller", "buyer", "lines"))
    red: object = document.pop("red", {})
    if type(lines) is not list or len(lines) > MAX_LINES or not _is_plain(red, RED_FIELDS):
        return None
    if not (_is_plain(document, _ROOT_FIELDS) and _is_plain(seller, _PARTY_FIELDS) and _is_plain(buyer, _PARTY_FIELDS)):
        return None
    if not all(_is_plain(line, LINE_FIELDS) for line in lines):
        return None
    members = len(document) + len(seller) + len(buyer) + len(red) + sum(map(len, lines))
    if data.count(b'"') != 2 * (2 * members + n_parts):
        return None
    is_red = n_parts == len(_PARTS)
    return RawInvoice(document, seller, buyer, lines, red if is_red else None, is_red)


def _is_plain(value: object, known: frozenset[str]) -> TypeGuard[dict[str, str]]:
    """Tell whether a value is an object of known fields, all of them strings."""
    return type(value) is dict and value.keys() <= known and _STRINGS.issuperset(map(type, value.values()))


def _read_any(text: str, findings: Findings) -> RawInvoice:
    document = _decode(text)
    if not isinstance(document, dict):
        raise malformed("json.not_an_object", "The JSON document is not an object.", _NOT_JSON)
    schema = document.get("schema")
    if schema != SCHEMA_ID or type(schema) is not str:
        found = quote(schema) if isinstance(schema, str) else "missing"
        raise malformed("json.schema", f"The schema is {found}.", f'State "schema": "{SCHEMA_ID}".')
    head = {name: value for name, value in document.items() if name not in _PARTS}
    red = _strings(document["red"], "red", RED_FIELDS, findings) if "red" in document else None
    return RawInvoice(
        head=_strings(head, "", _ROOT_FIELDS, findings) or {},
        seller=_part(document, "seller", findings),
        buyer=_part(document, "buyer", findings),
        lines=_lines(document, findings),
        red=red,
        is_red="red" in document,
    )


def _decode(text: str) -> object:
    try:
        document: object = _DECODER.decode(text)
    except _DuplicateNameError as error:
        raise malformed("json.duplicate_name", str(error), "State each field once.") from None
    except RecursionError:
        raise malformed("json.depth", "The JSON document is nested too deeply.", _NOT_JSON) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise malformed("json.syntax", f"The JSON document is broken at {where}: {error.msg}.", _NOT_JSON) from None
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _DuplicateNameError(f"An object has the name {quote(name)} twice.")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise malformed("json.syntax", f"{name} is not JSON.", _NUMBERS)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant
)


def _part(document: Mapping[str, Any], name: str, findings: Findings) -> Strings | None:
    if name in document:
        return _strings(document[name], name, _PARTY_FIELDS, findings)
    findings.error(name, "field.required", f"The {name} is missing.", "State it.")
    return None


def _lines(document: Mapping[str, Any], findings: Findings) -> list[Strings | None]:
    lines = document.get("lines")
    if not isinstance(lines, list):
        findings.error("lines", "field.type", "The lines are not an array.", "State an array of at least one line.")
        return []
    # What is beyond the permitted number has one fault in the checks, whatever it holds.
    kept = lines[: MAX_LINES + 1]
    return [_strings(line, f"lines[{place}]", LINE_FIELDS, findings) for place, line in enumerate(kept)]


def _strings(value: object, path: str, known: frozenset[str], findings: Findings) -> Strings | None:
    """Return an object of known fields and strings as it is, and every other without what does not belong."""
    if _is_plain(value, known):
        return value
    if type(value) is not dict:
        findings.error(path, "field.type", f"{_kind_of(value)} stands where an object belongs.", "State an object.")
        return None
    kept: dict[str, str] = {}
    for name, each in value.items():
        label = name if _PLAIN_NAME.fullmatch(name) else quote(name)
        field = f"{path}.{label}" if path else label
        if name not in known:
            findings.error(field, "field.unknown", "No such field.", f"Known are: {', '.join(sorted(known))}.")
        elif type(each) is not str:
            hint = _NUMBERS if type(each) is _Number else "Leave it out or state text."
            findings.error(field, "field.type", f"{_kind_of(each)} stands where a string belongs.", hint)
        else:
            kept[name] = each
    return kept


def _kind_of(value: object) -> str:
    names = {_Number: "A number", str: "A string", list: "An array", dict: "An object", bool: "True or false"}
    return names.get(type(value), "null")
