"""The index of a reel: what is on each frame, as JSON inside the file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from render.errors import InputError, MalformedInput
from render.pixels import MAX_PALETTE
from render.reel.frames import frame_size
from render.reel.page import is_name, is_size
from render.reel.settings import MAX_KEYFRAME_EVERY, Codec, Colours, Effort, Mode

U1 = NDArray[np.uint8]

FORMAT = "kaipiao-reel"
VERSION = 1
MAX_PAGES = 100_000
MAX_INDEX_BYTES = 64 << 20
MAX_DPI = 100_000

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_NUMBER_CHARS = 40


class Palette(msgspec.Struct, frozen=True):
    """Colours and the levels that stand for them, both in hexadecimal: RGB triples, and a byte each."""

    rgb: str
    levels: str


class PageEntry(msgspec.Struct, frozen=True):
    """One page.

    Attributes:
        name: file name without suffix; ``number``: of the invoice; ``page``: of the invoice or picture file.
        frame: from 0, its time in the stream in seconds; ``keyframe``: the frame from which decoding starts.
        size_px: width and height at the top left of the frame; ``dpi``: dots per inch.
        palette: place in the index's palettes, where levels stand for colours.
        digest: SHA-256 of what went in: palette (RGB triples) and then indices, or grey, or RGB, row by row.
        decoded: digest of what comes out, where the reel was checked; ``max_error`` of any value, and ``ssim``.
    """

    name: str
    number: str
    page: int
    frame: int
    keyframe: int
    size_px: tuple[int, int]
    dpi: int
    palette: int | None
    digest: str
    decoded: str = ""
    max_error: int | None = None
    ssim: float | None = None


class ReelIndex(msgspec.Struct, frozen=True):
    """What a reel says about itself.

    Attributes:
        encoder: of FFmpeg, which really ran; ``device``: what it ran on; ``ffmpeg``: its version.
    """

    format: str
    version: int
    codec: Codec
    mode: Mode
    colours: Colours
    effort: Effort
    quantizer: int | None
    encoder: str
    device: str
    ffmpeg: str
    frame_px: tuple[int, int]
    keyframe_every: int
    palettes: tuple[Palette, ...]
    pages: tuple[PageEntry, ...]

    @property
    def is_lossless(self) -> bool:
        """Tell whether every pixel comes back."""
        return self.mode is Mode.LOSSLESS

    def palette(self, entry: PageEntry) -> tuple[U1, U1] | None:
        """Return uint8[n, 3] RGB and uint8[n] levels of a page, or None where it has no palette."""
        if entry.palette is None:
            return None
        found = self.palettes[entry.palette]
        rgb = np.frombuffer(bytes.fromhex(found.rgb), np.uint8).reshape(-1, 3)
        return rgb, np.frombuffer(bytes.fromhex(found.levels), np.uint8)


def digest_of(arrays: Sequence[U1]) -> str:
    """Return ``sha256:`` and the hexadecimal digest of arrays, one after the other, row by row."""
    state = hashlib.sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array).data)
    return f"sha256:{state.hexdigest()}"


def to_json(index: ReelIndex) -> bytes:
    """Return the index as JSON, the same bytes for the same index.

    Raises:
        InputError: it is larger than a reader takes.
    """
    data = msgspec.json.encode(index)
    if len(data) > MAX_INDEX_BYTES:
        raise InputError(f"the reel's index would have {len(data):,} bytes.", hint="Make several smaller reels.")
    return data


def from_json(data: bytes) -> ReelIndex:
    """Return an index that a file brought, once every value is one that could have been written.

    Raises:
        MalformedInput: it is none.
    """
    try:
        index = msgspec.json.decode(data, type=ReelIndex)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedInput(f"the reel's index cannot be read: {error}.", hint="Take the reel anew.") from error
    wrong = _wrong(index)
    if wrong:
        raise MalformedInput(f"the reel's index is wrong: {wrong}.", hint="Take the reel anew.")
    return index


def _wrong(index: ReelIndex) -> str:
    """Return what no index of ours states, or nothing."""
    if index.format != FORMAT or index.version != VERSION:
        return f"it is {index.format[:20]!r} {index.version}, not {FORMAT!r} {VERSION}"
    if not 1 <= index.keyframe_every <= MAX_KEYFRAME_EVERY:
        return f"{index.keyframe_every} pages between key frames"
    if not is_size(index.frame_px) or frame_size(index.frame_px) != index.frame_px:
        return f"frames of {index.frame_px} pixels"
    if not 1 <= len(index.pages) <= MAX_PAGES:
        return f"{len(index.pages)} pages"
    if not all(_is_palette(palette) for palette in index.palettes):
        return "a palette is none"
    if len({entry.name for entry in index.pages}) != len(index.pages):
        return "two pages have one name"
    bad = next((place for place, entry in enumerate(index.pages) if not _is_entry(index, place, entry)), None)
    return "" if bad is None else f"page {bad + 1}"


def _is_palette(palette: Palette) -> bool:
    try:
        rgb, levels = bytes.fromhex(palette.rgb), bytes.fromhex(palette.levels)
    except ValueError:
        return False
    return 1 <= len(levels) <= MAX_PALETTE and len(rgb) == 3 * len(levels) and len(set(levels)) == len(levels)


def _is_entry(index: ReelIndex, place: int, entry: PageEntry) -> bool:
    has_palette = entry.palette is not None and 0 <= entry.palette < len(index.palettes)
    fits = is_size(entry.size_px) and all(a <= b for a, b in zip(entry.size_px, index.frame_px, strict=True))
    digests = (entry.digest, entry.decoded) if entry.decoded else (entry.digest,)
    return (
        is_name(entry.name)
        and len(entry.number) <= _MAX_NUMBER_CHARS
        and fits
        and 1 <= entry.dpi <= MAX_DPI
        and (entry.frame, entry.keyframe) == (place, place - place % index.keyframe_every)
        and has_palette == (index.colours is Colours.PALETTE)
        and all(_DIGEST.fullmatch(digest) for digest in digests)
    )
