"""Attachments as associated files (ISO 32000-1, 7.11; ISO 19005-3, 6.8)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

from render.errors import Fault, InputError
from render.pdf.body import Body
from render.pdf.deflate import deflate_fast
from render.pdf.info import Attachment
from render.pdf.syntax import date, name, stream, text_string


def embedded_file(attachment: Attachment) -> bytes:
    """Return the stream of a file, which names no other object."""
    checksum = hashlib.md5(attachment.data, usedforsecurity=False).hexdigest()
    return stream(
        f"/Type/EmbeddedFile/Subtype{name(attachment.media_type)}/Params<</Size {len(attachment.data)}"
        f"/CheckSum<{checksum}>/ModDate{date(attachment.modified)}>>/Filter/FlateDecode",
        deflate_fast(attachment.data),
    )


def add_attachments(body: Body, attachments: Sequence[Attachment], embedded: Sequence[bytes]) -> str:
    """Append the files and return the catalog's entries for them, or nothing where there are none.

    Args:
        body: takes the objects.
        attachments: the files.
        embedded: the stream of each, from :func:`embedded_file`.

    Raises:
        InputError: two files of one name.
    """
    if not attachments:
        return ""
    # A name tree is sorted by the bytes of its keys, which hexadecimal digits keep in order.
    ordered = sorted(zip(attachments, embedded, strict=True), key=lambda pair: text_string(pair[0].name))
    for (before, _), (after, _) in itertools.pairwise(ordered):
        if before.name == after.name:
            fault = Fault("attachment.name", "pdf.file_name", f"{after.name!r} stands twice.", "Rename one.")
            raise InputError("the files cannot be attached.", faults=(fault,))
    numbers = {attachment.name: _add_file(body, attachment, data) for attachment, data in ordered}
    tree = "".join([f"{text_string(key)}{number} 0 R" for key, number in numbers.items()])
    listed = " ".join([f"{numbers[attachment.name]} 0 R" for attachment in attachments])
    return f"/AF[{listed}]/Names<</EmbeddedFiles<</Names[{tree}]>>>>"


def _add_file(body: Body, attachment: Attachment, embedded: bytes) -> int:
    file = body.place(embedded)
    file_name = text_string(attachment.name)
    description = f"/Desc{text_string(attachment.description)}" if attachment.description else ""
    return body.add(
        f"<</Type/Filespec/F{file_name}/UF{file_name}{description}/AFRelationship/{attachment.relationship}"
        f"/EF<</F {file} 0 R/UF {file} 0 R>>>>"
    )
