"""The gate before the store: one that fails is left alone for a moment, and jobs are tried again later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from render.errors import Retry, StoreConflict, StoreError
from render.store.api import ObjectHead, ObjectMissing, Store
from workers.breaker.errors import StoreResting
from workers.breaker.gate import Call, Gate
from workers.breaker.protocol import Permit

_Result = TypeVar("_Result")


class StoreGate(Store):
    """A store behind a breaker.

    Args:
        url: of the store.
        gate: of the part ``store``.

    Raises:
        ConfigError: no such kind of store, or it cannot be opened.
    """

    def __init__(self, url: str, gate: Gate) -> None:
        super().__init__(url)
        self._gate = gate

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create an object, see :meth:`Store.put_if_absent`.

        Raises:
            StoreResting: the store is left alone; others as there.
        """
        return self._through(lambda: super(StoreGate, self).put_if_absent(key, data))

    def put_many(self, objects: Mapping[str, bytes]) -> dict[str, bool | StoreError]:
        """Create many objects, see :meth:`Store.put_many`; while the store is left alone, each result says so."""
        call = self._gate.enter()
        if isinstance(call, Permit):
            return {key: _resting(call) for key in objects}
        try:
            results = super().put_many(objects)
        except StoreError:
            # A hostile key: the store was not asked.
            call.ended()
            raise
        bad = sum(isinstance(result, StoreError) and is_fault(result) for result in results.values())
        call.ended(good=len(results) - bad, bad=bad)
        return results

    def get(self, key: str) -> bytes:
        """Return an object's bytes, see :meth:`Store.get`.

        Raises:
            StoreResting: the store is left alone; others as there.
        """
        return self._through(lambda: super(StoreGate, self).get(key))

    def head(self, key: str) -> ObjectHead:
        """Return what is known of an object, see :meth:`Store.head`.

        Raises:
            StoreResting: the store is left alone; others as there.
        """
        return self._through(lambda: super(StoreGate, self).head(key))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield keys, see :meth:`Store.list`.

        Raises:
            StoreResting: the store is left alone; others as there.
        """
        return self._through(lambda: iter([*super(StoreGate, self).list(prefix)]))

    def _through(self, act: Callable[[], _Result]) -> _Result:
        call = self._gate.enter()
        if isinstance(call, Permit):
            raise _resting(call)
        return _counted(call, act)


def is_fault(error: StoreError) -> bool:
    """Tell whether an error says that the store itself does not work."""
    return error.retry is not Retry.NEVER and not isinstance(error, ObjectMissing | StoreConflict)


def _counted(call: Call, act: Callable[[], _Result]) -> _Result:
    try:
        result = act()
    except StoreError as error:
        call.ended(bad=1) if is_fault(error) else call.ended(good=1)
        raise
    except BaseException:
        call.ended()
        raise
    call.ended(good=1)
    return result


def _resting(permit: Permit) -> StoreResting:
    return StoreResting(
        "the store failed too often of late and is left alone for a moment.",
        hint="The job is tried again by itself. Check the store's space, rights and connection.",
        retry_after_ms=permit.retry_after_ms,
    )
