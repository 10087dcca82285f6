"""Gathering of faults while a document is read, so that its sender learns all of them at once."""

from __future__ import annotations

from typing import Final

from render.errors import Fault, InvoiceInvalid, MalformedInput, Severity

MAX_FAULTS: Final = 1000
"""A hostile document can break a rule a hundred thousand times; beyond this many faults are only counted."""

DOCUMENT: Final = "document"
"""Path of faults that belong to no field."""


class Findings:
    """The faults found so far, in the order of finding."""

    __slots__ = ("_faults", "_n_errors", "_n_omitted", "_paths")

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._paths: set[str] = set()
        self._n_errors = 0
        self._n_omitted = 0

    def error(self, path: str, rule: str, message: str, hint: str) -> None:
        """Note a fault that refuses the invoice."""
        self._n_errors += 1
        self._paths.add(path)
        self._add(Fault(path, rule, message, hint))

    def warning(self, path: str, rule: str, message: str, hint: str) -> None:
        """Note a fault that travels with the invoice."""
        self._add(Fault(path, rule, message, hint, Severity.WARNING))

    def _add(self, fault: Fault) -> None:
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(fault)
        else:
            self._n_omitted += 1

    def is_known(self, path: str) -> bool:
        """Tell whether a field already has an error, so that nothing that follows from it is reported."""
        return path in self._paths

    @property
    def has_errors(self) -> bool:
        """Tell whether anything refuses the invoice."""
        return self._n_errors > 0

    def all(self) -> tuple[Fault, ...]:
        """Return every fault; one more says how many were left out."""
        if not self._n_omitted:
            return tuple(self._faults)
        severity = Severity.ERROR if self.has_errors else Severity.WARNING
        message = f"{self._n_omitted} further faults are not listed."
        omitted = Fault(DOCUMENT, "document.more_faults", message, "Mend those listed first.", severity)
        return (*self._faults, omitted)

    def refusal(self) -> InvoiceInvalid:
        """Return the error that says everything that was found."""
        rules = "one rule" if self._n_errors == 1 else f"{self._n_errors} rules"
        return InvoiceInvalid(f"The invoice breaks {rules}.", hint="Correct the fields named below.", faults=self.all())


def malformed(rule: str, message: str, hint: str) -> MalformedInput:
    """Return the error for bytes that are not a document that we read."""
    return MalformedInput("The document cannot be read.", faults=(Fault(DOCUMENT, rule, message, hint),))
