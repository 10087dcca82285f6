"""The store: documents and records by key, each written once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError

from render.errors import ConfigError, StoreConflict, StoreError
from render.store.backend import Backend, Missing, ObjectHead
from render.store.keys import blob_key, check_key, check_prefix
from render.store.local import LocalBackend
from render.store.objects import ObjectBackend

__all__ = ["ObjectHead", "ObjectMissing", "Store", "blob_key"]

_CLOUD_SCHEMES = ("memory", "s3", "s3a", "gs", "az", "abfs", "abfss", "azure")


class ObjectMissing(StoreError):  # noqa: N818 named like the rest of the error tree
    """There is no object with this key, at least not yet."""

    code = "store_object_missing"


class Store:
    """Objects by key, created once and never overwritten.

    Args:
        url: ``file:///folder``, a plain path, ``memory://`` (this instance alone), ``s3://bucket/folder`` or another
            address that obstore knows. Credentials come from where the cloud's own tools look for them.

    Raises:
        ConfigError: no such kind of store, or it cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._backend = _open(url)
        except (OSError, ValueError, BaseError) as error:
            raise ConfigError(f"the store cannot be opened: {error}.", hint="Check KAIPIAO_STORE.") from error

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create an object; return True if it is new, False if it was there with the same bytes.

        When this returns, the object is durable as far as the store can make it so.

        Raises:
            StoreConflict: the key exists with other bytes, which stay as they are.
            StoreError: the store did not take the bytes; KeyRefused: hostile key.
        """
        with _failures(check_key(key)):
            if self._backend.create(key, data):
                return True
            existing = self._backend.get(key)
        if existing != data:
            raise _conflict(key)
        return False

    def put_many(self, objects: Mapping[str, bytes]) -> dict[str, bool | StoreError]:
        """Create many objects at a fraction of the cost; each key's result is what put_if_absent returns or raises.

        When this returns, all are durable that were created. Their order is not kept: what must be there before
        something else is put goes into an earlier call.

        Raises:
            KeyRefused: a hostile key; nothing was written.
        """
        created = self._backend.create_many({check_key(key): data for key, data in objects.items()})
        return {key: self._settle(key, objects[key], result) for key, result in created.items()}

    def _settle(self, key: str, data: bytes, created: bool | Exception) -> bool | StoreError:  # noqa: FBT001 a result
        try:
            with _failures(key):
                if isinstance(created, Exception):
                    raise created
                existing = data if created else self._backend.get(key)
            if existing != data:
                raise _conflict(key)
        except StoreError as error:
            return error
        return created

    def get(self, key: str) -> bytes:
        """Return an object's bytes.

        Raises:
            ObjectMissing: there is none; StoreError: it cannot be read; KeyRefused: hostile key.
        """
        with _failures(check_key(key)):
            return self._backend.get(key)

    def head(self, key: str) -> ObjectHead:
        """Return what is known of an object without reading it.

        Raises:
            ObjectMissing: there is none; StoreError: it cannot be read; KeyRefused: hostile key.
        """
        with _failures(check_key(key)):
            return self._backend.head(key)

    def exists(self, key: str) -> bool:
        """Tell whether there is an object with this key.

        Raises:
            StoreError: the store does not answer; KeyRefused: hostile key.
        """
        try:
            self.head(key)
        except ObjectMissing:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a folder, sorted; an empty prefix means all.

        Raises:
            StoreError: the store does not answer; KeyRefused: hostile prefix.
        """
        with _failures(check_prefix(prefix)):
            keys = sorted(self._backend.list(prefix))
        yield from keys


def _conflict(key: str) -> StoreConflict:
    return StoreConflict(f"{key} exists with other bytes.", hint="Nothing was overwritten.")


def _open(url: str) -> Backend:
    scheme, separator, _ = url.partition("://")
    if not separator:
        return LocalBackend(Path(url).expanduser().absolute())
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise ValueError(f"{url} names a host; a folder is written file:///folder")
        return LocalBackend(Path(unquote(parts.path)))
    if scheme in _CLOUD_SCHEMES:
        return ObjectBackend(url)
    raise ValueError(f"unknown scheme {scheme!r}; known are file, {', '.join(_CLOUD_SCHEMES)}")


@contextmanager
def _failures(key: str) -> Iterator[None]:
    """Turn whatever a backend raises into errors of our tree."""
    try:
        yield
    except Missing as error:
        raise ObjectMissing(f"there is no {key}.", hint="It was never written, or the store was changed.") from error
    except (OSError, ValueError, BaseError) as error:
        # obstore adds pages of its inner state after the first line.
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
        raise StoreError(f"the store failed at {key}: {reason}.", hint="Check space, rights and connection.") from error
