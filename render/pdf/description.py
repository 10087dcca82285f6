"""What a PDF says of its document and the files that it carries, made before it is known which objects they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from render.pdf.attachment import AttachedFile, attach
from render.pdf.info import Attachment, PdfInfo
from render.pdf.syntax import stream
from render.pdf.xmp import info_dictionary, xmp_packet


class Description(NamedTuple):
    """A document's description, ready for its file.

    Attributes:
        info: what it says.
        files: those attached, in the order of their keys.
        file_places: the place in it of each, in the order of the caller.
        metadata: the stream of the XMP packet.
        dictionary: the Info dictionary.
    """

    info: PdfInfo
    files: tuple[AttachedFile, ...]
    file_places: tuple[int, ...]
    metadata: bytes
    dictionary: str


def describe(info: PdfInfo, attachments: Sequence[Attachment] = ()) -> Description:
    """Return the description of a document; for many documents it is quicker to make all before the first is written.

    Args:
        info: what it says.
        attachments: files to carry inside it.

    Raises:
        InputError: two attachments of one name.
    """
    metadata = stream("/Type/Metadata/Subtype/XML", xmp_packet(info))
    return Description(info, *attach(attachments), metadata, info_dictionary(info))
