"""Memory and the object stores of the clouds, through obstore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import MemoryStore, from_url

from render.store.backend import Missing, ObjectHead

if TYPE_CHECKING:
    from obstore.store import ObjectStore


WRITES_AT_A_TIME = 16


class ObjectBackend:
    """Objects in a store that obstore speaks to; creation is conditional on the server's side."""

    def __init__(self, url: str) -> None:
        self._store: ObjectStore = MemoryStore() if url.startswith("memory:") else from_url(url)

    def create(self, key: str, data: bytes) -> bool:
        """Write a new object and return True, or return False where the key exists."""
        try:
            obstore.put(self._store, key, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def create_many(self, objects: Mapping[str, bytes]) -> dict[str, bool | Exception]:
        """Write new objects several at a time, since each waits for an answer."""

        def create(item: tuple[str, bytes]) -> bool | Exception:
            try:
                return self.create(*item)
            except (OSError, ValueError, BaseError) as error:
                return error

        with ThreadPoolExecutor(WRITES_AT_A_TIME, thread_name_prefix="store") as writers:
            return dict(zip(objects, writers.map(create, objects.items()), strict=True))

    def get(self, key: str) -> bytes:
        """Return the bytes of an object."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError as error:
            raise Missing from error

    def head(self, key: str) -> ObjectHead:
        """Return the size of an object."""
        try:
            return ObjectHead(key=key, size=obstore.head(self._store, key)["size"])
        except FileNotFoundError as error:
            raise Missing from error

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder."""
        for page in obstore.list(self._store, prefix=prefix or None):
            for item in page:
                yield item["path"]
