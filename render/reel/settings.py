"""What a reel is asked to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from render.errors import Fault, InputError

MAX_QUANTIZER = 51
DEFAULT_QUANTIZER = 26
MAX_KEYFRAME_EVERY = 600
MAX_THREADS = 64


class Codec(StrEnum):
    """Video coding: ITU-T H.264 | ISO/IEC 14496-10, or ITU-T H.265 | ISO/IEC 23008-2."""

    H264 = "h264"
    HEVC = "hevc"


class Mode(StrEnum):
    """Whether every pixel comes back as it went in, or nearly so."""

    LOSSLESS = "lossless"
    NEAR = "near"


class Colours(StrEnum):
    """What of a page's colours a reel carries.

    ``palette``: one level a pixel, near its luma, that stands for its palette entry; the index turns it back into the
    colour. ``rgb``: colours in the frames themselves. ``grey``: luma alone.
    """

    PALETTE = "palette"
    RGB = "rgb"
    GREY = "grey"


class Device(StrEnum):
    """``cuda``: NVENC or an error; ``cpu``: never NVENC; ``auto``: NVENC where a session opens, otherwise the CPU."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Effort(StrEnum):
    """The trade between time and bytes."""

    FAST = "fast"
    SMALL = "small"


@dataclass(frozen=True, slots=True)
class ReelSettings:
    """What a reel is asked to be.

    Attributes:
        colours: None = ``palette`` for a lossless reel, otherwise ``rgb``.
        quantizer: QP of a near-lossless reel, 0 to 51, more is coarser; None = DEFAULT_QUANTIZER. A lossless reel has
            none.
        keyframe_every: pages from one key frame to the next; a page costs at most so many decoded frames.
        threads: of the encoder. Bytes depend on it, so it is not taken from the machine.
        is_checked: the finished reel is decoded and compared with the pages before it gets its name.
    """

    codec: Codec = Codec.H264
    mode: Mode = Mode.LOSSLESS
    colours: Colours | None = None
    device: Device = Device.AUTO
    effort: Effort = Effort.FAST
    quantizer: int | None = None
    keyframe_every: int = 16
    threads: int = 1
    is_checked: bool = True

    @property
    def is_lossless(self) -> bool:
        """Tell whether every pixel must come back."""
        return self.mode is Mode.LOSSLESS

    def complete(self) -> ReelSettings:
        """Return the settings with every default put in.

        Raises:
            InputError: values out of range, or that contradict one another.
        """
        faults = list(self._faults())
        if faults:
            raise InputError("the reel cannot be made as asked.", faults=tuple(faults))
        usual = Colours.PALETTE if self.is_lossless else Colours.RGB
        quantizer = DEFAULT_QUANTIZER if self.quantizer is None else self.quantizer
        return replace(self, colours=self.colours or usual, quantizer=None if self.is_lossless else quantizer)

    def _faults(self) -> list[Fault]:
        faults = []
        if self.is_lossless and self.quantizer is not None:
            message = "a lossless reel has no quantiser."
            faults.append(Fault("quantizer", "reel.quantizer_lossless", message, "Leave it out, or choose mode near."))
        if not self.is_lossless and self.colours is Colours.PALETTE:
            message = "palette levels that are only nearly right stand for other colours."
            faults.append(Fault("colours", "reel.palette_near", message, "Choose rgb or grey, or mode lossless."))
        ranges = (
            ("quantizer", self.quantizer or 0, 0, MAX_QUANTIZER),
            ("keyframe_every", self.keyframe_every, 1, MAX_KEYFRAME_EVERY),
            ("threads", self.threads, 1, MAX_THREADS),
        )
        for name, value, least, most in ranges:
            if not least <= value <= most:
                message = f"{value} is out of range."
                faults.append(Fault(name, f"reel.{name}_range", message, f"Choose {least} to {most}."))
        return faults
