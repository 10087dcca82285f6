import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from render.errors import Fault, InputError
from render.model.read import read_invoice

INVOICES = Path(__file__).parents[2] / "data" / "invoices"

Document = dict[str, Any]


def load(name: str) -> Document:
    return json.loads((INVOICES / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def document() -> Document:
    return load("ordinary")


@pytest.fixture
def sample() -> Callable[[str], Document]:
    return load


@pytest.fixture
def xml() -> str:
    return (INVOICES / "ordinary.xml").read_text("utf-8")


@pytest.fixture
def changed() -> Callable[..., Document]:
    """Return a copy of a document with fields set by dotted path; None deletes."""

    def change(document: Document, fields: dict[str, Any]) -> Document:
        result = copy.deepcopy(document)
        for path, value in fields.items():
            *parents, last = [int(name) if name.isdigit() else name for name in path.split(".")]
            place: Any = result
            for name in parents:
                place = place[name]
            if value is None:
                del place[last]
            else:
                place[last] = value
        return result

    return change


@pytest.fixture
def faults_of() -> Callable[[Document | bytes], set[tuple[str, str]]]:
    """Return path and rule of everything found, warnings too."""

    def find(document: Document | bytes) -> set[tuple[str, str]]:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        try:
            faults = read_invoice(data).warnings
        except InputError as error:
            faults = error.faults or (Fault("", "", "", ""),)
        assert all(fault.message and fault.hint for fault in faults)
        return {(fault.path, fault.rule) for fault in faults}

    return find
