"""SM3 digests (GB/T 32905)."""

from __future__ import annotations

from render.sign.api import BytesLike, CryptoBackend
from render.sign.backend import load_backend

DIGEST_BYTES = 32


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
