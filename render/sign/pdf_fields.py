"""Signature fields of a PDF file as qpdf reads them, independent of who wrote the file and how it is laid out."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pikepdf
from pikepdf.settings import set_qpdf_limits

from render.errors import MalformedInput
from render.sign.certificate import visible

MAX_FIELDS = 4096
MAX_SIGNATURES = 32
MAX_ATTACHMENT_BYTES = 16_777_216
MAX_INFLATED_BYTES = 67_108_864
MAX_WARNINGS = 100

READER_ERRORS = (
    pikepdf.PdfError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    RuntimeError,
    OverflowError,
    NotImplementedError,
)
"""What pikepdf raises on hostile structure, from qpdf's own error to failed conversions."""


class EncryptedPdf(MalformedInput):
    """The file needs a password."""


@dataclass(frozen=True, slots=True)
class SignatureField:
    """One filled signature field.

    Attributes:
        name: full name of the field, for people.
        sub_filter: format of the signature, without slash.
        byte_range: the numbers of /ByteRange; None = no array of whole numbers.
        contents: the bytes of /Contents with their padding.
    """

    name: str
    sub_filter: str
    byte_range: tuple[int, ...] | None
    contents: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PdfSignatures:
    """What a file holds of signatures.

    Attributes:
        fields: filled signature fields, in the order of the form.
        damage: what the reader had to repair; empty for a sound file.
        changed_attachments: names of attachments that contradict their own checksums.
    """

    fields: tuple[SignatureField, ...]
    damage: str
    changed_attachments: tuple[str, ...]


def find_signatures(data: bytes) -> PdfSignatures:
    """Read the signature fields of a file.

    Raises:
        EncryptedPdf: it needs a password.
        MalformedInput: no reader can open the file.
    """
    damage = ""
    try:
        pdf = open_pdf(data, attempt_recovery=False)
    except pikepdf.PasswordError as error:
        raise EncryptedPdf("the PDF is encrypted.", hint="Remove the encryption first.") from error
    except READER_ERRORS as error:
        damage = _reason(error)
        try:
            pdf = open_pdf(data, attempt_recovery=True)
        except READER_ERRORS as second:
            raise MalformedInput(f"not a PDF that can be read: {_reason(second)}.") from second
    with pdf:
        try:
            fields = tuple(_read_fields(pdf))
            attachments = tuple(_changed_attachments(pdf))
        except READER_ERRORS as error:
            raise MalformedInput(f"the form of the PDF cannot be read: {_reason(error)}.") from error
        warnings = [str(warning) for warning in pdf.get_warnings()]
    if warnings and not damage:
        damage = _one_line(warnings[0])
    return PdfSignatures(fields, damage, attachments)


@cache
def _limit_reader() -> None:
    """Bound what a small file can make qpdf unpack. The limits hold for the process; no file of ours is near them."""
    set_qpdf_limits(
        doc_max_warnings=MAX_WARNINGS,
        flate_max_memory=MAX_INFLATED_BYTES,
        png_max_memory=MAX_INFLATED_BYTES,
        run_length_max_memory=MAX_INFLATED_BYTES,
        tiff_max_memory=MAX_INFLATED_BYTES,
    )


class _Document(io.BytesIO):
    """The file under a fixed name: qpdf puts the name into its messages, and an address would change each time."""

    def __repr__(self) -> str:
        return "document"


def open_pdf(data: bytes, *, attempt_recovery: bool) -> pikepdf.Pdf:
    """Open a file of any origin, within limits.

    Raises:
        One of ``READER_ERRORS``: it cannot be opened.
    """
    _limit_reader()
    return pikepdf.open(_Document(data), attempt_recovery=attempt_recovery, suppress_warnings=True)


def _read_fields(pdf: pikepdf.Pdf) -> Iterator[SignatureField]:
    form = pdf.Root.get("/AcroForm")
    if not isinstance(form, pikepdf.Dictionary):
        return
    # (field, inherited type, name so far); a walk without recursion, since a hostile form may be a ring or very deep.
    waiting: list[tuple[Any, str, str]] = [(item, "", "") for item in reversed(_items(form.get("/Fields")))]
    seen: set[tuple[int, int]] = set()
    found = 0
    for _ in range(MAX_FIELDS):
        if not waiting:
            return
        node, kind, path = waiting.pop()
        if not isinstance(node, pikepdf.Dictionary) or (node.is_indirect and node.objgen in seen):
            continue
        seen.add(node.objgen)
        kind = str(node.get("/FT", kind))
        name = node.get("/T")
        path = ".".join(part for part in (path, visible(str(name)) if name is not None else "") if part)
        value = node.get("/V")
        if kind == "/Sig" and isinstance(value, pikepdf.Dictionary):
            found += 1
            if found > MAX_SIGNATURES:
                raise MalformedInput(f"the PDF has more than {MAX_SIGNATURES} signatures.")
            yield _read_signature(value, path)
        waiting.extend((kid, kind, path) for kid in reversed(_items(node.get("/Kids"))))
    raise MalformedInput(f"the PDF has more than {MAX_FIELDS} form fields.")


def _items(array: Any) -> list[Any]:  # noqa: ANN401 any PDF object
    return list(array) if isinstance(array, pikepdf.Array) else []


def _read_signature(value: Any, path: str) -> SignatureField:  # noqa: ANN401 a PDF dictionary
    numbers = _items(value.get("/ByteRange"))
    are_whole = bool(numbers) and all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    contents = value.get("/Contents")
    return SignatureField(
        name=path,
        sub_filter=visible(str(value.get("/SubFilter", "")).lstrip("/")),
        byte_range=tuple(int(number) for number in numbers) if are_whole else None,
        contents=bytes(contents) if isinstance(contents, pikepdf.String) else b"",
    )


def _changed_attachments(pdf: pikepdf.Pdf) -> Iterator[str]:
    for name, specification in pdf.attachments.items():
        stream: Any = specification.obj.EF.get("/F")
        parameters: Any = stream.get("/Params")
        stated = parameters.get("/CheckSum") if parameters is not None else None
        if stated is None:
            continue
        octets = _decoded(stream)
        if octets is None or hashlib.md5(octets, usedforsecurity=False).digest() != bytes(stated):
            yield visible(name)


def _decoded(stream: Any) -> bytes | None:  # noqa: ANN401 a PDF stream
    """Inflate an attachment up to a limit; None = broken, too large, or in another coding."""
    raw, coding = bytes(stream.read_raw_bytes()), stream.get("/Filter")
    if isinstance(coding, pikepdf.Array) and len(coding) == 1:
        coding = coding[0]
    if coding is None:
        return raw
    if str(coding) != "/FlateDecode":
        return None
    inflater = zlib.decompressobj()
    try:
        octets = inflater.decompress(raw, MAX_ATTACHMENT_BYTES)
    except zlib.error:
        return None
    return octets if inflater.eof else None


def _reason(error: BaseException) -> str:
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return visible(" ".join(text.split())[:200]).rstrip(".")
