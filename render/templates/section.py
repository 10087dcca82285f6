"""Checked access to the tables of a template file: wrong types and unknown keys are named with their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from render.errors import ConfigError
from render.units import mm_to_um

MAX_MM = Decimal(2000)


class Section:
    """One TOML table; every key must be taken by the time :meth:`close` is called."""

    def __init__(self, values: object, place: str, *, defaults: Mapping[str, Any] | None = None) -> None:
        if not isinstance(values, dict):
            raise ConfigError(f"{place} must be a table.", hint="Mend the template file.")
        self._values: dict[str, Any] = {**(defaults or {}), **values}
        self._place = place
        self._taken: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def section(self, key: str, *, defaults: Mapping[str, Any] | None = None) -> Section:
        """Return the table under a key, an empty one where it is absent."""
        self._taken.add(key)
        return Section(self._values.get(key, {}), f"{self._place}.{key}", defaults=defaults)

    def sections(self, *, defaults: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Section]]:
        """Yield each entry as a table of its own, in file order."""
        for key in self._values:
            yield key, self.section(key, defaults=defaults)

    def names(self) -> tuple[str, ...]:
        """Return the keys in file order."""
        return tuple(self._values)

    def table(self) -> Mapping[str, Any]:
        """Return everything as plain values, for use as defaults."""
        self._taken.update(self._values)
        return self._values

    def raw(self, key: str) -> object:
        """Return a value unchecked."""
        self._taken.add(key)
        if key not in self._values:
            self.fail(key, "is missing")
        return self._values[key]

    def text(self, key: str) -> str:
        """Return a non-empty string."""
        value = self.raw(key)
        if not isinstance(value, str) or not value:
            self.fail(key, "must be a text")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number between two limits, both included."""
        value = self.raw(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fail(key, f"must be a whole number from {low} to {high}")
        return value

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self.raw(key)
        if not isinstance(value, bool):
            self.fail(key, "must be true or false")
        return value

    def ratio(self, key: str) -> Decimal:
        """Return a number from 0 to 1, exactly as written."""
        value = self.raw(key)
        if not _is_number(value) or not 0 <= Decimal(value) <= 1:  # type: ignore[arg-type]
            self.fail(key, "must be a number from 0 to 1")
        return Decimal(value)  # type: ignore[arg-type]

    def length(self, key: str) -> int:
        """Return a length in µm; files give millimetres."""
        return self._um(key, self.raw(key))

    def lengths(self, key: str, count: int | None = None) -> tuple[int, ...]:
        """Return a list of lengths in µm, of exactly ``count`` entries where it is given."""
        values = self.raw(key)
        if not isinstance(values, list) or not values or (count is not None and len(values) != count):
            self.fail(key, f"must be a list of {count or 'some'} lengths in mm")
        return tuple(self._um(key, value) for value in values)

    def box(self, key: str) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom in µm."""
        left, top, right, bottom = self.lengths(key, 4)
        if left >= right or top >= bottom:
            self.fail(key, "must be left, top, right, bottom with left < right and top < bottom")
        return left, top, right, bottom

    def close(self) -> None:
        """Raise :class:`ConfigError` where a key was not taken: it is unknown or misspelt."""
        unknown = sorted(self._values.keys() - self._taken)
        if unknown:
            self.fail(", ".join(unknown), "is not a setting here")

    def fail(self, key: str, what: str) -> NoReturn:
        """Raise :class:`ConfigError` about a key."""
        raise ConfigError(f"{self._place}.{key} {what}.", hint="Mend the template file.")

    def _um(self, key: str, value: object) -> int:
        if not _is_number(value) or not -MAX_MM <= Decimal(value) <= MAX_MM:  # type: ignore[arg-type]
            self.fail(key, "must be a length in mm")
        return mm_to_um(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool) and Decimal(value).is_finite()
