"""What verification says: of each signature, and of the file as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from render.sign.findings import Code, Finding


class Status(StrEnum):
    """What verification found, from best to worst."""

    VALID = "valid"
    """Unchanged, and signed by somebody on the list of the trusted."""
    VALID_UNTRUSTED = "valid_untrusted"
    """Unchanged since it was signed, but the signer is not on the list of the trusted."""
    CHANGED = "changed"
    """The document is not, or no longer, what was signed."""
    INVALID = "invalid"
    """The signature itself, or its certificate, is not in order."""
    UNSIGNED = "unsigned"
    """There is no signature."""
    UNREADABLE = "unreadable"
    """Not a PDF that could be read."""


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What was found about one signature.

    Attributes:
        field: name of the signature field.
        status: of this signature alone: of the bytes that it covers, and of itself.
        sub_filter: format, such as ``adbe.pkcs7.detached``.
        seal: name of the seal with which it was signed; empty = without.
        signer: subject of the certificate; ``serial``: its number, lower-case hex. Empty where unreadable.
        signing_time: as the signer states it; None = not stated.
        covers_whole_file: nothing was added behind what it signs.
        signed_bytes: where the signed part ends; 0 = not known.
        findings: what is wrong with it; empty for a good signature.
        later: what was changed behind it, beyond invisible signatures; empty where a counter-signature alone follows.
    """

    field: str
    status: Status
    sub_filter: str = ""
    seal: str = ""
    signer: str = ""
    serial: str = ""
    signing_time: datetime | None = None
    covers_whole_file: bool = False
    signed_bytes: int = 0
    findings: tuple[Finding, ...] = ()
    later: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, for people."""
        return tuple(finding.text for finding in self.findings)

    @property
    def is_countersigned(self) -> bool:
        """Whether bytes follow what it signs, and they are nothing but further signatures."""
        return bool(self.signed_bytes) and not (self.covers_whole_file or self.findings or self.later)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found about a file.

    Attributes:
        status: of the file; the worst of its signatures, and never valid unless one of them covers the whole file and
            nothing but signatures was added since the first.
        signer, serial, signing_time: of the signature that covers most.
        covers_whole_file: a signature covers the file up to its last byte.
        findings: everything that is wrong, with the names of ``render.sign.findings.Code``.
        signatures: in the order of the form.
    """

    status: Status
    signer: str = ""
    serial: str = ""
    signing_time: datetime | None = None
    covers_whole_file: bool = False
    findings: tuple[Finding, ...] = ()
    signatures: tuple[SignatureReport, ...] = field(default=(), repr=False)

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong, for people."""
        return tuple(finding.text for finding in self.findings)

    @property
    def codes(self) -> tuple[Code, ...]:
        """The names of everything that is wrong, each once; a signer who is not trusted counts among them."""
        strangers = (Code.SIGNER_UNTRUSTED,) if self.status is Status.VALID_UNTRUSTED else ()
        return tuple(dict.fromkeys((*(finding.code for finding in self.findings), *strangers)))

    @property
    def is_intact(self) -> bool:
        """Whether the file is what its signers signed, trusted or not."""
        return self.status in (Status.VALID, Status.VALID_UNTRUSTED)
