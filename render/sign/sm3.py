"""SM3 digests (GB/T 32905)."""

from __future__ import annotations

from typing import NamedTuple

from render.sign.api import BytesLike, CryptoBackend
from render.sign.backend import load_backend

DIGEST_BYTES = 32

_MOST_SHARED_BYTES = 65_536
_LEAST_SHARED_BYTES = 4_096
_LEARN_EVERY = 16
"""Learning costs as much as a digest."""
_KEPT = 8
"""As many as there may be templates in use at once, and a few that are alike by chance."""


def sm3(*parts: BytesLike, backend: CryptoBackend | None = None) -> bytes:
    """Return the SM3 digest of the parts, as if they were one; memoryviews are not copied.

    Args:
        parts: contiguous bytes.
        backend: None = the one that ``auto`` chooses.

    Returns:
        32 bytes.

    Raises:
        BackendUnavailable: no library knows SM3.
    """
    return (backend or load_backend()).sm3(*parts)


def sm3_hex(*parts: BytesLike, backend: CryptoBackend | None = None) -> str:
    """Return the SM3 digest of the parts as 64 lower-case hex digits."""
    return sm3(*parts, backend=backend).hex()


class _Begin(NamedTuple):
    """What SM3 knows after a prefix; None = nothing yet."""

    prefix: bytes
    state: object


_NOTHING = _Begin(b"", None)


class AlikeDigester:
    """Digests files that begin alike, as documents of one template do, and remembers what SM3 knows after that begin.

    What is remembered is compared with each file byte for byte, so the digest is SM3 of the file whatever came before.
    Threads may share a digester.

    Args:
        backend: None = the one that ``auto`` chooses.
    """

    def __init__(self, backend: CryptoBackend | None = None) -> None:
        self._backend = backend or load_backend()
        # Replaced, never changed, so that no thread sees half of a change. The one used last comes first.
        self._known: tuple[_Begin, ...] = ()
        self._last = b""
        self._count = 0

    def digest(self, data: bytes, end: int, *rest: BytesLike) -> bytes:
        """Return the SM3 digest of the first ``end`` bytes of a file, and the rest."""
        known = self._known
        fitting = [begin for begin in known if len(begin.prefix) <= end and data.startswith(begin.prefix)]
        best = max(fitting, key=lambda begin: len(begin.prefix), default=_NOTHING)
        if best is not _NOTHING and best is not known[0]:
            self._known = (best, *(begin for begin in known if begin is not best))
        self._count += 1
        if best is _NOTHING or not self._count % _LEARN_EVERY:
            self._learn(data, end, len(best.prefix))
        return self._backend.sm3_after(best.state, memoryview(data)[len(best.prefix) : end], *rest)

    def _learn(self, data: bytes, end: int, known_bytes: int) -> None:
        """Remember the begin that a file shares with an earlier one, if that is worth more than what is known."""
        last, self._last = self._last, data[:_MOST_SHARED_BYTES]
        least = max(_LEAST_SHARED_BYTES, known_bytes * 5 // 4)
        limit = min(end, len(last))
        if limit >= least and data.startswith(last[known_bytes:least], known_bytes):
            prefix = data[: _common_bytes(data, last, limit)]
            begin = _Begin(prefix, self._backend.sm3_state(prefix))
            self._known = (begin, *self._known)[:_KEPT]


def _common_bytes(left: bytes, right: bytes, limit: int) -> int:
    """Return how many bytes two files share at their begin, up to a limit."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if left.startswith(right[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low
