"""Every error that Kaipiao raises on purpose, in one tree.

    KaipiaoError                    code, retry, hint
    ├─ InputError                   retry=NEVER      the caller must change something; lists all faults
    │  ├─ MalformedInput            not JSON, not XML, too large, or an attack on the parser
    │  ├─ InvoiceInvalid            readable, but breaks rules of the invoice model
    │  ├─ TemplateUnknown           no such kind or version
    │  ├─ GlyphMissing              no font in the chain has a glyph for a character
    │  ├─ ContentOverflow           a value does not fit its cell by any permitted means
    │  └─ ContentConflict           the same invoice number was already issued with other content
    ├─ OutputInvalid                retry=NEVER      a check on our own output failed: our defect
    ├─ BackendUnavailable           retry=ELSEWHERE  no driver, no library, no encoder
    ├─ DeviceLost                   retry=ELSEWHERE  the GPU's context is broken: this process must end
    ├─ EncoderFailed                retry=LATER      an encoder started, but ended before its work was done
    ├─ SigningError                 retry=NEVER
    │  ├─ KeyUnavailable            retry=LATER      key store or passphrase is out of reach
    │  ├─ KeyRejected               retry=NEVER      wrong passphrase, wrong curve, key and certificate differ
    │  └─ SignatureTooLarge         retry=NEVER      more bytes than were reserved
    ├─ StoreError                   retry=LATER
    │  └─ StoreConflict             retry=NEVER      same key, other bytes
    ├─ BrokerError                  retry=LATER
    └─ ConfigError                  retry=NEVER      start-up only, never from a job

``code`` is stable, snake_case and used as a metric label; ``retry`` is policy as data: the pool maps it to an
action in one table. User-facing text says what is wrong and what to do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar


class Retry(StrEnum):
    """What the pool may do with a job that raised this error."""

    NEVER = "never"
    LATER = "later"
    ELSEWHERE = "elsewhere"


class Severity(StrEnum):
    """An error refuses the invoice; a warning travels in the receipt."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: where, which rule, what was found, and how to mend it.

    ``path`` names the field as the JSON document does (``lines[3].amount``), ``rule`` is a stable dotted name
    (``line.tax_arithmetic``), ``message`` says what was found, ``hint`` what to do.
    """

    path: str
    rule: str
    message: str
    hint: str
    severity: Severity = Severity.ERROR

    def as_dict(self) -> dict[str, str]:
        """Return the fault as plain JSON-ready strings."""
        return {key: str(value) for key, value in asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.path}: {self.message} [{self.rule}] {self.hint}"


class KaipiaoError(Exception):
    """Root of the tree."""

    code: ClassVar[str] = "internal"
    retry: ClassVar[Retry] = Retry.NEVER

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickling between worker processes with every attribute intact."""
        return (_rebuild, (type(self), self.args, self.__dict__))

    def as_dict(self) -> dict[str, Any]:
        """Return code, message, hint and retry policy as JSON-ready values."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "retry": self.retry.value}


def _rebuild(cls: type[KaipiaoError], args: tuple[Any, ...], state: dict[str, Any]) -> KaipiaoError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(KaipiaoError):
    """The input must change; retrying cannot help. Holds every fault that was found, not the first."""

    code = "input_invalid"

    def __init__(self, message: str, *, hint: str = "", faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {fault}" for fault in self.faults)])

    def as_dict(self) -> dict[str, Any]:
        """Return what the root returns, and the faults."""
        return super().as_dict() | {"faults": [fault.as_dict() for fault in self.faults]}


class MalformedInput(InputError):
    """The bytes are not a document that we read: broken JSON or XML, too large, or hostile."""

    code = "input_malformed"


class InvoiceInvalid(InputError):
    """The invoice was read, but breaks one or more rules."""

    code = "invoice_invalid"


class TemplateUnknown(InputError):
    """No template has this kind or version."""

    code = "template_unknown"


class GlyphMissing(InputError):
    """No font in the chain has a glyph for a character that must print."""

    code = "glyph_missing"


class ContentOverflow(InputError):
    """A value does not fit its cell, even after wrapping and shrinking."""

    code = "content_overflow"


class ContentConflict(InputError):
    """This invoice number was already rendered from other content."""

    code = "content_conflict"


class OutputInvalid(KaipiaoError):
    """Our own output failed a check; nothing was stored."""

    code = "output_invalid"


class BackendUnavailable(KaipiaoError):
    """A library, driver or encoder that the request needs is not on this machine."""

    code = "backend_unavailable"
    retry = Retry.ELSEWHERE


class DeviceLost(KaipiaoError):
    """The GPU failed in a way that no later call of this process survives; whoever owns the process must end it."""

    code = "device_lost"
    retry = Retry.ELSEWHERE


class EncoderFailed(KaipiaoError):
    """An encoder started, but ended before its work was done."""

    code = "encoder_failed"
    retry = Retry.LATER


class SigningError(KaipiaoError):
    """A signature could not be made."""

    code = "signing_failed"


class KeyUnavailable(SigningError):
    """The signing key is out of reach at the moment."""

    code = "key_unavailable"
    retry = Retry.LATER


class KeyRejected(SigningError):
    """The signing key was reached but cannot be used."""

    code = "key_rejected"


class SignatureTooLarge(SigningError):
    """The signature has more bytes than the document reserved for it."""

    code = "signature_too_large"


class StoreError(KaipiaoError):
    """The store did not take or give the bytes."""

    code = "store_failed"
    retry = Retry.LATER


class StoreConflict(StoreError):
    """The key exists with other bytes; it is never overwritten."""

    code = "store_conflict"
    retry = Retry.NEVER


class BrokerError(KaipiaoError):
    """The broker cannot be reached or refused the message."""

    code = "broker_unavailable"
    retry = Retry.LATER


class ConfigError(KaipiaoError):
    """A setting is missing, unknown or contradicts another."""

    code = "config_invalid"
