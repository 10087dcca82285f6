import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from render.errors import InputError
from render.model.fields import MAX_LINES
from render.model.read import read_invoice
from render.model.schema import json_schema

INVOICES = Path(__file__).parents[2] / "data" / "invoices"
VALIDATOR = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)

Document = dict[str, Any]


def is_read(document: object) -> bool:
    try:
        read_invoice(json.dumps(document).encode())
    except InputError:
        return False
    return True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())
    assert json.loads(json.dumps(json_schema())) == json_schema()


def test_a_caller_cannot_change_the_schema_for_others() -> None:
    json_schema()["properties"].clear()
    assert json_schema()["properties"]


@pytest.mark.parametrize("path", sorted(INVOICES.glob("*.json")), ids=lambda path: path.stem)
def test_samples_are_valid_by_schema_and_reader(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    assert VALIDATOR.is_valid(document)
    assert is_read(document)


WRONG_VALUES: tuple[object, ...] = (
    None,
    1,
    0.5,
    True,
    [],
    {},
    "\0",
    "a\nb",
    " a",
    "a ",
    "\u202e",
    "\ue000",
    "１",
    "1E3",
    "NaN",
    "../x",
    "长" * 601,
)
NOT_IN_THE_SCHEMA = ("qr_text", "total_words")
"""Of these the schema says less: their text depends on other fields."""


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def replaced(document: Document, path: tuple[str | int, ...], value: object) -> object:
    if not path:
        return value
    result = copy.deepcopy(document)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


@pytest.mark.parametrize("name", ["ordinary", "red", "exempt"])
def test_schema_and_reader_agree_on_every_field_with_a_wrong_value(
    sample: Callable[[str], Document], name: str
) -> None:
    document = sample(name)
    n_refused = 0
    for path in places(document):
        for value in WRONG_VALUES:
            changed = replaced(document, path, value)
            if path and path[-1] in NOT_IN_THE_SCHEMA and isinstance(value, str):
                continue
            is_valid = VALIDATOR.is_valid(changed)
            assert is_valid == is_read(changed), (path, value)
            n_refused += not is_valid
    assert n_refused > 300


@pytest.mark.parametrize("name", ["ordinary", "discount", "red", "exempt"])
def test_schema_and_reader_agree_on_missing_and_unknown_fields(sample: Callable[[str], Document], name: str) -> None:
    document = sample(name)
    for path in places(document):
        if not path or isinstance(path[-1], int):
            continue
        less = copy.deepcopy(document)
        place: Any = less
        for key in path[:-1]:
            place = place[key]
        value = place.pop(path[-1])
        # A field that may be missing by itself can still be missed by another: a role, a quantity, the red reference.
        if not VALIDATOR.is_valid(less):
            assert not is_read(less), path
        place |= {path[-1]: value, "unknown": value}
        assert not VALIDATOR.is_valid(less)
        assert not is_read(less)


def test_schema_and_reader_agree_on_the_number_of_lines(document: Document) -> None:
    for count in (0, MAX_LINES + 1):
        changed = document | {"lines": document["lines"][:1] * count}
        assert not VALIDATOR.is_valid(changed)
        assert not is_read(changed)
