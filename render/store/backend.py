"""What a kind of store must be able to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


class Missing(Exception):  # noqa: N818 a signal between a backend and the store, which raises errors of our tree
    """There is no object with this key."""


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What is known of an object without reading it; ``size`` in bytes."""

    key: str
    size: int


class Backend(Protocol):
    """Objects by checked keys; raises :class:`Missing`, ``OSError`` or the library's own errors."""

    def create(self, key: str, data: bytes) -> bool:
        """Write a new object, durably, and return True; return False where the key exists."""

    def create_many(self, objects: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        """Do the same for many objects at a time; what went wrong with one stands in its place."""

    def get(self, key: str) -> bytes:
        """Return the bytes of an object."""

    def head(self, key: str) -> ObjectHead:
        """Return what is known of an object."""

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder, in any order; an empty prefix means all."""
