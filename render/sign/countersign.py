"""Further signatures as incremental updates (ISO 32000-1, 7.5.6 and 12.8): every byte that is there stays.

A counter-signature (会签) is, here, a signature by a second signer over the whole file with the first signature inside
it: the second signer vouches for the document as the first one left it. It is no unsigned attribute of the first CMS
(RFC 5652, 11.4), which would cover that signature's value alone and would have to be written into its place.

The update adds one invisible field (ISO 19005-3 asks for no appearance then), so a PDF/A-3 file stays one.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pikepdf

from render.errors import InputError, MalformedInput, OutputInvalid
from render.sign.api import RawSigner
from render.sign.options import DEFAULT_OPTIONS, SignatureOptions
from render.sign.pdf import reserve_bytes, sign_pdf
from render.sign.pdf_fields import MAX_SIGNATURES, READER_ERRORS, find_signatures, open_pdf
from render.sign.sm3 import sm3

MAX_FILE_BYTES = 2**32 - 2**20
"""Offsets have four bytes in the table that is written."""

_MAX_OBJECT_NUMBER = 8_388_607
_ID_BYTES = 16
_ENTRY = struct.Struct(">BIH")
_IN_USE = 1
_SIGNED_AND_APPEND_ONLY = 3
_NO_CHANGES_ALLOWED = 1
_PDF_A_CLAIM = b"http://www.aiim.org/pdfa/ns/id/"
_RANGE = b"[0 %-10d %-10d %-10d]"
_STARTXREF = re.compile(rb"startxref\s+(\d{1,12})\s+%%EOF\s*")
_KEPT_IN_TRAILER = ("/Root", "/Info")


@dataclass(frozen=True, slots=True)
class ExtendedPdf:
    """A file with room for one more signature at its end.

    Attributes:
        data: the file as it was, and the update.
        contents_span: offsets of the ``<`` of the new /Contents and just after its ``>``.
        field: name of the new field.
    """

    data: bytes = field(repr=False)
    contents_span: tuple[int, int]
    field: str


def countersign_pdf(
    pdf: bytes, signer: RawSigner, signing_time: datetime, options: SignatureOptions = DEFAULT_OPTIONS
) -> bytes:
    """Add a signature to a PDF, signed already or not; what is there stays as it is, byte for byte.

    Args:
        pdf: the whole file, sound and not encrypted.
        signer: holder of key and certificate.
        signing_time: with a time zone; stated in the signature.
        options: form of the signature.

    Raises:
        MalformedInput: the file cannot be read without repair.
        InputError: the file forbids changes, or holds as many signatures as are verified.
        SigningError: the key cannot be used.
    """
    extended = append_signature_field(pdf, reserve_bytes(signer, options), options)
    return sign_pdf(extended.data, extended.contents_span, signer, signing_time, options)


def append_signature_field(pdf: bytes, reserve: int, options: SignatureOptions = DEFAULT_OPTIONS) -> ExtendedPdf:
    """Append an update with an empty, invisible signature field on the first page.

    Args:
        pdf: the whole file, sound and not encrypted.
        reserve: bytes that the signature may have.
        options: form of the signature.

    Raises:
        MalformedInput: the file cannot be read without repair.
        InputError: the file forbids changes, or holds as many signatures as are verified.
        OutputInvalid: more room than a string may have, or a file too large for its table.
    """
    if not 0 < reserve <= options.max_bytes:
        raise OutputInvalid(f"{reserve:,} bytes for a signature.", hint=f"Reserve 1 to {options.max_bytes:,}.")
    if len(pdf) > MAX_FILE_BYTES:
        raise OutputInvalid(f"a file of {len(pdf):,} bytes is too large for another signature.")
    found = find_signatures(pdf)
    if found.damage:
        remedy = "Ask for a sound copy; `kaipiao inspect --repair FOLDER` mends files that are not signed."
        raise MalformedInput(f"the PDF is damaged: {found.damage}.", hint=remedy)
    if len(found.fields) >= MAX_SIGNATURES:
        raise InputError(f"the PDF has {MAX_SIGNATURES} signatures already.", hint="Sign another copy.")
    try:
        with open_pdf(pdf, attempt_recovery=False) as document:
            if not options.allows_pdf_a and _claims_pdf_a(document.Root):
                raise InputError(
                    f"the PDF claims to be PDF/A, which a signature of format {options.sub_filter} would break.",
                    hint="Sign it by CMS, or write the file without the claim.",
                )
            return _Update(pdf, document).extend(reserve, options)
    except READER_ERRORS as error:
        raise MalformedInput("the PDF's form or pages cannot be read.", hint="Sign a sound file.") from error


class _Update:
    """An incremental update on its way: objects that replace or join those of the file.

    The document is changed in memory, where nothing of it is lost, and the changed objects alone are written.
    """

    def __init__(self, pdf: bytes, document: pikepdf.Pdf) -> None:
        self._pdf, self._document = pdf, document
        self._chunks: list[bytes] = [] if pdf.endswith((b"\n", b"\r")) else [b"\n"]
        self._at = len(pdf) + sum(map(len, self._chunks))
        self._places: dict[int, tuple[int, int]] = {}
        # qpdf numbers new objects behind all that are there or referred to.
        self._widget = document.make_indirect(pikepdf.Dictionary())
        self._value = document.make_indirect(pikepdf.Dictionary())
        self._size = max(self._value.objgen[0] + 1, int(document.trailer.get("/Size", 0)))
        if self._size >= _MAX_OBJECT_NUMBER:
            raise MalformedInput("the PDF has object numbers that readers do not accept.")

    def extend(self, reserve: int, options: SignatureOptions) -> ExtendedPdf:
        """Append field, value and table, and return the whole file."""
        document = self._document
        _check_permission(document.Root)
        page, name = document.pages[0].obj, self._free_name()
        self._add_to_form()
        self._add_to_page(page)
        self._place(
            self._widget,
            b"<</Type/Annot/Subtype/Widget/FT/Sig/T(%b)/Rect[0 0 0 0]/F 132/P %b/V %b>>"
            % (name.encode("ascii"), page.unparse(), self._value.unparse()),
        )
        head = f"<</Type/Sig/Filter/{options.handler}/SubFilter/{options.sub_filter}/ByteRange".encode("ascii")
        before = head + _RANGE % (0, 0, 0) + b"/Contents"
        start = self._place(self._value, before + b"<%b>>>" % (b"00" * reserve))
        span = (start + len(before), start + len(before) + 2 * reserve + 2)
        self._finish()
        data = b"".join((self._pdf, *self._chunks))
        numbers, at = _RANGE % (*span, len(data) - span[1]), start + len(head)
        return ExtendedPdf(b"".join((data[:at], numbers, data[at + len(numbers) :])), span, name)

    def _place(self, item: Any, content: bytes | None = None) -> int:  # noqa: ANN401 any PDF object
        """Append an object, as it is in memory or as given, and return where its content begins."""
        number, generation = item.objgen
        head = b"%d %d obj\n" % (number, generation)
        chunk = b"%b%b\nendobj\n" % (head, item.unparse(resolved=True) if content is None else content)
        self._places[number] = (self._at, generation)
        self._chunks.append(chunk)
        self._at += len(chunk)
        return self._at - len(chunk) + len(head)

    def _add_to_form(self) -> None:
        """Name the field in the form, and append the innermost object that holds the list of fields."""
        root = self._document.Root
        if "/AcroForm" not in root:
            root["/AcroForm"] = pikepdf.Dictionary()
        form = root["/AcroForm"]
        if "/Fields" not in form:
            form["/Fields"] = pikepdf.Array()
        form["/Fields"].append(self._widget)
        flags = int(form.get("/SigFlags", 0)) | _SIGNED_AND_APPEND_ONLY
        is_flagged = form.get("/SigFlags") == flags
        form["/SigFlags"] = flags
        if form["/Fields"].is_indirect:
            self._place(form["/Fields"])
        if not (form["/Fields"].is_indirect and is_flagged):
            self._place(form if form.is_indirect else root)

    def _add_to_page(self, page: Any) -> None:  # noqa: ANN401
        if "/Annots" not in page:
            page["/Annots"] = pikepdf.Array()
        page["/Annots"].append(self._widget)
        self._place(page["/Annots"] if page["/Annots"].is_indirect else page)

    def _free_name(self) -> str:
        form = self._document.Root.get("/AcroForm", pikepdf.Dictionary())
        taken = {str(item.get("/T", "")) for item in form.get("/Fields", pikepdf.Array())}
        return next(name for name in (f"Signature{n}" for n in range(1, len(taken) + 2)) if name not in taken)

    def _finish(self) -> None:
        """Append the table of the update, in the form that the file has: a stream or a plain table (7.5.4, 7.5.8)."""
        found = _STARTXREF.search(self._pdf, self._pdf.rfind(b"startxref"))
        if found is None:
            raise MalformedInput("the PDF does not say where its cross-references are.")
        previous, at = int(found[1]), self._at
        entries = f"/Prev {previous}{self._kept_entries()}".encode("ascii")
        if self._pdf.startswith(b"xref", previous):
            self._chunks.append(self._table() + b"trailer\n<</Size %d%b>>\n" % (self._size, entries))
        else:
            number = self._size
            self._size += 1
            self._places[number] = (at, 0)
            index = b"".join(b" %d 1" % each for each in sorted(self._places)).strip()
            rows = b"".join(_ENTRY.pack(_IN_USE, *self._places[each]) for each in sorted(self._places))
            head = b"/Type/XRef/W[1 4 2]/Index[%b]/Size %d%b/Length %d" % (index, self._size, entries, len(rows))
            self._chunks.append(b"%d 0 obj\n<<%b>>\nstream\n%b\nendstream\nendobj\n" % (number, head, rows))
        self._chunks.append(b"startxref\n%d\n%%%%EOF\n" % at)

    def _table(self) -> bytes:
        rows = (b"%d 1\n%010d %05d n \n" % (number, *place) for number, place in sorted(self._places.items()))
        return b"xref\n" + b"".join(rows)

    def _kept_entries(self) -> str:
        trailer = self._document.trailer
        kept = "".join(f"{key} {trailer[key].unparse().decode('ascii')}" for key in _KEPT_IN_TRAILER if key in trailer)
        # The first identifier stays, the second one names this version of the file (ISO 32000-1, 14.4).
        version = sm3(self._pdf)[:_ID_BYTES]
        stated = trailer.get("/ID")
        first = stated[0] if isinstance(stated, pikepdf.Array) and len(stated) else None
        permanent = bytes(first) if isinstance(first, pikepdf.String) else version
        return f"{kept}/ID[<{permanent.hex()}><{version.hex()}>]"


def _check_permission(root: Any) -> None:  # noqa: ANN401
    """Respect a first signer who certified that nothing may be added (ISO 32000-1, 12.8.2.2)."""
    permissions = root.get("/Perms", pikepdf.Dictionary())
    certified = permissions.get("/DocMDP", pikepdf.Dictionary())
    for reference in certified.get("/Reference", pikepdf.Array()):
        level = reference.get("/TransformParams", pikepdf.Dictionary()).get("/P", 2)
        if int(level) == _NO_CHANGES_ALLOWED:
            raise InputError("the signer of the PDF certified that nothing may be added.", hint="Ask for another copy.")


def _claims_pdf_a(root: Any) -> bool:  # noqa: ANN401
    metadata = root.get("/Metadata")
    return isinstance(metadata, pikepdf.Stream) and _PDF_A_CLAIM in bytes(metadata.read_bytes())
