"""Verification of signed PDF files, whoever wrote them.

The last signature counts only if it covers the file from its first byte to its last, except the signature itself, and
if what it leaves out is nothing but hex digits. So no byte of the file can change without being noticed. An earlier
signature covers the file up to where it ended then; it counts only if nothing but signatures was added since.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from render.errors import ConfigError, KaipiaoError, KeyRejected, MalformedInput
from render.sign import der, oids, sm2
from render.sign.certificate import Certificate, read_certificate
from render.sign.cms_reader import MAX_CMS_BYTES, DetachedSignature, read_signed_data
from render.sign.findings import Code, Finding
from render.sign.options import PKCS7_DETACHED, SM2_SEAL
from render.sign.pdf_fields import EncryptedPdf, PdfSignatures, SignatureField, find_signatures
from render.sign.pdf_revision import later_changes
from render.sign.seal import MAX_SEAL_BYTES, Seal
from render.sign.seal_reader import read_seal_signature
from render.sign.sm3 import sm3
from render.sign.verdict import SignatureReport, Status, Verification

__all__ = ["SUB_FILTERS", "SignatureReport", "Status", "Verification", "verify_pdf"]

SUB_FILTERS = (PKCS7_DETACHED, "ETSI.CAdES.detached", SM2_SEAL)
_LOWER_OR_UPPER_HEX = re.compile(rb"<((?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+)>")
_SIGNING_USAGES = frozenset(("digital_signature", "non_repudiation"))
_BYTE_RANGE_NUMBERS = 4

_ORDER = list(Status)


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
        code = Code.ENCRYPTED if isinstance(error, EncryptedPdf) else Code.UNREADABLE
        return Verification(Status.UNREADABLE, findings=(Finding(code, str(error)),))
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
    findings = [Finding(Code.UNSIGNED, "the document is not signed.")]
    if b"/ByteRange" in data:
        text = "it holds traces of a signature that no field refers to: it was removed or damaged."
        findings.append(Finding(Code.SIGNATURE_REMOVED, text))
    if found.damage:
        findings.append(Finding(Code.DAMAGED, f"the file is damaged: {found.damage}."))
    return Verification(Status.UNSIGNED, findings=tuple(findings))


def _summarise(data: bytes, reports: tuple[SignatureReport, ...], found: PdfSignatures) -> Verification:
    outermost = max(reports, key=lambda report: report.signed_bytes)
    findings = [
        Finding(finding.code, f"{report.field or 'signature'}: {finding.text}" if len(reports) > 1 else finding.text)
        for report in reports
        for finding in (*report.findings, *(() if report is outermost else report.later))
    ]
    status = max((report.status for report in reports), key=_ORDER.index)
    if not outermost.covers_whole_file:
        if outermost.signed_bytes:
            added = len(data) - outermost.signed_bytes
            text = f"the document was extended after signing: {added} bytes follow what was signed."
            findings += [Finding(Code.APPENDED, text), *outermost.later]
        status = max(status, Status.CHANGED, key=_ORDER.index)
    if any(report.later for report in reports):
        status = max(status, Status.CHANGED, key=_ORDER.index)
    if found.damage:
        # Readers repair a damaged file each in its own way, so even its signer may have seen something else.
        text = f"the file is damaged, and readers may show different things: {found.damage}."
        findings.append(Finding(Code.DAMAGED, text))
        status = status if status is Status.CHANGED else max(status, Status.INVALID, key=_ORDER.index)
    if status is Status.CHANGED:
        findings += [
            Finding(Code.ATTACHMENT_CHECKSUM, f"attachment {name} no longer matches its checksum.")
            for name in found.changed_attachments
        ]
    return Verification(
        status,
        outermost.signer,
        outermost.serial,
        outermost.signing_time,
        outermost.covers_whole_file,
        tuple(findings),
        reports,
    )


class _RefusedError(Exception):
    """A signature that cannot be examined further."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.finding = Finding(code, text)


class _Check:
    """One signature under examination; collects what is wrong with document, signature and trust."""

    def __init__(
        self, data: bytes, signature_field: SignatureField, found: PdfSignatures, anchors: Sequence[Certificate]
    ) -> None:
        self._data, self._field, self._found, self._anchors = data, signature_field, found, anchors
        self._changes: list[Finding] = []
        self._faults: list[Finding] = []
        self._signed: DetachedSignature | None = None
        self._seal: Seal | None = None
        self._end = 0

    def report(self) -> SignatureReport:
        is_trusted = False
        try:
            self._signed = self._read(self._locate())
            self._check_document(self._signed)
            self._check_signature(self._signed)
            is_trusted = self._check_certificate(self._signed)
            if self._seal:
                is_trusted = self._check_seal(self._seal, self._signed) and is_trusted
        except _RefusedError as refused:
            self._faults.append(refused.finding)
        except MalformedInput as error:
            self._fault(Code.STRUCTURE_MALFORMED, str(error))
        except KeyRejected as error:
            self._fault(Code.KEY_REJECTED, str(error))
        if self._faults:
            status = Status.INVALID
        elif self._changes:
            status = Status.CHANGED
        else:
            status = Status.VALID if is_trusted else Status.VALID_UNTRUSTED
        signed, is_sound = self._signed, not (self._faults or self._changes)
        return SignatureReport(
            field=self._field.name,
            status=status,
            sub_filter=self._field.sub_filter,
            seal=self._seal.name if self._seal else "",
            signer=signed.certificate.subject if signed else "",
            serial=signed.certificate.serial_hex if signed else "",
            signing_time=signed.signing_time if signed else None,
            covers_whole_file=self._end == len(self._data),
            signed_bytes=self._end,
            findings=tuple(self._changes + self._faults),
            later=later_changes(self._data, self._end) if is_sound and self._end < len(self._data) else (),
        )

    def _fault(self, code: Code, text: str) -> None:
        self._faults.append(Finding(code, text))

    def _read(self, structure: bytes) -> DetachedSignature:
        if self._field.sub_filter != SM2_SEAL:
            return read_signed_data(structure)
        found = read_seal_signature(structure)
        self._seal = found.seal
        return found.signed

    def _locate(self) -> bytes:
        """Check ByteRange and Contents against the bytes of the file, and return the signature without its padding."""
        if self._field.sub_filter not in SUB_FILTERS:
            text = f"signatures of format {self._field.sub_filter or '(none)'} are not verified here."
            raise _RefusedError(Code.FORMAT_UNKNOWN, text)
        numbers = self._field.byte_range
        if numbers is None or len(numbers) != _BYTE_RANGE_NUMBERS:
            raise _RefusedError(Code.BYTE_RANGE_MALFORMED, "ByteRange is not an array of four whole numbers.")
        first, start, end, rest = numbers
        stated = f"ByteRange {list(numbers)}"
        if first != 0:
            raise _RefusedError(Code.BYTE_RANGE_START, f"{stated} does not begin at the first byte of the file.")
        if min(numbers) < 0 or end > len(self._data):
            raise _RefusedError(Code.BYTE_RANGE_MALFORMED, f"{stated} does not describe this file.")
        if not 0 < start < end:
            raise _RefusedError(Code.BYTE_RANGE_OVERLAP, f"{stated} has parts that overlap.")
        hole = _LOWER_OR_UPPER_HEX.fullmatch(self._data, start, end)
        if hole is None:
            raise self._misplaced(start, end)
        contents = bytes.fromhex(hole[1].decode("ascii"))
        if contents != self._field.contents:
            text = "what ByteRange leaves out is a string, but not this signature."
            raise _RefusedError(Code.CONTENTS_ELSEWHERE, text)
        self._end = min(end + rest, len(self._data))
        limit = MAX_SEAL_BYTES if self._field.sub_filter == SM2_SEAL else MAX_CMS_BYTES
        structure = der.read(contents[: limit + 8]).raw
        if any(contents[len(structure) :]):
            text = "the padding behind the signature is not all zeros: it was changed."
            raise _RefusedError(Code.PADDING_CHANGED, text)
        return structure

    def _misplaced(self, start: int, end: int) -> _RefusedError:
        """Say whether the gap is too wide or too narrow for the signature, or the signature somewhere else."""
        digits = self._field.contents.hex().encode("ascii")
        at = self._data.lower().find(digits) if digits else -1
        is_inside, is_around = start <= at and at + len(digits) <= end, at - 1 <= start and end <= at + len(digits) + 1
        if at >= 0 and not (is_inside or is_around):
            text = (
                "the signature is not where ByteRange says: it was moved, or the file was saved anew by a program "
                "after signing."
            )
            return _RefusedError(Code.CONTENTS_ELSEWHERE, text)
        text = "what ByteRange leaves out is not exactly one hex string in one case: it was changed."
        return _RefusedError(Code.BYTE_RANGE_GAP, text)

    def _check_document(self, signed: DetachedSignature) -> None:
        _, start, end, rest = self._field.byte_range or (0, 0, 0, 0)
        view = memoryview(self._data)
        if end + rest > len(self._data):
            text = f"the file was cut short: {end + rest} bytes were signed."
            self._changes.append(Finding(Code.TRUNCATED, text))
        elif sm3(view[:start], view[end : end + rest]) != signed.digest:
            text = (
                "the signed bytes changed after signing (text, fonts, pictures and attachments alike), "
                "or the signature was taken from another document."
            )
            self._changes.append(Finding(Code.DIGEST_MISMATCH, text))

    def _check_signature(self, signed: DetachedSignature) -> None:
        if not sm2.verify(signed.certificate.public_key, signed.message, signed.signature):
            self._fault(
                Code.SIGNATURE_MISMATCH,
                "the signature value does not belong to the certificate and the signed attributes: "
                "it was changed or replaced.",
            )

    def _check_certificate(self, signed: DetachedSignature) -> bool:
        """Check the signer's certificate and return whether its holder is trusted."""
        certificate = signed.certificate
        self._check_certificate_digest(signed)
        if certificate.is_self_issued and not certificate.is_signed_by(certificate.public_key):
            text = "the certificate does not carry its own signature: it was changed."
            self._fault(Code.CERTIFICATE_FORGED, text)
        when = signed.signing_time
        if when is None:
            self._fault(Code.TIME_MISSING, "the signature states no signing time.")
        elif not certificate.not_before <= when <= certificate.not_after:
            self._fault(
                Code.CERTIFICATE_EXPIRED,
                f"the certificate was not valid at the signing time {when.isoformat()}; it is valid from "
                f"{certificate.not_before.isoformat()} to {certificate.not_after.isoformat()}.",
            )
        if certificate.key_usage is not None and not certificate.key_usage & _SIGNING_USAGES:
            self._fault(Code.KEY_USAGE, "the certificate's key is not meant for signatures.")
        return when is not None and any(_vouches(anchor, certificate, when) for anchor in self._anchors)

    def _check_seal(self, seal: Seal, signed: DetachedSignature) -> bool:
        """Check the seal with which it was signed, and return whether its maker is trusted."""
        if not sm2.verify(seal.maker.public_key, seal.info, seal.signature):
            self._fault(Code.SEAL_FORGED, "the seal is not signed by the maker that it names: it was changed.")
        if not seal.is_of(signed.certificate.der):
            self._fault(Code.SEAL_NOT_OF_SIGNER, "the seal does not list the certificate that signed with it.")
        when = signed.signing_time
        if when is None or not seal.not_before <= when <= seal.not_after:
            text = f"the seal is valid from {seal.not_before.isoformat()} to {seal.not_after.isoformat()} alone."
            self._fault(Code.SEAL_EXPIRED, text)
        return when is not None and any(_vouches(anchor, seal.maker, when) for anchor in self._anchors)

    def _check_certificate_digest(self, signed: DetachedSignature) -> None:
        if signed.certificate_digest is None:
            return
        algorithm, stated = signed.certificate_digest
        digests = {
            oids.SM3: sm3(signed.certificate.der),
            oids.SHA256: hashlib.sha256(signed.certificate.der).digest(),
        }
        if digests.get(algorithm) != stated:
            text = "the certificate is not the one that the signer stated: it was changed or exchanged."
            self._fault(Code.CERTIFICATE_EXCHANGED, text)


def _vouches(anchor: Certificate, certificate: Certificate, when: datetime) -> bool:
    if anchor.der == certificate.der:
        return True
    return (
        anchor.is_authority
        and anchor.subject_der == certificate.issuer_der
        and anchor.not_before <= when <= anchor.not_after
        and certificate.is_signed_by(anchor.public_key)
    )
