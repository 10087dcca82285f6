"""An invisible signature field with room for a detached signature (ISO 32000-1, 12.7.4.5 and 12.8)."""

from __future__ import annotations

from dataclasses import dataclass

from render.errors import OutputInvalid
from render.pdf.body import Body
from render.pdf.info import SIGNATURE_HANDLERS, PdfInfo
from render.pdf.syntax import date

# A PDF/A string has at most 32,767 bytes (ISO 19005-3, 6.1.13).
MAX_RESERVED_BYTES = 32_767
MAX_UNCLAIMED_BYTES = 1_048_576
"""For files that do not claim PDF/A: a seal signature holds a picture."""

_INVISIBLE = "/Rect[0 0 0 0]/F 132"
_RANGE_FORM = b"[0 %-10d %-10d %-10d]"
_RANGE_BLANK = _RANGE_FORM % (0, 0, 0)


@dataclass(frozen=True, slots=True)
class SignatureField:
    """A reserved signature.

    Attributes:
        widget: object number of the field, which is also the page's annotation.
        range_at: file offset of the array of /ByteRange.
        contents_span: file offsets of the "<" and just behind the ">" of /Contents.
    """

    widget: int
    range_at: int
    contents_span: tuple[int, int]

    @property
    def catalog_entries(self) -> str:
        """What the catalog says of the field: a document with signatures that only grows by appending."""
        return f"/AcroForm<</Fields[{self.widget} 0 R]/SigFlags 3>>"

    def fill_range(self, data: bytes) -> bytes:
        """Return the whole file with /ByteRange set to everything but the signature's place."""
        start, end = self.contents_span
        found = _RANGE_FORM % (start, end, len(data) - end)
        return b"".join((data[: self.range_at], found, data[self.range_at + len(found) :]))


def add_signature_field(body: Body, widget: int, page: int, reserve_bytes: int, info: PdfInfo) -> SignatureField:
    """Append the field and its signature dictionary.

    Args:
        body: takes the objects.
        widget: the reserved object number of the field.
        page: object number of the page that holds the field.
        reserve_bytes: how long a signature may be.
        info: tells the signing time, if any, and the format of the signature.

    Raises:
        OutputInvalid: more than a string may hold.
    """
    limit = MAX_RESERVED_BYTES if info.claims_pdf_a else MAX_UNCLAIMED_BYTES
    if not 0 < reserve_bytes <= limit:
        raise OutputInvalid(f"{reserve_bytes:,} bytes for a signature.", hint=f"Reserve between 1 and {limit:,}.")
    signature = body.reserve()
    body.add(f"<</Type/Annot/Subtype/Widget/FT/Sig/T(Signature1){_INVISIBLE}/P {page} 0 R/V {signature} 0 R>>", widget)
    signed = f"/M{date(info.signed)}" if info.signed else ""
    form = f"/Filter/{SIGNATURE_HANDLERS[info.signature_format]}/SubFilter/{info.signature_format}"
    head = f"<</Type/Sig{form}{signed}/ByteRange".encode("ascii")
    before = head + _RANGE_BLANK + b"/Contents"
    body.place(before + b"<%b>>>" % (b"00" * reserve_bytes), signature)
    start = body.offset_of(signature) + len(b"%d 0 obj\n" % signature)
    contents = start + len(before)
    return SignatureField(widget, start + len(head), (contents, contents + 2 * reserve_bytes + 2))
