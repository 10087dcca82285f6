"""The document's metadata twice: Info dictionary (ISO 32000-1, 14.3.3) and XMP packet (ISO 16684-1), always equal."""

from __future__ import annotations

from functools import lru_cache
from xml.sax.saxutils import escape

from render.pdf.info import PdfInfo
from render.pdf.syntax import date, text_string

# The byte order mark in the header and this fixed id are what identifies a packet (ISO 16684-1, 7.3.2).
_HEAD = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" \
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"{0}>
{1}<dc:format>application/pdf</dc:format>
"""
_PDF_A = (
    ' xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"',
    "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>\n",
)
_NO_CLAIM = ("", "")
_TAIL = """</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
_ALTERNATIVES = '<{0}><rdf:Alt><rdf:li xml:lang="x-default">{1}</rdf:li></rdf:Alt></{0}>\n'
_SEQUENCE = "<{0}><rdf:Seq><rdf:li>{1}</rdf:li></rdf:Seq></{0}>\n"
_BAG = "<{0}><rdf:Bag><rdf:li>{1}</rdf:li></rdf:Bag></{0}>\n"
_PLAIN = "<{0}>{1}</{0}>\n"
_PROPERTIES = {
    "dc:title": _ALTERNATIVES,
    "dc:creator": _SEQUENCE,
    "dc:description": _ALTERNATIVES,
    "dc:language": _BAG,
    "pdf:Keywords": _PLAIN,
    "pdf:Producer": _PLAIN,
    "xmp:CreateDate": _PLAIN,
    "xmp:ModifyDate": _PLAIN,
    "xmpMM:DocumentID": _PLAIN,
}
_KEPT_FORMS = 64
# Stands for a value in a form.
_VALUE = "\0"


def info_dictionary(info: PdfInfo) -> str:
    """Return the Info dictionary; empty texts are left out."""
    texts = (
        ("Title", info.title),
        ("Author", info.author),
        ("Subject", info.subject),
        ("Keywords", info.keywords),
        ("Producer", info.producer),
    )
    entries = "".join([f"/{key}{text_string(text)}" for key, text in texts if text])
    created = date(info.created)
    return f"<<{entries}/CreationDate{created}/ModDate{created}>>"


def xmp_packet(info: PdfInfo) -> bytes:
    """Return the XMP packet that says the same, and claims PDF/A-3b (ISO 19005-3, 6.6.4) where asked to."""
    created = info.created.isoformat(timespec="seconds")
    texts = (info.title, info.author, info.subject, info.language, info.keywords, info.producer)
    values: tuple[str, ...] = (*texts, created, created, info.document_id)
    together = "".join(values)
    if "&" in together or "<" in together or ">" in together:
        values = tuple([escape(value) for value in values])
    pieces = _form(tuple(map(bool, values)), info.claims_pdf_a).copy()
    pieces[1::2] = map(str.encode, values)
    return b"".join(pieces)


@lru_cache(maxsize=_KEPT_FORMS)
def _form(is_filled: tuple[bool, ...], claims_pdf_a: bool) -> list[bytes]:  # noqa: FBT001 a key of the cache
    """Return what stands before, between and behind the values of _PROPERTIES, which go into every second place.

    Lines of those that are not filled are left out.
    """
    head = _HEAD.format(*(_PDF_A if claims_pdf_a else _NO_CLAIM))
    lines = [
        form.format(name, _VALUE) if filled else _VALUE
        for (name, form), filled in zip(_PROPERTIES.items(), is_filled, strict=True)
    ]
    fixed = "".join((head, *lines, _TAIL)).encode().split(_VALUE.encode())
    pieces = [b""] * (2 * len(fixed) - 1)
    pieces[::2] = fixed
    return pieces
