"""Keys that seal envelopes: a file that only its owner can reach, with at most two live keys a producer.

A producer's keys change without a stop in three steps, each followed by carrying the file to who needs it: *add* (the
workers accept a next key that nobody seals with yet), *switch* (the producer seals with it), *retire* (the workers
no longer accept the previous one). A producer needs its own keys alone; workers need those of all.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from render.errors import ConfigError, SigningError
from render.sign.keyfiles import SECRET_FILE_MODE, create_file, make_secret_folder, read_secret
from workers.envelope.mac import MacSecret
from workers.envelope.message import TIME_FORMAT, KeyId

KEYS_SCHEMA = "kaipiao.envelope-keys/1"
MAX_FILE_BYTES = 1 << 20
MAX_LIVE_KEYS = 2
SECRET_BYTES = 32
TEST_MARK = "TEST-"
"""Begins the key ids of keys that guard nothing: doctor points them out."""

ProducerName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}$(?!\n)")]


class KeyState(StrEnum):
    """What a key is used for: all three open envelopes, ``current`` alone seals them."""

    NEXT = "next"
    CURRENT = "current"
    PREVIOUS = "previous"


class ProducerKey(Struct, frozen=True, kw_only=True):
    """A live key."""

    key_id: str
    producer: str
    state: KeyState
    created: str
    secret: MacSecret


class _KeyText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key as its file has it; ``secret`` in base64."""

    key_id: KeyId
    producer: ProducerName
    state: KeyState
    created: str
    secret: str


class _KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="schema", tag=KEYS_SCHEMA):
    keys: tuple[_KeyText, ...]


class KeyRing:
    """Live keys by key id.

    Args:
        keys: of any number of producers.

    Raises:
        ConfigError: a key id stands twice, a producer has more than two live keys, or not exactly one current key.
    """

    def __init__(self, keys: Sequence[ProducerKey]) -> None:
        self._keys = {key.key_id: key for key in keys}
        if len(self._keys) != len(keys):
            raise ConfigError("a key id stands twice.", hint="Key ids are never used again: make a new key.")
        for producer in self.producers:
            own = [key for key in keys if key.producer == producer]
            if len(own) > MAX_LIVE_KEYS or [key.state for key in own].count(KeyState.CURRENT) != 1:
                raise ConfigError(
                    f"producer {producer} has {len(own)} live keys, or not exactly one that is current.",
                    hint="Keep one current key and at most one next or previous; see `kaipiao envelope list`.",
                )

    @property
    def keys(self) -> tuple[ProducerKey, ...]:
        """Return all live keys."""
        return tuple(self._keys.values())

    @property
    def producers(self) -> tuple[str, ...]:
        """Return the names of those who have keys, sorted."""
        return tuple(sorted({key.producer for key in self._keys.values()}))

    def find(self, key_id: str) -> ProducerKey | None:
        """Return the live key with this id."""
        return self._keys.get(key_id)

    def current(self, producer: str = "") -> ProducerKey:
        """Return the key that a producer seals with.

        Args:
            producer: its name; empty = the only one in the ring.

        Raises:
            ConfigError: no such producer, or several where none was named.
        """
        names = self.producers
        wanted = producer or (names[0] if len(names) == 1 else "")
        for key in self._keys.values():
            if key.producer == wanted and key.state is KeyState.CURRENT:
                return key
        raise ConfigError(
            f"the file of envelope keys has no producer {producer!r}." if producer else "which producer seals?",
            hint=f"Name one of: {', '.join(names) or 'none; run `kaipiao envelope add`'}.",
        )


class KeyFile:
    """A ring kept in a file, read again whenever the file was replaced: keys change without a stop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._ring = KeyRing(())

    @property
    def ring(self) -> KeyRing:
        """Return what the file holds now.

        Raises:
            ConfigError: it is missing, damaged, or others can reach it.
        """
        try:
            status = self.path.stat()
        except OSError as error:
            raise self._unusable(str(error.strerror)) from error
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        if mark != self._seen:
            self._ring = self._read()
            self._seen = mark
        return self._ring

    def change(self, how: Callable[[KeyRing], KeyRing]) -> KeyRing:
        """Replace the file by what a function makes of its keys; a missing file counts as one without keys.

        Raises:
            ConfigError: the file is damaged, or the change is refused.
        """
        before = self.ring if self.path.exists() else KeyRing(())
        after = how(before)
        make_secret_folder(self.path.parent)
        fresh = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        create_file(fresh, _as_text(after), SECRET_FILE_MODE)
        fresh.replace(self.path)
        self._seen = None
        return self.ring

    def _read(self) -> KeyRing:
        try:
            content = read_secret(self.path, MAX_FILE_BYTES, "file of envelope keys")
        except SigningError as error:
            raise ConfigError(error.message, hint=f"Run chmod 600 on {self.path}, or correct its path.") from error
        try:
            read = msgspec.json.decode(content, type=_KeyFile)
            return KeyRing([_key(text) for text in read.keys])
        except (msgspec.DecodeError, ValueError) as error:
            # The cause may quote what it could not read, and that may be a secret.
            raise self._unusable("it does not follow its schema") from (
                error if isinstance(error, msgspec.ValidationError) else None
            )

    def _unusable(self, reason: str) -> ConfigError:
        return ConfigError(
            f"the file of envelope keys {self.path} cannot be used: {reason}.",
            hint="Make keys with `kaipiao envelope add`, or correct KAIPIAO_ENVELOPE_KEYS.",
        )


def add_key(ring: KeyRing, producer: str, *, now: datetime, secret: bytes, is_test: bool = False) -> KeyRing:
    """Return the ring with a fresh key of a producer: current if it is the first, next otherwise.

    Args:
        ring: the keys so far.
        producer: 1 to 32 letters, digits and hyphens.
        now: the time that is written into the key and its id.
        secret: 32 random bytes.
        is_test: mark the key as one for tests.

    Raises:
        ConfigError: the producer has two live keys, or its name does not fit.
    """
    own = [key for key in ring.keys if key.producer == producer]
    mark = TEST_MARK if is_test else ""
    key = ProducerKey(
        key_id=f"{mark}{producer}.{now:%Y%m%dT%H%M%SZ}",
        producer=producer,
        state=KeyState.NEXT if own else KeyState.CURRENT,
        created=now.strftime(TIME_FORMAT),
        secret=MacSecret(secret),
    )
    try:
        msgspec.convert(_text(key), type=_KeyText)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{producer!r} names no producer.", hint="Use 1 to 32 letters, digits, hyphens.") from error
    return KeyRing([*ring.keys, key])


def switch_key(ring: KeyRing, producer: str) -> KeyRing:
    """Return the ring in which a producer's next key is current, and its current one previous.

    Raises:
        ConfigError: it has no next key.
    """
    states = {KeyState.NEXT: KeyState.CURRENT, KeyState.CURRENT: KeyState.PREVIOUS}
    if not any(key.producer == producer and key.state is KeyState.NEXT for key in ring.keys):
        raise ConfigError(f"producer {producer} has no next key.", hint="Run `kaipiao envelope add` first.")
    return KeyRing(
        [
            msgspec.structs.replace(key, state=states[key.state]) if key.producer == producer else key
            for key in ring.keys
        ]
    )


def retire_key(ring: KeyRing, producer: str) -> KeyRing:
    """Return the ring without a producer's previous key.

    Raises:
        ConfigError: it has none.
    """
    kept = [key for key in ring.keys if key.producer != producer or key.state is not KeyState.PREVIOUS]
    if len(kept) == len(ring.keys):
        raise ConfigError(f"producer {producer} has no previous key.", hint="Run `kaipiao envelope switch` first.")
    return KeyRing(kept)


def _key(text: _KeyText) -> ProducerKey:
    return ProducerKey(
        key_id=text.key_id,
        producer=text.producer,
        state=text.state,
        created=text.created,
        secret=MacSecret(base64.b64decode(text.secret, validate=True)),
    )


def _text(key: ProducerKey) -> Mapping[str, str]:
    return {
        "key_id": key.key_id,
        "producer": key.producer,
        "state": key.state.value,
        "created": key.created,
        "secret": base64.b64encode(key.secret.reveal()).decode("ascii"),
    }


def _as_text(ring: KeyRing) -> bytes:
    content = msgspec.json.encode({"schema": KEYS_SCHEMA, "keys": [_text(key) for key in ring.keys]})
    return msgspec.json.format(content, indent=1) + b"\n"
