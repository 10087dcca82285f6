"""Attachments as associated files (ISO 32000-1, 7.11; ISO 19005-3, 6.8)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from render.errors import Fault, InputError
from render.pdf.body import Body
from render.pdf.deflate import deflate_text
from render.pdf.info import Attachment
from render.pdf.syntax import date, name, stream, text_string


class AttachedFile(NamedTuple):
    """A file as its document takes it.

    Attributes:
        key: its name as a string of the name tree.
        entries: those of its file specification but for the file itself.
        embedded: the stream of the file, which names no other object.
    """

    key: str
    entries: str
    embedded: bytes


def attach(attachments: Sequence[Attachment]) -> tuple[tuple[AttachedFile, ...], tuple[int, ...]]:
    """Return files in the order of their keys, and the place in it of each of those given.

    Raises:
        InputError: two files of one name.
    """
    if len(attachments) == 1:
        return (_attached(attachments[0]),), (0,)
    names = sorted([attachment.name for attachment in attachments], key=text_string)
    for before, after in itertools.pairwise(names):
        if before == after:
            fault = Fault("attachment.name", "pdf.file_name", f"{after!r} stands twice.", "Rename one.")
            raise InputError("the files cannot be attached.", faults=(fault,))
    places = tuple([names.index(attachment.name) for attachment in attachments])
    # A name tree is sorted by the bytes of its keys, which hexadecimal digits keep in order.
    return tuple(sorted(map(_attached, attachments))), places


def _attached(attachment: Attachment) -> AttachedFile:
    key, data = text_string(attachment.name), attachment.data
    description = f"/Desc{text_string(attachment.description)}" if attachment.description else ""
    checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return AttachedFile(
        key,
        f"/F{key}/UF{key}{description}/AFRelationship/{attachment.relationship}",
        stream(
            f"/Type/EmbeddedFile/Subtype{name(attachment.media_type)}/Params<</Size {len(data)}"
            f"/CheckSum<{checksum}>/ModDate{date(attachment.modified)}>>/Filter/FlateDecode",
            deflate_text(data),
        ),
    )


def add_attachments(body: Body, files: Sequence[AttachedFile], places: Sequence[int]) -> str:
    """Append the files and return the catalog's entries for them, or nothing where there are none.

    Args:
        body: takes the objects.
        files: in the order of their keys, as :func:`attach` returns them.
        places: in which order they are listed.
    """
    if not files:
        return ""
    numbers = [_add_file(body, file) for file in files]
    tree = "".join([f"{file.key}{number} 0 R" for file, number in zip(files, numbers, strict=True)])
    listed = " ".join([f"{numbers[place]} 0 R" for place in places])
    return f"/AF[{listed}]/Names<</EmbeddedFiles<</Names[{tree}]>>>>"


def _add_file(body: Body, file: AttachedFile) -> int:
    content = body.place(file.embedded)
    return body.add(f"<</Type/Filespec{file.entries}/EF<</F {content} 0 R/UF {content} 0 R>>>>")
