"""Which library does the arithmetic: ``auto`` takes libcrypto and falls back to gmssl, saying why."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from render.errors import BackendUnavailable, ConfigError
from render.sign.api import CryptoBackend
from render.sign.gmssl import PureGmssl
from render.sign.libcrypto import LibCrypto

BACKEND_NAMES: Final = ("openssl", "gmssl")
CHOICES: Final = ("auto", *BACKEND_NAMES)

# GB/T 32905-2016, A.1, and GB/T 32918.5-2017, A.2: a library that does not agree with these must sign nothing.
_SM3_OF_ABC = bytes.fromhex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
_ANNEX_PUBLIC_KEY = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
_ANNEX_SIGNATURE = bytes.fromhex(
    "3046022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)
_ANNEX_MESSAGE = b"message digest"

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_loaded: dict[str, CryptoBackend] = {}


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What is known about one backend: its name with version, and why it cannot be used (empty = it can)."""

    choice: str
    name: str
    problem: str


def load_backend(choice: str = "auto") -> CryptoBackend:
    """Return the chosen backend, loaded and self-tested once a process.

    Args:
        choice: ``openssl``, ``gmssl``, or ``auto``: the first of them that works.

    Raises:
        BackendUnavailable: the chosen one does not work on this machine.
        ConfigError: no such choice.
    """
    if choice not in CHOICES:
        raise ConfigError(f"no signing backend {choice!r}.", hint=f"Choose one of {', '.join(CHOICES)}.")
    with _lock:
        if choice not in _loaded:
            _loaded[choice] = _first_that_works() if choice == "auto" else _load(choice)
        return _loaded[choice]


def probe_backends() -> tuple[BackendStatus, ...]:
    """Try every backend and say what was found."""
    found = []
    for choice in BACKEND_NAMES:
        try:
            found.append(BackendStatus(choice, load_backend(choice).name, ""))
        except BackendUnavailable as error:
            found.append(BackendStatus(choice, choice, str(error)))
    return tuple(found)


def _first_that_works() -> CryptoBackend:
    try:
        return _load("openssl")
    except BackendUnavailable as error:
        backend = _load("gmssl")
        _log.warning("signing falls back to %s, which is slow: %s", backend.name, error)
        return backend


def _load(choice: str) -> CryptoBackend:
    makers: dict[str, Callable[[], CryptoBackend]] = {"openssl": LibCrypto, "gmssl": PureGmssl}
    backend = makers[choice]()
    check_known_answers(backend)
    return backend


def check_known_answers(backend: CryptoBackend) -> None:
    """Check a backend against the examples of the standards.

    Raises:
        BackendUnavailable: it computes something else.
    """
    agrees = (
        backend.sm3(b"abc") == _SM3_OF_ABC
        and backend.sm2_verify(_ANNEX_PUBLIC_KEY, _ANNEX_MESSAGE, _ANNEX_SIGNATURE)
        and not backend.sm2_verify(_ANNEX_PUBLIC_KEY, _ANNEX_MESSAGE + b".", _ANNEX_SIGNATURE)
    )
    if not agrees:
        raise BackendUnavailable(
            f"{backend.name} does not reproduce the examples of GB/T 32905 and GB/T 32918.5.",
            hint="Choose the other signing backend.",
        )
