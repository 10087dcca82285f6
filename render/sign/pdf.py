"""Signatures in PDF files (ISO 32000-1, 12.8) as three values in time order: prepared, signed, embedded.

The file comes with its signature dictionary in place: ``/Contents`` holds a string of zeros, ``/ByteRange`` its true
numbers. Nothing but those zeros changes here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from render.errors import OutputInvalid, SignatureTooLarge
from render.sign.api import RawSigner
from render.sign.cms import assemble, sign_digest, signed_attributes
from render.sign.curve import MAX_SIGNATURE_BYTES
from render.sign.options import DEFAULT_OPTIONS, SignatureOptions
from render.sign.seal import longest_signature, sign_with_seal
from render.sign.sm3 import DIGEST_BYTES, AlikeDigester

_LATE = datetime(2100, 1, 1, tzinfo=UTC)
"""Needs GeneralizedTime, two octets longer than the UTCTime of this half of the century."""

_WIDEST_RANGES = ((0, 10**12 - 1), (10**12 - 1, 10**12 - 1))

_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]")
_NAME = b"/ByteRange"


@dataclass(frozen=True, slots=True)
class PreparedPdf:
    """A file that is ready to be signed.

    Attributes:
        data: the file, its signature still zeros.
        contents_span: offsets of the ``<`` of /Contents and just after its ``>``.
        byte_ranges: (offset, length) of the two signed parts.
        digest: 32 bytes, SM3 of the two parts.
    """

    data: bytes = field(repr=False)
    contents_span: tuple[int, int]
    byte_ranges: tuple[tuple[int, int], tuple[int, int]]
    digest: bytes

    @property
    def capacity(self) -> int:
        """Bytes of CMS that the reserved string holds."""
        start, end = self.contents_span
        return (end - start - 2) // 2


def reserve_bytes(signer: RawSigner, options: SignatureOptions = DEFAULT_OPTIONS) -> int:
    """Return how many bytes to reserve for a signature of this signer, by a dry run that does not touch its key.

    ``/Contents`` needs twice as many hex digits. No signature of this signer is longer; most are 2 to 4 bytes shorter.

    Raises:
        KeyRejected: the signer's certificate cannot be read.
    """
    certificate = signer.certificate_der
    if options.seal:
        return longest_signature(options.seal, certificate, _range_text(_WIDEST_RANGES))
    attributes = signed_attributes(bytes(DIGEST_BYTES), certificate, _LATE, options.content_types)
    return len(assemble(certificate, attributes, bytes(MAX_SIGNATURE_BYTES), options.content_types))


def prepare(pdf: bytes, contents_span: tuple[int, int]) -> PreparedPdf:
    """Check the place of the signature and digest everything around it.

    Args:
        pdf: the whole file.
        contents_span: offsets of the ``<`` of /Contents and just after its ``>``.

    Raises:
        OutputInvalid: the span holds no string of zeros, or the file states another ByteRange than the true one.
    """
    start, end = contents_span
    if not 0 < start < end - 2 < len(pdf) - 2:
        raise OutputInvalid(f"the signature's place {contents_span} is not inside a file of {len(pdf)} bytes.")
    hole = pdf[start:end]
    if hole != b"<" + b"0" * (end - start - 2) + b">" or len(hole) % 2:
        raise OutputInvalid("the signature's place is no string of zeros.")
    byte_ranges = ((0, start), (end, len(pdf) - end))
    stated = _stated_byte_range(pdf, contents_span)
    true = (0, start, end, len(pdf) - end)
    if stated != true:
        raise OutputInvalid(f"the file states the ByteRange {stated}, but the true one is {true}.")
    digest = _digester().digest(pdf, start, memoryview(pdf)[end:])
    return PreparedPdf(pdf, contents_span, byte_ranges, digest)


def sign(
    prepared: PreparedPdf,
    signer: RawSigner,
    signing_time: datetime,
    options: SignatureOptions = DEFAULT_OPTIONS,
) -> bytes:
    """Sign a prepared file and return the detached CMS, or the seal signature, DER.

    Args:
        prepared: from ``prepare``.
        signer: holder of key and certificate.
        signing_time: with a time zone; stated in the signature.
        options: form of the signature; the same for which room was reserved.

    Raises:
        SigningError: and its subclasses, when the key cannot be used.
    """
    if options.seal:
        stated = _range_text(prepared.byte_ranges)
        return sign_with_seal(prepared.digest, options.seal, signer, signing_time, stated)
    return sign_digest(prepared.digest, signer, signing_time, options.content_types)


def embed(prepared: PreparedPdf, cms: bytes) -> bytes:
    """Return the file with the signature in its place: lower-case hex, then zeros.

    Raises:
        SignatureTooLarge: more bytes than were reserved.
    """
    if len(cms) > prepared.capacity:
        raise SignatureTooLarge(
            f"the signature has {len(cms)} bytes, but {prepared.capacity} were reserved.",
            hint="Reserve what reserve_bytes() gives for the signer that signs.",
        )
    start = prepared.contents_span[0] + 1
    view = memoryview(prepared.data)
    digits = cms.hex().encode("ascii")
    return b"".join((view[:start], digits, view[start + len(digits) :]))


def sign_pdf(
    pdf: bytes,
    contents_span: tuple[int, int],
    signer: RawSigner,
    signing_time: datetime,
    options: SignatureOptions = DEFAULT_OPTIONS,
) -> bytes:
    """Prepare, sign and embed.

    Raises:
        OutputInvalid: the file is not ready to be signed.
        SignatureTooLarge: too little was reserved.
        SigningError: the key cannot be used.
    """
    prepared = prepare(pdf, contents_span)
    return embed(prepared, sign(prepared, signer, signing_time, options))


@cache
def _digester() -> AlikeDigester:
    return AlikeDigester()


def _range_text(ranges: tuple[tuple[int, int], tuple[int, int]]) -> str:
    """Return what a seal signature says of the signed data: its /ByteRange."""
    (first, length), (resume, rest) = ranges
    return f"[{first} {length} {resume} {rest}]"


def _stated_byte_range(pdf: bytes, span: tuple[int, int]) -> tuple[int, ...] | None:
    """Read the ByteRange that stands in the same dictionary, before or after /Contents."""
    start, end = span
    found = None
    for at in (pdf.find(_NAME, end), pdf.rfind(_NAME, 0, start)):
        match = _BYTE_RANGE.match(pdf, at) if at >= 0 else None
        if match:
            found = tuple(int(number) for number in match.groups())
            if found[1] == start:
                break
    return found
