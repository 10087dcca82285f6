"""Texts and resolution for formats that carry them as XMP (ISO 16684-1) and Exif (JEITA CP-3451)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from xml.sax.saxutils import escape

from PIL import Image
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import IFDRational

from render.errors import Fault

MAX_PACKET_BYTES = 60_000
"""A JPEG holds XMP in one marker segment of 64 KiB; the same bound everywhere lets a page change its format."""

_INCH = 2

# Keywords of PNG (ISO/IEC 15948, 11.3.4.2) and the properties of XMP that mean the same; "{}" is the value.
_TEXT_OF_LANGUAGE = "<{0}><rdf:Alt><rdf:li xml:lang='x-default'>{{}}</rdf:li></rdf:Alt></{0}>"
_PROPERTIES: Mapping[str, str] = MappingProxyType(
    {
        "Author": "<dc:creator><rdf:Seq><rdf:li>{}</rdf:li></rdf:Seq></dc:creator>",
        "Copyright": _TEXT_OF_LANGUAGE.format("dc:rights"),
        "Description": _TEXT_OF_LANGUAGE.format("dc:description"),
        "Software": "<xmp:CreatorTool>{}</xmp:CreatorTool>",
        "Source": "<dc:source>{}</dc:source>",
        "Subject": "<dc:subject><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></dc:subject>",
        "Title": _TEXT_OF_LANGUAGE.format("dc:title"),
    }
)
_PACKET = (
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    "<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:xmp='http://ns.adobe.com/xap/1.0/'>"
    "{}</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def text_faults(text: Mapping[str, str]) -> list[Fault]:
    """Return what XMP cannot hold of keywords and values."""
    faults = []
    for keyword, value in text.items():
        if keyword not in _PROPERTIES or not value.isprintable():
            hint = f"Use printable text, and as keyword one of {', '.join(_PROPERTIES)}."
            faults.append(Fault("text", "encode.text_invalid", f"{keyword!r} cannot be written.", hint))
    if not faults and len(xmp_packet(text)) > MAX_PACKET_BYTES:
        message = f"the texts make more than {MAX_PACKET_BYTES:,} bytes of XMP."
        faults.append(Fault("text", "encode.text_size", message, "Shorten them."))
    return faults


def xmp_packet(text: Mapping[str, str]) -> bytes:
    """Return the texts as an XMP packet, properties in the order of keywords; empty if there are none."""
    properties = "".join(_PROPERTIES[keyword].format(escape(text[keyword])) for keyword in sorted(text))
    return _PACKET.format(properties).encode() if properties else b""


def exif_block(dpi: int) -> bytes:
    """Return an Exif block that states the resolution and nothing else."""
    exif = Image.Exif()
    exif[Base.XResolution] = exif[Base.YResolution] = IFDRational(dpi, 1)
    exif[Base.ResolutionUnit] = _INCH
    return exif.tobytes()
