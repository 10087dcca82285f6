"""Makes a reel: pages one after the other through FFmpeg, then the index, then the name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import msgspec

from render.errors import EncoderFailed, Fault, InputError, KaipiaoError, MalformedInput, OutputInvalid
from render.pixels import PagePixels
from render.reel.container import add_index, container_for
from render.reel.encoders import Encoder, choose_encoder
from render.reel.frames import FrameBuffer, carry, frame_size
from render.reel.index import FORMAT, MAX_PAGES, VERSION, PageEntry, Palette, ReelIndex, digest_of, to_json
from render.reel.levels import levels_of
from render.reel.page import ReelPage, check_page, is_size
from render.reel.program import STALL_S, Child, find_ffmpeg, version_of
from render.reel.reader import Reel, Stretch
from render.reel.settings import Colours, ReelSettings
from render.reel.similarity import max_error, ssim
from render.reel.spool import Spool
from render.reel.staging import publish, staging, taken

Watch = Callable[[str, int], None]
"""Called with a stage, ``encode`` or ``check``, and how many pages it has done."""


@dataclass(frozen=True, slots=True)
class WrittenReel:
    """A finished reel.

    Attributes:
        size: in bytes; ``encoder``: what really ran, as FFmpeg calls it; ``device``: ``cpu`` or ``cuda``.
        fallback: why ``auto`` did not take the device, or empty.
    """

    path: Path
    size: int
    encoder: str
    device: str
    fallback: str
    index: ReelIndex = field(repr=False)


def write_reel(
    target: Path,
    pages: Iterable[ReelPage],
    largest_px: tuple[int, int],
    settings: ReelSettings | None = None,
    *,
    is_replacing: bool = False,
    watch: Watch = lambda stage, done: None,  # noqa: ARG005 nobody watches
    stall_s: float = STALL_S,
) -> WrittenReel:
    """Write pages as a reel; the file has its name only once it is whole, and nothing is left where it fails.

    Pages are taken one at a time and not kept: memory grows by their index entries alone.

    Args:
        target: a new file, ``.mkv`` or ``.mp4``.
        pages: at least one, each with a name of its own.
        largest_px: width and height that no page exceeds; smaller pages are padded.
        settings: None = the defaults.
        is_replacing: put it in the place of a file of this name.
        watch: told of progress.
        stall_s: FFmpeg is ended where it makes no progress for so long.

    Raises:
        InputError: settings, or a page, cannot be taken; or there is none.
        BackendUnavailable: FFmpeg or the encoder is missing, or the device that was asked for.
        EncoderFailed: FFmpeg was ended or failed.
        OutputInvalid: what comes back is not what went in.
        StoreConflict: the name is taken.
        StoreError: the disk does not take it.
    """
    complete = (settings or ReelSettings()).complete()
    container = container_for(target)
    if not is_size(largest_px):
        fault = Fault("largest_px", "reel.frame_pixels", f"{largest_px} pixels.", "Choose a lower resolution.")
        raise InputError("frames cannot have this size.", faults=(fault,))
    if target.exists() and not is_replacing:
        raise taken(target)
    ffmpeg = find_ffmpeg()
    frame_px = frame_size(largest_px)
    waiting = iter(pages)
    first = next(waiting, None)
    if first is None:
        raise InputError("a reel needs at least one page, and there is none.", hint="Give it pages.")
    encoder = choose_encoder(complete, frame_px, ffmpeg)
    with staging(target) as folder:
        body = folder / f"body{target.suffix.lower()}"
        spool = Spool(folder / "pages") if complete.is_checked and not complete.is_lossless else None
        work = _Work(complete, encoder, frame_px, ffmpeg, watch, stall_s)
        try:
            index = work.encode(chain([first], waiting), body, container, spool)
            if complete.is_checked:
                index = work.check(Reel(body, container, ffmpeg, index), spool)
        finally:
            if spool is not None:
                spool.close()
        whole = add_index(ffmpeg, body, to_json(index), container)
        size = whole.stat().st_size
        publish(whole, target, is_replacing=is_replacing)
    return WrittenReel(target, size, encoder.name, encoder.device.value, encoder.fallback, index)


@dataclass(frozen=True, slots=True)
class _Work:
    """One reel in the making."""

    settings: ReelSettings
    encoder: Encoder
    frame_px: tuple[int, int]
    ffmpeg: str
    watch: Watch
    stall_s: float

    def encode(self, pages: Iterable[ReelPage], body: Path, container: str, spool: Spool | None) -> ReelIndex:
        """Write the frames; return their index."""
        colours = self.settings.colours or Colours.RGB
        entries, palettes = _Entries(self.settings), _Palettes()
        frame = FrameBuffer(self.frame_px, self.encoder.form)
        argv = self.encoder.argv(self.ffmpeg, self.frame_px, str(body), container)
        with Child(argv, stall_s=self.stall_s) as child:
            for page in pages:
                check_page(page, self.frame_px)
                carried = carry(page.pixels, colours)
                for view in frame.fill(carried.pixels):
                    child.write(view)
                if spool is not None:
                    spool.put(carried.pixels)
                palette = palettes.number(page.pixels) if colours is Colours.PALETTE else None
                self.watch("encode", entries.add(page, palette, digest_of(carried.digested)))
            child.finish()
            written = child.frames_written()
        if written != entries.count:
            message = f"FFmpeg wrote {written} of {entries.count} pages and did not say why."
            raise EncoderFailed(message, hint="Try again; report it if it stays.")
        return ReelIndex(
            format=FORMAT,
            version=VERSION,
            codec=self.settings.codec,
            mode=self.settings.mode,
            colours=colours,
            effort=self.settings.effort,
            quantizer=self.settings.quantizer,
            encoder=self.encoder.name,
            device=self.encoder.device.value,
            ffmpeg=version_of(self.ffmpeg),
            frame_px=self.frame_px,
            keyframe_every=self.settings.keyframe_every,
            palettes=palettes.all(),
            pages=entries.all(),
        )

    def check(self, reel: Reel, spool: Spool | None) -> ReelIndex:
        """Decode the frames and compare them with the pages; return the index with what was found."""
        total = len(reel.index.pages)
        try:
            if spool is None:
                for entry, _ in reel.take(range(1, total + 1)):
                    self.watch("check", entry.frame + 1)
                return reel.index
            return msgspec.structs.replace(reel.index, pages=tuple(self._compare(reel, spool)))
        except MalformedInput as error:
            message = f"the reel does not give back its pages: {error.message}"
            raise OutputInvalid(message, hint="Report this defect with FFmpeg's version.") from error

    def _compare(self, reel: Reel, spool: Spool) -> Iterator[PageEntry]:
        total = len(reel.index.pages)
        decoded = reel.decode(Stretch(0, total), set(range(total)))
        for (entry, after), before in zip(decoded, spool.take_all(), strict=True):
            self.watch("check", entry.frame + 1)
            yield msgspec.structs.replace(
                entry,
                decoded=digest_of((after,)),
                max_error=max_error(before, after),
                ssim=round(ssim(before, after), 6),
            )


class _Entries:
    """The pages of an index in the making."""

    def __init__(self, settings: ReelSettings) -> None:
        self._every = settings.keyframe_every
        self._entries: list[PageEntry] = []
        self._names: set[str] = set()

    def add(self, page: ReelPage, palette: int | None, digest: str) -> int:
        """Add a page; return how many there are."""
        frame = len(self._entries)
        problem: KaipiaoError | None = None
        if page.name in self._names:
            fault = Fault("name", "reel.name_twice", f"{page.name!r} is there already.", "Give each page its own name.")
            problem = InputError("two pages of a reel have one name.", faults=(fault,))
        elif frame == MAX_PAGES:
            problem = InputError(f"a reel has at most {MAX_PAGES:,} pages.", hint="Make several.")
        if problem is not None:
            raise problem
        self._names.add(page.name)
        self._entries.append(
            PageEntry(
                name=page.name,
                number=page.number,
                page=page.page,
                frame=frame,
                keyframe=frame - frame % self._every,
                size_px=page.size_px,
                dpi=page.pixels.dpi,
                palette=palette,
                digest=digest,
            )
        )
        return frame + 1

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def all(self) -> tuple[PageEntry, ...]:
        """Return them in order."""
        return tuple(self._entries)


class _Palettes:
    """Palettes in the order in which pages brought them, each once."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._palettes: list[Palette] = []

    def number(self, pixels: object) -> int:
        """Return the place of a page's palette."""
        if not isinstance(pixels, PagePixels):
            raise OutputInvalid("a page without a palette was carried as levels.", hint="Please report this defect.")
        key = pixels.palette.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self._palettes)
            self._palettes.append(Palette(key.hex(), levels_of(pixels.palette).tobytes().hex()))
        return self._numbers[key]

    def all(self) -> tuple[Palette, ...]:
        """Return them in order."""
        return tuple(self._palettes)
