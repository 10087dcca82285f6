"""The index inside the file, so that renaming or moving a reel cannot part the two.

Matroska (RFC 9559) has attachments; FFmpeg writes and reads them. MP4 (ISO/IEC 14496-12) has none: there the index is
a top-level ``uuid`` box (clause 11.1) after all others, which players pass over.
"""

from __future__ import annotations

import os
import struct
import uuid
from pathlib import Path
from typing import BinaryIO

from render.errors import InputError, KaipiaoError, MalformedInput
from render.reel.index import MAX_INDEX_BYTES
from render.reel.program import Child, compile_argv, unreadable

MATROSKA, MP4 = "matroska", "mp4"
CONTAINERS = {".mkv": MATROSKA, ".mp4": MP4}
INDEX_NAME = "kaipiao-reel.json"

_BOX_KIND = uuid.uuid5(uuid.NAMESPACE_URL, "urn:kaipiao:reel-index").bytes
_BOX_HEADER = struct.Struct(">I4s")
_LARGE_SIZE = struct.Struct(">Q")
_EBML = b"\x1a\x45\xdf\xa3"
_MAX_BOXES = 10_000
_HOSTILE_SAFE = {"protocol_whitelist": "file,pipe"}


def container_for(target: Path) -> str:
    """Return the container that a file name asks for.

    Raises:
        InputError: another suffix.
    """
    try:
        return CONTAINERS[target.suffix.lower()]
    except KeyError:
        hint = f"Name it with {' or '.join(CONTAINERS)}."
        raise InputError(f"{target.name} names no container of reels.", hint=hint) from None


def container_of(path: Path) -> str:
    """Return the container that a file is, whatever it is called.

    Raises:
        MalformedInput: it cannot be read, or is neither Matroska nor MP4.
    """
    try:
        if not path.is_file():
            raise MalformedInput(f"{path} is no file.", hint="Name a reel.")
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise MalformedInput(f"{path}: {error.strerror}.", hint="Name a reel that can be read.") from error
    if head.startswith(_EBML):
        return MATROSKA
    if head[4:8] == b"ftyp":
        return MP4
    raise MalformedInput(f"{path} is neither Matroska nor MP4.", hint="Name a file that `kaipiao reel make` made.")


def source_options(container: str) -> dict[str, str]:
    """Return FFmpeg's input options for a file of any origin: one format, and no other file or address."""
    return {"format": "matroska" if container == MATROSKA else "mov", **_HOSTILE_SAFE}


def add_index(path: str, body: Path, index: bytes, container: str) -> Path:
    """Put the index into a file of frames alone; return the whole file, in the same folder.

    Args:
        path: of FFmpeg.
        body: changed, or no longer needed, afterwards.
        index: JSON.
        container: of ``body``.

    Raises:
        OSError: the disk did not take it.
        KaipiaoError: FFmpeg failed.
    """
    if container == MP4:
        with body.open("ab") as file:
            file.write(_BOX_HEADER.pack(8 + 16 + len(index), b"uuid") + _BOX_KIND + index)
        return body
    attached, whole = body.with_name(INDEX_NAME), body.with_name("whole.mkv")
    attached.write_bytes(index)
    options = {
        "format": MATROSKA,
        "codec": "copy",
        "attach": str(attached),
        "metadata:s:t": "mimetype=application/json",
        "fflags": "+bitexact",
        "map_metadata": "-1",
    }
    with Child(compile_argv(path, str(body), source_options(MATROSKA), str(whole), options)) as child:
        child.finish()
    return whole


def read_index(path: str, reel: Path, container: str) -> bytes:
    """Return the index of a reel.

    Args:
        path: of FFmpeg.
        reel: the file.
        container: of ``reel``.

    Raises:
        MalformedInput: it has none, or one that is too large.
    """
    data = _boxed(reel) if container == MP4 else _attached(path, reel)
    if not data:
        raise MalformedInput(f"{reel} has no index of a reel.", hint="Name a file that `kaipiao reel make` made.")
    if len(data) > MAX_INDEX_BYTES:
        raise MalformedInput(f"{reel} has an index of more than {MAX_INDEX_BYTES:,} bytes.", hint="Take it anew.")
    return data


def _attached(path: str, reel: Path) -> bytes:
    source = {**source_options(MATROSKA), "dump_attachment:t:0": "pipe:1"}
    # FFmpeg wants an output beside the attachment: no frame of the stream.
    nothing = {"format": "null", "codec": "copy", "t": "0", "map": "0:v:0"}
    buffer = bytearray(MAX_INDEX_BYTES + 1)
    with Child(compile_argv(path, str(reel), source, os.devnull, nothing)) as child:
        size = child.read_into(memoryview(buffer))
        if size <= MAX_INDEX_BYTES:
            try:
                child.finish()
            except KaipiaoError as error:
                if "matches no streams" in child.log():
                    return b""
                raise unreadable(reel, error) from error
    return bytes(memoryview(buffer)[:size])


def _boxed(reel: Path) -> bytes:
    with reel.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        at = 0
        for _ in range(_MAX_BOXES):
            if at + _BOX_HEADER.size > end:
                break
            kind, start, size = _box(file, at)
            if size < start or at + size > end:
                break
            if kind == b"uuid" and file.read(16) == _BOX_KIND:
                return file.read(min(size - start - 16, MAX_INDEX_BYTES + 1))
            at += size
    return b""


def _box(file: BinaryIO, at: int) -> tuple[bytes, int, int]:
    """Return kind, length of the header and length of the whole of the box at an offset."""
    file.seek(at)
    size, kind = _BOX_HEADER.unpack(file.read(_BOX_HEADER.size))
    if size == 1:
        data = file.read(_LARGE_SIZE.size)
        large = _LARGE_SIZE.unpack(data)[0] if len(data) == _LARGE_SIZE.size else 0
        return kind, _BOX_HEADER.size + _LARGE_SIZE.size, large
    return kind, _BOX_HEADER.size, size
