"""An invoice as its document states it: strings that nothing has checked yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Strings = Mapping[str, str]
"""Values by field name; a field that is missing or empty was not stated."""


@dataclass(frozen=True, slots=True)
class RawInvoice:
    """What a reader hands to the checks. A part that could not be read at all is None and has its fault already."""

    head: Strings
    seller: Strings | None
    buyer: Strings | None
    lines: Sequence[Strings | None]
    red: Strings | None
    is_red: bool
