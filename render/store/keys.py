"""Keys of stored objects: what a key may look like, and where content-addressed bytes live."""

from __future__ import annotations

import re

from render.errors import Retry, StoreError

MAX_KEY_CHARS = 512
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_DIGEST = re.compile(r"(sm3):([0-9a-f]{64})")


class KeyRefused(StoreError):  # noqa: N818 named like the rest of the error tree
    """The key is not one that we would ever write: it may come from an attacker."""

    code = "store_key_refused"
    retry = Retry.NEVER


def check_key(key: str) -> str:
    """Return the key if it is harmless on every kind of store.

    A key is segments of ASCII letters, digits, ``.``, ``_`` and ``-`` joined by ``/``; no segment starts with a dot,
    so neither ``..`` nor hidden files can be named, and the same key means the same object on every store.

    Raises:
        KeyRefused: anything else, such as ``..``, a leading ``/``, NUL or full-width dots.
    """
    if len(key) > MAX_KEY_CHARS or not all(_SEGMENT.fullmatch(part) for part in key.split("/")):
        shown = ascii(key[:80])
        raise KeyRefused(f"{shown} is not a key.", hint="Use segments of ASCII letters, digits, '.', '_' and '-'.")
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix, a folder without its closing slash, if it is harmless; empty = everything.

    Raises:
        KeyRefused: see :func:`check_key`.
    """
    return check_key(prefix) if prefix else prefix


def blob_key(digest: str) -> str:
    """Return where bytes with this digest live: ``sm3:abcd…`` → ``sm3/ab/cd/abcd…``.

    Raises:
        KeyRefused: not the digest of anything.
    """
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise KeyRefused(f"{digest[:80]!a} is not a digest.", hint="Expected sm3: and 64 lower-case hex digits.")
    algorithm, value = match.groups()
    return f"{algorithm}/{value[:2]}/{value[2:4]}/{value}"
