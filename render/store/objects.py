"""Memory and the object stores of the clouds, through obstore."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import MemoryStore, from_url

from render.store.backend import Missing, ObjectHead

if TYPE_CHECKING:
    from obstore.store import ObjectStore


CLOUDS = ("AWS", "AZURE", "GOOGLE")
WRITES_AT_A_TIME = 16
CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 20
"""A store that takes longer is treated as one that failed: the job is tried again, and its slot is free meanwhile."""
TRIES = 3
TRYING_S = 30
CHECKED_BYTES = 1024 * 1024
"""A larger object is not sent where it is known to exist; a smaller one is cheaper to send than to ask about."""


class ObjectBackend:
    """Objects in a store that obstore speaks to; creation is conditional on the server's side."""

    def __init__(self, url: str) -> None:
        self._store: ObjectStore = MemoryStore() if url.startswith("memory:") else _open(url)

    def create(self, key: str, data: bytes) -> bool:
        """Write a new object and return True, or return False where the key exists."""
        if len(data) > CHECKED_BYTES and self._exists(key):
            return False
        try:
            obstore.put(self._store, key, data, mode="create")
        except AlreadyExistsError:
            return False
        except (OSError, BaseError):
            # The answer is lost, but the object may be there: ours, or that of whoever made the server hang up on us.
            if self._exists(key):
                return False
            raise
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

    def _exists(self, key: str) -> bool:
        try:
            self.head(key)
        except Missing:
            return False
        return True


def _open(url: str) -> ObjectStore:
    # Options given here replace those that obstore itself would read from the environment.
    allow_http = any(os.environ.get(f"{cloud}_ALLOW_HTTP", "").lower() in {"1", "true"} for cloud in CLOUDS)
    return from_url(
        url,
        client_options={
            "allow_http": allow_http,
            "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            "timeout": f"{ANSWER_TIMEOUT_S}s",
        },
        retry_config={"max_retries": TRIES, "retry_timeout": timedelta(seconds=TRYING_S)},
    )
