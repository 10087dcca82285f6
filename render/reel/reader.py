"""Takes pages out of a reel: seeks to the key frame before each and decodes from there, no further than needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from render.errors import Fault, InputError, KaipiaoError, MalformedInput
from render.pixels import PagePixels
from render.reel.container import container_of, read_index, source_options
from render.reel.frames import FrameReader, decoder_options, pixels_of
from render.reel.index import PageEntry, ReelIndex, digest_of, from_json
from render.reel.page import MAX_PAGE_PIXELS, U1, Pixels
from render.reel.program import Child, compile_argv, find_ffmpeg, unreadable


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames that one FFmpeg decodes: ``count`` from ``first``."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Reel:
    """A reel that was opened.

    Attributes:
        path: the file; ``container``: what it is.
        ffmpeg: path of the program.
    """

    path: Path
    container: str
    ffmpeg: str
    index: ReelIndex = field(repr=False)

    def take(self, pages: Iterable[int]) -> Iterator[tuple[PageEntry, Pixels]]:
        """Return pages in ascending order, each decoded when it is asked for, and each once.

        Args:
            pages: places in the reel, from 1.

        Raises:
            InputError: there is no such page; nothing has been decoded then.
            MalformedInput: the file is damaged: what came out is not what the index states.
            EncoderFailed: FFmpeg was ended.
        """
        wanted = sorted(set(pages))
        total = len(self.index.pages)
        outside = [page for page in wanted if not 1 <= page <= total]
        if outside:
            shown = ", ".join(map(str, outside[:5]))
            fault = Fault("pages", "reel.page_unknown", f"there is no page {shown}.", f"Choose 1 to {total}.")
            raise InputError("the reel does not have every page asked for.", faults=(fault,))
        return self._take([page - 1 for page in wanted])

    def _take(self, frames: list[int]) -> Iterator[tuple[PageEntry, Pixels]]:
        wanted = set(frames)
        for stretch in stretches(frames, self.index.keyframe_every):
            for entry, carried in self.decode(stretch, wanted):
                yield entry, self._checked(entry, carried)

    def decode(self, stretch: Stretch, wanted: set[int]) -> Iterator[tuple[PageEntry, U1]]:
        """Return what the frames of a stretch carry, unchecked.

        Args:
            stretch: what is decoded.
            wanted: frames that are returned.

        Raises:
            MalformedInput: the file is damaged.
            EncoderFailed: FFmpeg was ended.
        """
        index = self.index
        reader = FrameReader(index.frame_px, index.colours, is_lossless=index.is_lossless)
        frame = reader.buffer.data.cast("B")
        with Child(self.decode_argv(stretch)) as child:
            try:
                for entry in index.pages[stretch.first : stretch.first + stretch.count]:
                    if child.read_into(frame) < len(frame):
                        child.finish()
                        raise MalformedInput(f"{self.path} ends before page {entry.frame + 1}.", hint="Take it anew.")
                    if entry.frame in wanted:
                        yield entry, reader.carried(entry.size_px)
                if child.read_into(frame):
                    raise MalformedInput(f"{self.path} has other frames than its index states.", hint="Take it anew.")
                child.finish()
            except KaipiaoError as error:
                raise unreadable(self.path, error) from error

    def decode_argv(self, stretch: Stretch) -> list[str]:
        """Return the command that writes raw frames to standard output, from a key frame found by the container."""
        reader = FrameReader(self.index.frame_px, self.index.colours, is_lossless=self.index.is_lossless)
        source = {
            **source_options(self.container),
            "threads": "1",
            # Coded frames are whole blocks, a little larger than what is shown of them.
            "max_pixels": str(2 * MAX_PAGE_PIXELS),
        }
        if stretch.first:
            source["ss"] = str(stretch.first)
        target = {
            "format": "rawvideo",
            "map": "0:v:0",
            "frames:v": str(stretch.count),
            "fps_mode": "passthrough",
            **decoder_options(reader.form),
        }
        return compile_argv(self.ffmpeg, str(self.path), source, "pipe:1", target)

    def _checked(self, entry: PageEntry, carried: U1) -> Pixels:
        pixels = pixels_of(carried, self.index.palette(entry), entry.dpi)
        if self.index.is_lossless:
            parts: tuple[U1, ...] = (carried,)
            if isinstance(pixels, PagePixels) and entry.palette is not None:
                parts = (pixels.palette, pixels.index)
            is_right = digest_of(parts) == entry.digest
        else:
            is_right = not entry.decoded or digest_of((carried,)) == entry.decoded
        if not is_right:
            message = f"page {entry.frame + 1} of {self.path} is not what the index states: the file is damaged."
            raise MalformedInput(message, hint="Take it from where it is whole.")
        return pixels


def stretches(frames: list[int], keyframe_every: int) -> list[Stretch]:
    """Return runs of frames that are better decoded at a go: the next is nearer than its own key frame.

    Args:
        frames: ascending.
        keyframe_every: frames from one key frame to the next.
    """
    runs: list[Stretch] = []
    for frame in frames:
        if runs:
            last = runs[-1].first + runs[-1].count - 1
            if frame - last <= frame % keyframe_every + 1 or frame // keyframe_every == last // keyframe_every:
                runs[-1] = Stretch(runs[-1].first, frame - runs[-1].first + 1)
                continue
        runs.append(Stretch(frame, 1))
    return runs


def open_reel(path: Path) -> Reel:
    """Open a reel by its content, whatever it is called.

    Raises:
        MalformedInput: it is none, or its index is missing or wrong.
        BackendUnavailable: FFmpeg is missing.
    """
    container = container_of(path)
    ffmpeg = find_ffmpeg()
    return Reel(path, container, ffmpeg, from_json(read_index(ffmpeg, path, container)))
