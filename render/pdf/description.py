"""What a PDF says of its document and the files that it carries, made before it is known which objects they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from render.pdf.attachment import embedded_file
from render.pdf.info import Attachment, PdfInfo
from render.pdf.syntax import stream
from render.pdf.xmp import info_dictionary, xmp_packet


@dataclass(frozen=True, slots=True)
class Description:
    """A document's description, ready for its file.

    Attributes:
        info: what it says.
        attachments: the files; ``embedded``: the stream of each.
        metadata: the stream of the XMP packet.
        dictionary: the Info dictionary.
    """

    info: PdfInfo
    attachments: tuple[Attachment, ...]
    embedded: tuple[bytes, ...]
    metadata: bytes
    dictionary: str


def describe(info: PdfInfo, attachments: Sequence[Attachment] = ()) -> Description:
    """Return the description of a document; for many documents it is quicker to make all before the first is written.

    Args:
        info: what it says.
        attachments: files to carry inside it.
    """
    return Description(
        info=info,
        attachments=tuple(attachments),
        embedded=tuple([embedded_file(attachment) for attachment in attachments]),
        metadata=stream("/Type/Metadata/Subtype/XML", xmp_packet(info)),
        dictionary=info_dictionary(info),
    )
