"""Verification of signed PDF files, whoever wrote them.

A signature counts only if it covers the file from its first byte to its last, except the signature itself, and if
what it leaves out is nothing but hex digits. So no byte of the file can change without being noticed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from render.errors import ConfigError, KaipiaoError, KeyRejected, MalformedInput
from render.sign import der, oids, sm2
from render.sign.certificate import Certificate, read_certificate
from render.sign.cms_reader import MAX_CMS_BYTES, DetachedSignature, read_signed_data
from render.sign.pdf_fields import PdfSignatures, SignatureField, find_signatures
from render.sign.sm3 import sm3

SUB_FILTERS = ("adbe.pkcs7.detached", "ETSI.CAdES.detached")
_LOWER_OR_UPPER_HEX = re.compile(rb"<((?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+)>")
_SIGNING_USAGES = frozenset(("digital_signature", "non_repudiation"))
_BYTE_RANGE_NUMBERS = 4


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


_ORDER = list(Status)


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What was found about one signature.

    Attributes:
        field: name of the signature field.
        status: of this signature alone.
        signer: subject of the certificate; ``serial``: its number, lower-case hex. Empty where unreadable.
        signing_time: as the signer states it; None = not stated.
        covers_whole_file: nothing was added behind what it signs.
        signed_bytes: where the signed part ends; 0 = not known.
        problems: what is wrong, for people; empty for a good signature.
    """

    field: str
    status: Status
    signer: str = ""
    serial: str = ""
    signing_time: datetime | None = None
    covers_whole_file: bool = False
    signed_bytes: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found about a file.

    Attributes:
        status: of the file; the worst of its signatures, and never valid unless one of them covers the whole file.
        signer, serial, signing_time: of the signature that covers most.
        covers_whole_file: a signature covers the file up to its last byte.
        problems: everything that is wrong, for people.
        signatures: in the order of the form.
    """

    status: Status
    signer: str = ""
    serial: str = ""
    signing_time: datetime | None = None
    covers_whole_file: bool = False
    problems: tuple[str, ...] = ()
    signatures: tuple[SignatureReport, ...] = field(default=(), repr=False)

    @property
    def is_intact(self) -> bool:
        """Whether the file is what its signer signed, trusted or not."""
        return self.status in (Status.VALID, Status.VALID_UNTRUSTED)


def verify_pdf(data: bytes, trusted: Sequence[bytes] = ()) -> Verification:
    """Check every signature of a PDF file. Hostile files give a status, never an exception.

    Args:
        data: the whole file.
        trusted: certificates, DER or PEM, of signers or of authorities that issue to signers directly.

    Raises:
        ConfigError: a trusted certificate cannot be read.
        BackendUnavailable: no library knows SM2.
    """
    anchors = [_read_anchor(certificate) for certificate in trusted]
    try:
        found = find_signatures(data)
    except MalformedInput as error:
        return Verification(Status.UNREADABLE, problems=(str(error),))
    if not found.fields:
        return _unsigned(data, found)
    reports = tuple(_Check(data, signature_field, found, anchors).report() for signature_field in found.fields)
    return _summarise(data, reports, found)


def _read_anchor(data: bytes) -> Certificate:
    try:
        return read_certificate(data)
    except KaipiaoError as error:
        raise ConfigError(f"a trusted certificate cannot be read: {error}", hint="Use an SM2 certificate.") from error


def _unsigned(data: bytes, found: PdfSignatures) -> Verification:
    problems = ["the document is not signed."]
    if b"/ByteRange" in data:
        problems.append("it holds traces of a signature that no field refers to: it was removed or damaged.")
    if found.damage:
        problems.append(f"the file is damaged: {found.damage}.")
    return Verification(Status.UNSIGNED, problems=tuple(problems))


def _summarise(data: bytes, reports: tuple[SignatureReport, ...], found: PdfSignatures) -> Verification:
    outermost = max(reports, key=lambda report: report.signed_bytes)
    problems = [
        f"{report.field or 'signature'}: {text}" if len(reports) > 1 else text
        for report in reports
        for text in report.problems
    ]
    status = max((report.status for report in reports), key=_ORDER.index)
    if not outermost.covers_whole_file:
        added = len(data) - outermost.signed_bytes
        if outermost.signed_bytes:
            problems.append(f"the document was extended after signing: {added} bytes follow what was signed.")
        status = max(status, Status.CHANGED, key=_ORDER.index)
    if found.damage:
        # Readers repair a damaged file each in its own way, so even its signer may have seen something else.
        problems.append(f"the file is damaged, and readers may show different things: {found.damage}.")
        status = status if status is Status.CHANGED else max(status, Status.INVALID, key=_ORDER.index)
    if status is Status.CHANGED:
        problems += [f"attachment {name} no longer matches its checksum." for name in found.changed_attachments]
    return Verification(
        status,
        outermost.signer,
        outermost.serial,
        outermost.signing_time,
        outermost.covers_whole_file,
        tuple(problems),
        reports,
    )


class _Check:
    """One signature under examination; collects what is wrong with document, signature and trust."""

    def __init__(
        self, data: bytes, signature_field: SignatureField, found: PdfSignatures, anchors: Sequence[Certificate]
    ) -> None:
        self._data, self._field, self._found, self._anchors = data, signature_field, found, anchors
        self._changes: list[str] = []
        self._faults: list[str] = []
        self._signed: DetachedSignature | None = None
        self._end = 0

    def report(self) -> SignatureReport:
        is_trusted = False
        try:
            cms = self._locate()
            self._signed = read_signed_data(cms)
            self._check_document(self._signed)
            self._check_signature(self._signed)
            is_trusted = self._check_certificate(self._signed)
        except (MalformedInput, KeyRejected) as error:
            self._faults.append(str(error))
        if self._faults:
            status = Status.INVALID
        elif self._changes:
            status = Status.CHANGED
        else:
            status = Status.VALID if is_trusted else Status.VALID_UNTRUSTED
        signed = self._signed
        return SignatureReport(
            field=self._field.name,
            status=status,
            signer=signed.certificate.subject if signed else "",
            serial=signed.certificate.serial_hex if signed else "",
            signing_time=signed.signing_time if signed else None,
            covers_whole_file=self._end == len(self._data),
            signed_bytes=self._end,
            problems=tuple(self._changes + self._faults),
        )

    def _locate(self) -> bytes:
        """Check ByteRange and Contents against the bytes of the file, and return the CMS without its padding."""
        if self._field.sub_filter not in SUB_FILTERS:
            raise MalformedInput(f"signatures of format {self._field.sub_filter or '(none)'} are not verified here.")
        numbers = self._field.byte_range
        if numbers is None or len(numbers) != _BYTE_RANGE_NUMBERS:
            raise MalformedInput("ByteRange is not an array of four whole numbers.")
        first, start, end, rest = numbers
        if first != 0 or rest < 0 or not 0 < start < end <= len(self._data):
            raise MalformedInput(f"ByteRange {list(numbers)} does not describe this file from its first byte on.")
        hole = _LOWER_OR_UPPER_HEX.fullmatch(self._data, start, end)
        if hole is None:
            raise MalformedInput("what ByteRange leaves out is not one hex string in one case: it was changed.")
        contents = bytes.fromhex(hole[1].decode("ascii"))
        if contents != self._field.contents:
            raise MalformedInput("what ByteRange leaves out is not this signature.")
        self._end = min(end + rest, len(self._data))
        cms = der.read(contents[: MAX_CMS_BYTES + 8]).raw
        if any(contents[len(cms) :]):
            raise MalformedInput("the padding behind the signature is not all zeros: it was changed.")
        return cms

    def _check_document(self, signed: DetachedSignature) -> None:
        _, start, end, rest = self._field.byte_range or (0, 0, 0, 0)
        view = memoryview(self._data)
        if end + rest > len(self._data):
            self._changes.append(f"the file was cut short: {end + rest} bytes were signed.")
        elif sm3(view[:start], view[end : end + rest]) != signed.digest:
            self._changes.append(
                "the signed bytes changed after signing (text, fonts, pictures and attachments alike), "
                "or the signature was taken from another document."
            )

    def _check_signature(self, signed: DetachedSignature) -> None:
        if not sm2.verify(signed.certificate.public_key, signed.message, signed.signature):
            self._faults.append(
                "the signature value does not belong to the certificate and the signed attributes: "
                "it was changed or replaced."
            )

    def _check_certificate(self, signed: DetachedSignature) -> bool:
        """Check the signer's certificate and return whether its holder is trusted."""
        certificate = signed.certificate
        self._check_certificate_digest(signed)
        if certificate.is_self_issued and not certificate.is_signed_by(certificate.public_key):
            self._faults.append("the certificate does not carry its own signature: it was changed.")
        when = signed.signing_time
        if when is None:
            self._faults.append("the signature states no signing time.")
        elif not certificate.not_before <= when <= certificate.not_after:
            self._faults.append(
                f"the certificate was not valid at the signing time {when.isoformat()}; it is valid from "
                f"{certificate.not_before.isoformat()} to {certificate.not_after.isoformat()}."
            )
        if certificate.key_usage is not None and not certificate.key_usage & _SIGNING_USAGES:
            self._faults.append("the certificate's key is not meant for signatures.")
        return when is not None and any(_vouches(anchor, certificate, when) for anchor in self._anchors)

    def _check_certificate_digest(self, signed: DetachedSignature) -> None:
        if signed.certificate_digest is None:
            return
        algorithm, stated = signed.certificate_digest
        digests = {
            oids.SM3: sm3(signed.certificate.der),
            oids.SHA256: hashlib.sha256(signed.certificate.der).digest(),
        }
        if digests.get(algorithm) != stated:
            self._faults.append("the certificate is not the one that the signer stated: it was changed or exchanged.")


def _vouches(anchor: Certificate, certificate: Certificate, when: datetime) -> bool:
    if anchor.der == certificate.der:
        return True
    return (
        anchor.is_authority
        and anchor.subject_der == certificate.issuer_der
        and anchor.not_before <= when <= anchor.not_after
        and certificate.is_signed_by(anchor.public_key)
    )
