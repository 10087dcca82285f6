"""An invisible signature field with room for a detached signature (ISO 32000-1, 12.7.4.5 and 12.8)."""

from __future__ import annotations

from typing import NamedTuple

from render.errors import OutputInvalid
from render.pdf.body import Body
from render.pdf.info import SIGNATURE_HANDLERS, PdfFile, PdfInfo
from render.pdf.syntax import date

# A PDF/A string has at most 32,767 bytes (ISO 19005-3, 6.1.13).
MAX_RESERVED_BYTES = 32_767
MAX_UNCLAIMED_BYTES = 1_048_576
"""For files that do not claim PDF/A: a seal signature holds a picture."""

_INVISIBLE = "/Rect[0 0 0 0]/F 132"
_RANGE_FORM = b"[0 %-10d %-10d %-10d]"
_RANGE_BLANK = _RANGE_FORM % (0, 0, 0)


class SignatureRoom(NamedTuple):
    """A signature dictionary with room for a signature.

    Attributes:
        content: of the object.
        range_at: where in it the array of /ByteRange begins.
        contents_span: where in it the "<" of /Contents stands, and just behind its ">".
    """

    content: bytes
    range_at: int
    contents_span: tuple[int, int]

    def place_in(self, data: bytes, at: int) -> PdfFile:
        """Return a whole file with /ByteRange set to everything but the signature's place; ``at``: of the content."""
        start, end = at + self.contents_span[0], at + self.contents_span[1]
        found = _RANGE_FORM % (start, end, len(data) - end)
        range_at = at + self.range_at
        return PdfFile(b"".join((data[:range_at], found, data[range_at + len(found) :])), (start, end))


def signature_room(reserve_bytes: int, info: PdfInfo) -> SignatureRoom:
    """Return a signature dictionary without its signature.

    Args:
        reserve_bytes: how long a signature may be.
        info: tells the signing time, if any, and the format of the signature.

    Raises:
        OutputInvalid: more than a string may hold.
    """
    limit = MAX_RESERVED_BYTES if info.claims_pdf_a else MAX_UNCLAIMED_BYTES
    if not 0 < reserve_bytes <= limit:
        raise OutputInvalid(f"{reserve_bytes:,} bytes for a signature.", hint=f"Reserve between 1 and {limit:,}.")
    signed = f"/M{date(info.signed)}" if info.signed else ""
    form = f"/Filter/{SIGNATURE_HANDLERS[info.signature_format]}/SubFilter/{info.signature_format}"
    head = f"<</Type/Sig{form}{signed}/ByteRange".encode("ascii")
    before = head + _RANGE_BLANK + b"/Contents"
    span = len(before), len(before) + 2 * reserve_bytes + 2
    return SignatureRoom(before + b"<%b>>>" % (b"00" * reserve_bytes), len(head), span)


def add_signature_field(body: Body, widget: int, page: int, content: bytes) -> int:
    """Append the field and its signature dictionary, and return the number of the latter.

    Args:
        body: takes the objects.
        widget: the reserved object number of the field, which is also the page's annotation.
        page: object number of the page that holds the field.
        content: of the signature dictionary.
    """
    signature = body.reserve()
    body.add(f"<</Type/Annot/Subtype/Widget/FT/Sig/T(Signature1){_INVISIBLE}/P {page} 0 R/V {signature} 0 R>>", widget)
    return body.place(content, signature)


def field_entries(widget: int) -> str:
    """Return what the catalog says of the field: a document with signatures that only grows by appending."""
    return f"/AcroForm<</Fields[{widget} 0 R]/SigFlags 3>>"
