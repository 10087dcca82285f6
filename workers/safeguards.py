"""What stands between a process of the pool and what it needs: envelopes, breakers, limits; built from the settings."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec
import redis

from render.store.api import Store
from workers.admission import Admission
from workers.breaker.device import DEVICE_RULES, DeviceGate, device_part
from workers.breaker.gate import Gate
from workers.breaker.local import LocalBreaker
from workers.breaker.protocol import Breaker, BreakerRules
from workers.breaker.shared import SharedBreaker
from workers.breaker.signing import SigningGate
from workers.breaker.storing import StoreGate
from workers.breaker.tally import FallbackTally
from workers.config import WorkerSettings
from workers.engine import DeviceEngine, Engine
from workers.envelope.guard import EnvelopeGuard, Opened
from workers.envelope.keys import KeyFile
from workers.envelope.seal import Sealer
from workers.errors import LedgerUnavailable
from workers.lanes import LaneLimits
from workers.ledger.opening import can_hold_a_ledger
from workers.ledger.protocol import Ledger
from workers.logging import pool_logger
from workers.messages import Chunk, decode_chunk, encode_message
from workers.redis_address import connect_redis

SIGNER, STORE = "signer", "store"
ASKING_S = 2.0
"""A breaker or a limit that does not answer within so long is passed over."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was let in; ``opened`` is None where the pool works without envelopes."""

    chunk: Chunk
    opened: Opened | None


class Safeguards:
    """Opens nothing until it is used; one a process.

    Args:
        settings: of the pool.
        ledger: returns the process's ledger, which remembers nonces.

    Attributes:
        device: name of the device that this process renders on; empty = none is its own.
    """

    def __init__(self, settings: WorkerSettings, ledger: Callable[[], Ledger]) -> None:
        self._settings = settings
        self._ledger = ledger
        self._breaker: Breaker | None = None
        self._device_gate: DeviceGate | None = None
        self.device = ""

    @cached_property
    def keys(self) -> KeyFile | None:
        """Return the file of envelope keys; None where messages go without envelopes."""
        return KeyFile(self._settings.envelope_file) if self._settings.has_envelopes else None

    @cached_property
    def shared(self) -> redis.Redis | None:
        """Return the Redis that all processes of the pool share; None where they share none."""
        for url in (self._settings.effective_broker_url, self._settings.effective_ledger):
            if can_hold_a_ledger(url):
                return connect_redis(url, min(ASKING_S, self._settings.broker_timeout_s))
        return None

    def wrapped(self, chunk: Chunk, *, task: str, message_id: str) -> dict[str, Any]:
        """Return what goes into a message, in its envelope where the pool has keys.

        Raises:
            ConfigError: the keys cannot be read, or it is not said which producer seals.
        """
        if self.keys is None:
            return encode_message(chunk)
        envelope = self._sealer(self.keys).seal(chunk, task=task, message_id=message_id)
        plain: dict[str, Any] = msgspec.to_builtins(envelope)
        return plain

    def sealer(self) -> Sealer | None:
        """Return what seals messages; None where they go without envelopes.

        Raises:
            ConfigError: the keys cannot be read, or it is not said which producer seals.
        """
        return None if self.keys is None else self._sealer(self.keys)

    def let_in(self, message: object, *, task: str, message_id: str) -> Delivery:
        """Return what a message holds once it may be read.

        Raises:
            EnvelopeRefused, MessageInvalid: it is not let in.
            ConfigError: the keys cannot be read; LedgerUnavailable: nobody knows whether the nonce was spent.
        """
        if self.keys is None:
            return Delivery(decode_chunk(message), None)
        opened = self._guard(self.keys).unseal(message, task=task, message_id=message_id)
        return Delivery(opened.chunk, opened)

    def carried_out(self, delivery: Delivery) -> None:
        """Refuse copies of a message from now on; where that cannot be written, the ledger suppresses them."""
        if delivery.opened is not None and self.keys is not None:
            with suppress(LedgerUnavailable):
                self._guard(self.keys).spend(delivery.opened)

    def engine(self, engine: Engine) -> Engine:
        """Put an engine behind the breaker of its device, where this process has one, and of its signer."""
        if self.device and isinstance(engine, DeviceEngine):
            part = device_part(self.device, socket.gethostname())
            gate = Gate(self.device_breaker(), part, pool_logger(), time.monotonic)
            self._device_gate = DeviceGate(gate, pool_logger(), self.fallbacks)
            engine.put_behind(self._device_gate)
        must_sign = dict(self._settings.values).get("KAIPIAO_SIGNING", "on") != "off"
        return SigningGate(engine, self._gate(SIGNER), must_sign=must_sign)

    @cached_property
    def fallbacks(self) -> FallbackTally:
        """Return what counts the batches that devices did not make."""
        return FallbackTally(self.shared)

    def device_breaker(self) -> Breaker:
        """Return the breaker of devices."""
        return self._make_breaker(DEVICE_RULES)

    @property
    def has_lost_device(self) -> bool:
        """Tell whether this process's device broke while others did its work: the process must end."""
        return self._device_gate is not None and self._device_gate.has_lost_device

    def store(self) -> Store:
        """Open the store behind its breaker.

        Raises:
            ConfigError: it cannot be opened.
        """
        return StoreGate(self._settings.effective_store, self._gate(STORE))

    @cached_property
    def limits(self) -> LaneLimits | None:
        """Return what bounds lanes; None where nothing does."""
        rates = self._settings.lane_rates
        return LaneLimits(self.shared, rates) if rates and self.shared is not None else None

    @cached_property
    def admission(self) -> Admission | None:
        """Return what guards the length of queues; None where the broker is no Redis."""
        if not can_hold_a_ledger(self._settings.effective_broker_url) or self.shared is None:
            return None
        return Admission(self.shared, self._settings.queue_limit)

    def close(self) -> None:
        """Let go of connections."""
        shared = self.__dict__.pop("shared", None)
        if shared is not None:
            shared.close()

    def _gate(self, part: str) -> Gate:
        if self._breaker is None:
            self._breaker = self._make_breaker(BreakerRules())
        return Gate(self._breaker, part, pool_logger(), time.monotonic)

    def _make_breaker(self, rules: BreakerRules) -> Breaker:
        if self.shared is not None:
            return SharedBreaker(self.shared, rules)
        return LocalBreaker(rules, lambda: round(time.monotonic() * 1000))

    def _sealer(self, keys: KeyFile) -> Sealer:
        key = keys.ring.current(self._settings.producer)
        return Sealer(key, _now, lambda: secrets.token_hex(16), self._settings.envelope_holds_s)

    def _guard(self, keys: KeyFile) -> EnvelopeGuard:
        return EnvelopeGuard(lambda: keys.ring, self._ledger(), _now)


def _now() -> datetime:
    return datetime.now(UTC)
